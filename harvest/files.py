"""Edge: files that appear whole or not at all."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harvest.errors import HarvestError


def check_inside(path: Path, *, folder: Path) -> None:
    """Refuse a path that a symbolic link leads out of its folder.

    Args:
        path: Below the folder; it need not be there.
        folder: May itself be a link.

    Raises:
        HarvestError: If it leads outside.
    """
    # Not `resolve`, which ends with a RuntimeError where links lead round in a circle.
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(folder)):
        raise HarvestError(
            f"{path}: expected a folder inside of {folder}, got a link to {real}; what is there "
            f"is left alone: replace the link by a folder, or let {folder} itself be the link"
        )


@contextmanager
def disk_explained(path: Path) -> Iterator[None]:
    """Say in our own error what the disk refuses to the block, and what to do.

    Args:
        path: What the block is about, for an error that names no file.

    Raises:
        HarvestError: In place of an OSError of the block.
    """
    try:
        yield
    except OSError as exc:
        raise HarvestError(
            f"{exc.filename or path}: the disk refuses this file or folder "
            f"({exc.strerror or exc}); see that it has room and lets it be written, and that "
            "nothing else stands there, and run the stage again"
        ) from exc


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        path: Where the file stands afterwards; missing folders are made.
        content: All its bytes.

    Raises:
        OSError: If the disk refuses; then nothing is left behind.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; flush and rename it when the block ends well.

    The temporary file is removed when the block raises, so nothing half-written stays.
    Only a kill can leave one behind; its name starts with a dot and ends with `.part`.

    Args:
        path: Where the file stands afterwards; missing folders are made.

    Yields:
        The temporary path, in the same folder. The block creates the file.

    Raises:
        OSError: If the disk refuses, or the block wrote no file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield temporary
        put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def put_in_place(source: Path, target: Path) -> None:
    """Give a file that is complete its name, in place of what stood there.

    Once this returns the disk keeps it, whatever happens; at every instant before, either the
    old file or the whole new one stands under the name.

    Args:
        source: The file, on the same file system.
        target: Its name; missing folders are made.

    Raises:
        OSError: If the disk refuses.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _flush(source)
    source.replace(target)
    _flush(target.parent)


def _flush(path: Path) -> None:
    """Make the disk keep a file's content, or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
