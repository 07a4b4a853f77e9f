"""A worker's process: `python -m flows.deploying.worker_process ROOT NAME TOKEN`.

It is `prefect worker start` for the pool `photochrom`, and ends by itself, with all that it runs,
when the checkout's workers.json no longer names its token: after `photochrom down`, or with the
folder.
"""

import os
import runpy
import sys
import threading
import time
from pathlib import Path

import requests

from flows.server_process import names

WATCH_EVERY_S = 1.0
LOOK_EVERY_S = 0.2
POOL = "photochrom"


def watch(record: Path, token: str) -> None:
    """End this process, and all that it has started, when `record` stops naming `token`.

    Args:
        record: The checkout's workers.json.
        token: Of this worker's server.
    """
    while names(record, token):
        time.sleep(WATCH_EVERY_S)
    from flows.deploying.processes import end_family

    end_family(token)
    os._exit(0)


def await_pool(api: str) -> None:
    """Wait until the server answers and has the pool; `watch` ends the wait if need be.

    Args:
        api: Address of the server's API.
    """
    while True:
        try:
            if requests.get(f"{api}/work_pools/{POOL}", timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(LOOK_EVERY_S)
            continue
        time.sleep(LOOK_EVERY_S)


def main() -> None:
    """Detach, start the watch, then become the worker."""
    root, name, token = sys.argv[1:]
    if os.fork():
        os._exit(0)
    os.setsid()
    record = Path(root) / ".photochrom" / "workers.json"
    threading.Thread(target=watch, args=(record, token), daemon=True).start()
    import prefect.workers.process  # noqa: F401 - takes its second while the pool is made

    await_pool(os.environ["PREFECT_API_URL"])
    sys.argv = ["prefect", "worker", "start", "--pool", POOL, "--name", name, "--type", "process"]
    sys.argv += ["--install-policy", "never", "--no-create-pool-if-not-found"]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
