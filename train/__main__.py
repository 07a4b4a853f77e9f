"""What the local launcher or srun starts on every rank: `python -m train RUN`."""

import argparse
import contextlib
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType

_GRACE_S = 60.0


def main() -> int:
    """Train the run named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    parser.add_argument("run", type=Path, help="folder with run.json")
    parser.add_argument(
        "--tethered", action="store_true", help="stop when standard input closes, as a launcher's"
    )
    arguments = parser.parse_args()
    asked = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    if arguments.tethered:
        threading.Thread(target=_watch, args=(asked,), daemon=True).start()
    code = _train(arguments.run, asked)
    # At exit the interpreter puts its own handlers back to the default; then srun, which ends the
    # others as soon as one rank is through, would make 143 of this one's code.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return code


def _train(run: Path, asked: threading.Event) -> int:
    # Only now, for torch takes seconds to load, and a job may be told to stop in its first.
    from train.errors import TrainError
    from train.run import FAILED, STOPPED, UNEXPECTED, read_run

    try:
        from train.job import train_run
        from train.world import read_world

        done = train_run(read_run(run), read_world(), stop=asked.is_set)
    except TrainError as exc:
        said = f"{type(exc).__name__}: {exc}"
        # The launcher sees one code for all ranks, maybe that of one that was ended for this one.
        with contextlib.suppress(OSError):
            (run / FAILED).write_text(f"{said}\n", encoding="utf-8")
        sys.exit(said)
    except Exception:
        # A known error would come again; of this one nobody knows, and whoever started it may try.
        traceback.print_exc()
        return UNEXPECTED
    return 0 if done else STOPPED


def _watch(asked: threading.Event) -> None:
    """Ask for a stop when the launcher is gone, however it went, and see that it happens."""
    # Not through sys.stdin: at exit the interpreter would find its lock held.
    while os.read(sys.stdin.fileno(), 1):
        pass
    asked.set()
    threading.Event().wait(_GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
