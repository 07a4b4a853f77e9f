"""A step of a deployed run: `python -m flows.deploying.child WORD...` is `dvc WORD...`.

It holds the end of a pipe whose other end the run holds. When that closes, everything that DVC has
started is ended: as by Ctrl-C where the run was called off (cancelled, timed out), and as by
`kill` where it was killed on the spot, so that a job on a cluster goes on, and the next run finds
it.
"""

import os
import signal
import sys
import threading
import time

import psutil

CALLED_OFF = "called off\n"
"""What a run that ends in order writes into the pipe before it lets go."""

ENDED = 143
"""128 and SIGTERM's number, as a shell would say."""

ROUNDS = 30
PAUSE_S = 0.5


def watch(pipe: int) -> None:
    """Wait until the run lets go of the pipe, then end all below this process, and it too.

    Args:
        pipe: Its file descriptor.
    """
    told = b""
    while part := os.read(pipe, 64):
        told += part
    how = signal.SIGINT if told else signal.SIGTERM
    from flows.deploying.processes import end_all

    for _ in range(ROUNDS):
        # DVC sees its stage fail, and ends by itself: cut short, it would leave a torn lock.
        end_all(psutil.Process().children(recursive=True), how=how)
        time.sleep(PAUSE_S)
    os._exit(ENDED)


def main() -> None:
    """Keep the pipe for the watch, then become DVC."""
    # `photochrom down` asks everything to end: the stage does, and then DVC, in this order.
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    # Who starts this process may ignore Ctrl-C, and what DVC starts would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    pipe = os.dup(0)
    # What DVC starts gets an empty input, and not an end of the pipe.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=watch, args=(pipe,), daemon=True).start()
    from dvc.cli import main as dvc

    sys.exit(dvc(sys.argv[1:]))


if __name__ == "__main__":
    main()
