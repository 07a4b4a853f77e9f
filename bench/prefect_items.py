"""What Prefect costs for a collection of 7,500 items: time, database, and how the UI answers.

The items go through flows/batches.py as in the stages, 50 to a task, on a server of its own with
its database in a folder of its own, which both end with the benchmark. Beside it: one task an
item, on 500 items, taken times fifteen. Run it from the repository:
`python bench/prefect_items.py`. It writes bench/results/prefect_items.json.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests
from _record import write_record

from flows.batches import BATCH
from flows.project import Project
from flows.server import own_environment, start_server, stop_server

HERE = Path(__file__).resolve().parent
ITEMS, FEW = 7_500, 500
SETTLED_S = 3.0
"""So long the number of rows must stay: Prefect records task runs after the fact."""

LIMIT_S = 300.0
TABLES = ("flow_run", "task_run", "events", "log", "artifact")
PAGES = {
    "the list of runs": ("flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 50}),
    "the runs' count": ("flow_runs/count", {}),
    "a run's tasks": ("task_runs/filter", {"limit": 200}),
    "a run's log": ("logs/filter", {"limit": 200}),
}
"""What the pages of the UI ask for: path of the API, and the question."""


def run_flow(root: Path, *, items: int, size: int) -> dict[str, float]:
    """Run one flow in a process of its own, and wait until the server has it all.

    Args:
        root: The project.
        items: How many.
        size: Items in a task.

    Returns:
        Seconds: of the process, the flow and its body, and until the database had settled.
    """
    began = time.perf_counter()
    words = [sys.executable, str(HERE / "_flow_of_items.py"), str(root), str(items), str(size)]
    environ = os.environ | {"PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=True)
    process_s = time.perf_counter() - began
    settle(root)
    spent: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    spent |= {"process_s": process_s, "settled_s": time.perf_counter() - began - SETTLED_S}
    return {name: round(value, 3) for name, value in spent.items()}


def settle(root: Path) -> None:
    """Return when the rows of the database have stayed the same for a while."""
    rows, since, deadline = count_rows(root), time.monotonic(), time.monotonic() + LIMIT_S
    while time.monotonic() - since < SETTLED_S and time.monotonic() < deadline:
        time.sleep(0.5)
        now = count_rows(root)
        if now != rows:
            rows, since = now, time.monotonic()


def count_rows(root: Path) -> dict[str, int]:
    """Count the rows of the tables that grow with runs."""
    path = root / ".photochrom" / "prefect" / "prefect.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30) as database:
        return {
            table: database.execute(f"select count(*) from {table}").fetchone()[0]
            for table in TABLES
        }


def size_mb(root: Path) -> float:
    """Measure the database, with what is not yet merged into it."""
    files = (root / ".photochrom" / "prefect").glob("prefect.db*")
    return round(sum(file.stat().st_size for file in files) / 1e6, 2)


def time_pages(api: str) -> dict[str, Any]:
    """Time what the UI's pages ask for about the last run, each five times, in milliseconds."""
    newest = requests.post(
        f"{api}/flow_runs/filter", json={"sort": "START_TIME_DESC", "limit": 1}, timeout=60
    ).json()[0]["id"]
    about = {
        "task_runs/filter": {"task_runs": {"flow_run_id": {"any_": [newest]}}},
        "logs/filter": {"logs": {"flow_run_id": {"any_": [newest]}}},
    }
    taken = {
        name: [ask(f"{api}/{path}", question | about.get(path, {})) for _ in range(5)]
        for name, (path, question) in PAGES.items()
    }
    taken["a run's graph"] = [ask(f"{api}/flow_runs/{newest}/graph-v2", None) for _ in range(5)]
    return {
        name: {"ms": runs, "median_ms": statistics.median(runs)} for name, runs in taken.items()
    }


def ask(url: str, question: dict[str, Any] | None) -> float:
    """Ask the API once; give the milliseconds until the whole answer was there."""
    began = time.perf_counter()
    method = "GET" if question is None else "POST"
    answer = requests.request(method, url, json=question, timeout=60)
    answer.raise_for_status()
    return round(1000 * (time.perf_counter() - began), 1)


def look(root: Path, api: str) -> dict[str, Any]:
    """Look at the database and the API as they are now."""
    return {"rows": count_rows(root), "database_mb": size_mb(root), "pages": time_pages(api)}


def per_item_ms(runs: list[dict[str, float]], items: int, *, empty_s: float) -> float:
    """Overhead of an item: the flow, less a flow of one item, less the work, by items."""
    spent = statistics.median(run["flow_s"] - run["alone_s"] for run in runs)
    return round(1000 * (spent - empty_s) / items, 3)


def main() -> None:
    """Run the flows, one after the other, and look between them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="flows of 7,500 items")
    runs_wanted = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        os.environ.update(own_environment(project))
        try:
            content = measure(project.root, start_server(project).url, runs_wanted)
        finally:
            stop_server(project)
    path = write_record("prefect_items", packages=("prefect",), **content)
    sys.stdout.write(path.read_text())


def measure(root: Path, url: str, runs_wanted: int) -> dict[str, Any]:
    """Measure all; give what the record is to hold."""
    api = f"{url}/api"
    empty = [run_flow(root, items=1, size=1) for _ in range(3)]
    empty_s = statistics.median(run["flow_s"] for run in empty)
    looks = {"before": look(root, api)}
    runs = [run_flow(root, items=ITEMS, size=BATCH)]
    looks["after one run"] = look(root, api)
    runs += [run_flow(root, items=ITEMS, size=BATCH) for _ in range(runs_wanted - 1)]
    looks[f"after {runs_wanted} runs"] = look(root, api)
    single = [run_flow(root, items=FEW, size=1) for _ in range(2)]
    looks[f"after two runs of {FEW} tasks more"] = look(root, api)
    before, after = looks["before"], looks[f"after {runs_wanted} runs"]
    last = looks[f"after two runs of {FEW} tasks more"]
    batched_ms = per_item_ms(runs, ITEMS, empty_s=empty_s)
    single_ms = per_item_ms(single, FEW, empty_s=empty_s)
    grown = (after["database_mb"] - before["database_mb"]) / runs_wanted
    grown_single = (last["database_mb"] - after["database_mb"]) / 2 * ITEMS / FEW
    return {
        "items": ITEMS,
        "batch": BATCH,
        "flows_of_one_item": empty,
        "flows_of_batches": runs,
        "flows_of_one_task_an_item": single,
        "overhead_ms_per_item": {"batches": batched_ms, "one task an item": single_ms},
        "overhead_s_for_7500": {
            "batches": round(batched_ms * ITEMS / 1000, 2),
            "one task an item, taken times 15": round(single_ms * ITEMS / 1000, 2),
        },
        "database_mb_per_run_of_7500": {
            "batches": round(grown, 2),
            "one task an item, taken times 15": round(grown_single, 1),
        },
        "looks": looks,
    }


if __name__ == "__main__":
    main()
