"""A flow over many items in a process of its own: `python bench/_flow_of_items.py ROOT ITEMS SIZE`.

It spreads the items as the stages do, SIZE to a task, does next to nothing with each, and prints
what the flow took, in seconds, as JSON.
"""

import json
import sys
import time
from pathlib import Path

from flows.project import Project
from flows.server import use_server

WORKERS = 4


def touch(batch: list[int]) -> int:
    """Do what a stage would do with a batch, less the work."""
    return sum(batch)


def main() -> None:
    """Run one flow."""
    root, items, size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    use_server(Project(root))
    # After the server is known: Prefect reads its environment as it is imported.
    from prefect import flow

    from flows.batches import cut, run_batches

    batches = cut(range(items), size)
    spent = {}

    @flow(name="items", flow_run_name=f"items-{items}-by-{size}")
    def over_items() -> int:
        began = time.perf_counter()
        total = sum(run_batches(touch, batches, stage="items", workers=WORKERS))
        spent["body_s"] = time.perf_counter() - began
        return total

    began = time.perf_counter()
    assert over_items() == items * (items - 1) // 2
    spent["flow_s"] = time.perf_counter() - began
    began = time.perf_counter()
    for batch in batches:
        touch(batch)
    spent["alone_s"] = time.perf_counter() - began
    sys.stdout.write(json.dumps(spent) + "\n")


if __name__ == "__main__":
    main()
