"""What every benchmark writes: where and when it ran, every run, and their median."""

import datetime
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def write_record(name: str, *, packages: tuple[str, ...], **content: Any) -> Path:
    """Write bench/results/<name>.json.

    Args:
        name: Of the benchmark.
        packages: Distributions whose versions matter to it.
        content: Settings, runs, median and whatever else it has to say.
    """
    machine = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }
    record = {"benchmark": name, "machine": machine, "date": f"{datetime.date.today()}", **content}
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def processor() -> str:
    """Name the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
