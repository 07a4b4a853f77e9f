"""A progress bar on a terminal, and silence elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


@contextmanager
def bar(name: str) -> Iterator[Callable[[float], None]]:
    """Show a bar on standard error while the block runs, if that is a terminal.

    Args:
        name: What is going on.

    Yields:
        A function that takes the share done, 0 to 1.
    """
    drawn = Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with drawn:
        line = drawn.add_task(name, total=1.0)
        yield lambda share: drawn.update(line, completed=share)
