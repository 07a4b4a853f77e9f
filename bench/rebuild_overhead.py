"""What `dvc repro` of the demo costs beyond the stages' own work, and what a no-op costs.

In a clone of the checkout, with its params.yaml and this environment: three rounds of
`dvc repro --force` over all stages, each from an empty data/ and cache and with a server of its own
to start, against the sum of the stages' own work (flows/costs.py: the bodies of the flows). Then
`dvc repro` with nothing to do. Run it from the repository, on a machine that does nothing else:
`python bench/rebuild_overhead.py`. It writes bench/results/rebuild_overhead.json, and takes some
twenty minutes.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from _record import write_record

from flows.costs import read_costs

ROOT = Path(__file__).resolve().parents[1]
WANTED, NOOP_S = 0.20, 5.0
"""Most overhead, as a share of the stages' own work; longest no-op, in seconds."""


def copy_checkout(to: Path) -> None:
    """Copy what Git has or would take, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    subprocess.run(["git", "init", "-q"], cwd=to, check=True)


def change(root: Path, settings: list[str]) -> None:
    """Lay settings, `section.key=value` each, over the copy's params.yaml."""
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for setting in settings:
        name, _, value = setting.partition("=")
        section, _, key = name.partition(".")
        params[section][key] = yaml.safe_load(value)
    path.write_text(yaml.safe_dump(params))


def call(root: Path, *words: str) -> float:
    """Run a program of this environment on the copy's code; give the seconds that it took."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    environ |= {"PATH": path, "PYTHONPATH": str(root)}
    began = time.perf_counter()
    done = subprocess.run(words, cwd=root, env=environ, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(words)}:\n{done.stdout}\n{done.stderr}")
    return round(taken, 2)


def run_round(root: Path) -> dict[str, Any]:
    """Build everything from nothing; give the seconds, in all and by stage."""
    for folder in (".photochrom", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(root / folder, ignore_errors=True)
    call(root, "git", "clean", "-qfdX", "data")
    load = os.getloadavg()[0]
    try:
        wall_s = call(root, "dvc", "repro", "--force", "--quiet")
        costs = read_costs(root / ".photochrom" / "costs")
        noop_s = [call(root, "dvc", "repro", "--quiet") for _ in range(3)]
    finally:
        call(root, "photochrom", "down")
    own_s = round(sum(cost.own_s for cost in costs.values()), 2)
    processes_s = round(sum(cost.wall_s for cost in costs.values()), 2)
    return {
        "load_before": round(load, 2),
        "wall_s": wall_s,
        "own_s": own_s,
        "in_stage_processes_s": processes_s,
        "overhead": round(wall_s / own_s - 1, 4),
        "noop_s": noop_s,
        "stages": {
            cost.stage: {"own_s": cost.own_s, "process_s": cost.wall_s} for cost in costs.values()
        },
    }


def main() -> None:
    """Run the rounds and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="settings other than the demo's")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "photochrom"
        copy_checkout(root)
        change(root, arguments.set)
        runs = [run_round(root) for _ in range(arguments.rounds)]
    path = write_record(
        "rebuild_overhead",
        packages=("dvc", "prefect"),
        settings_changed=arguments.set,
        wanted={"overhead": WANTED, "noop_s": NOOP_S},
        runs=runs,
        median_overhead=statistics.median(run["overhead"] for run in runs),
        median_noop_s=statistics.median(s for run in runs for s in run["noop_s"]),
    )
    sys.stdout.write(path.read_text())


if __name__ == "__main__":
    main()
