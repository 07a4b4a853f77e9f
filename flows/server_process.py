"""The Prefect server's process: `python -m flows.server_process ROOT PORT TOKEN`.

It is `prefect server start` on loopback, and ends by itself when the checkout's
server.json no longer names its token: after `photochrom down`, or with the folder.
"""

import json
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

WATCH_EVERY_S = 1.0
GRACE_S = 10.0


def watch(record: Path, token: str) -> None:
    """End this process when `record` stops naming `token`."""
    while names(record, token):
        time.sleep(WATCH_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


def names(record: Path, token: str) -> bool:
    """Say whether a server.json holds a token; a missing or torn one does not."""
    try:
        return bool(json.loads(record.read_text("utf-8"))["token"] == token)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def main() -> None:
    """Detach, leave a record, start the watch, then become the server."""
    root, port, token = sys.argv[1:]
    record = Path(root) / ".photochrom" / "server.json"
    if child := os.fork():
        while not names(record, token):
            if os.waitpid(child, os.WNOHANG) != (0, 0):
                os._exit(1)  # it died before it could write; the log says why
            time.sleep(0.01)
        os._exit(0)
    os.setsid()
    url = f"http://127.0.0.1:{port}"
    server = {"url": url, "pid": os.getpid(), "token": token, "root": root}
    temporary = record.with_suffix(".tmp")
    temporary.write_text(json.dumps(server, indent=2) + "\n", "utf-8")
    temporary.replace(record)
    threading.Thread(target=watch, args=(record, token), daemon=True).start()
    # The page asks the API at this address; without it, at Prefect's usual port.
    os.environ["PREFECT_SERVER_UI_API_URL"] = f"{url}/api"
    os.environ["PREFECT_UI_URL"] = url
    sys.argv = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
