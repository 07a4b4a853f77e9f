"""Edge: makes each scan when it is first asked for, and keeps its files till the process ends."""

import asyncio
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from replica.making import Maker
from replica.params import Style
from replica.records import FileScan, Resource

DRAWERS = 2
"""Prints drawn at once; each takes about 80 MB at 1,280 px."""


PREFIX = "photochrom-replica-"


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is served.

    Attributes:
        path: Where it is till the store is closed.
        sha256: Of its bytes.
        size_bytes: How many they are.
    """

    path: Path
    sha256: str
    size_bytes: int


class Store:
    """The files of every scan, made on demand in a folder of the process's own.

    `fetch` is called on the event loop alone, so that the table of what is being made needs no
    lock. The making runs in threads, not processes: they leave the loop its share. On two cores,
    eight clients asking as fast as they can, it was at most 34 ms late while prints of 1,280 px
    were drawn (94 ms when the machine was busy besides), and at most 130 ms with 170 plain ones a
    second. Close it to delete the folder.
    """

    def __init__(self, pixels: int, *, style: Style = Style.DRAWN) -> None:
        """Begin without a file.

        Args:
            pixels: Long edge of a generated print.
            style: How generated prints look.
        """
        _sweep(Path(tempfile.gettempdir()))
        self._folder = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-")
        self._maker = Maker(Path(self._folder.name), pixels, style)
        self._drawers = ThreadPoolExecutor(DRAWERS, thread_name_prefix="draw")
        self._making: dict[tuple[str, ...], asyncio.Future[dict[str, Stored]]] = {}

    async def fetch(self, resource: Resource, suffix: str) -> Stored:
        """Give the file of one rendition, making it first if nobody asked before.

        Args:
            resource: Whose scan.
            suffix: "_150px.jpg", "t.gif", "r.jpg", "v.jpg" or "u.tif".

        Returns:
            A file that stays until the store is closed.
        """
        key: tuple[str, ...] = (resource.digital_id, suffix)
        if isinstance(resource.scan, FileScan):
            stat = resource.scan.path.stat()  # the folder's own files may be replaced meanwhile
            key = (*key, str(stat.st_mtime_ns), str(stat.st_size))
        elif self._maker.makes_all(resource) and suffix != "u.tif":
            key = (resource.digital_id, "service")  # drawn once for all
        made = await self._once(key, functools.partial(self._make, resource, suffix))
        return made[suffix]

    async def fetch_scaled(self, resource: Resource, size: tuple[int, int]) -> Stored:
        """Give a JPEG of the master in another size, as the IIIF service does.

        Args:
            resource: Whose scan.
            size: Width and height in pixels, no larger than the master's.
        """
        suffix = f"_{size[0]}x{size[1]}.jpg"
        work = functools.partial(self._scale, resource, size, suffix)
        return (await self._once((resource.digital_id, suffix), work))[suffix]

    def close(self) -> None:
        """Wait for what is being made, then delete the folder."""
        self._drawers.shutdown(cancel_futures=True)
        self._folder.cleanup()

    async def _once(
        self, key: tuple[str, ...], work: Callable[[], dict[str, Stored]]
    ) -> dict[str, Stored]:
        if key not in self._making:
            self._making[key] = asyncio.ensure_future(self._run(key, work))
        return await asyncio.shield(self._making[key])

    async def _run(
        self, key: tuple[str, ...], work: Callable[[], dict[str, Stored]]
    ) -> dict[str, Stored]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._drawers, work)
        except BaseException:
            del self._making[key]  # the next request may try again
            raise

    def _make(self, resource: Resource, suffix: str) -> dict[str, Stored]:
        made = self._maker.make(resource, suffix)
        return {name: _look_at(path) for name, path in made.items()}

    def _scale(self, resource: Resource, size: tuple[int, int], suffix: str) -> dict[str, Stored]:
        return {suffix: _look_at(self._maker.scale(resource, size))}


def _look_at(path: Path) -> Stored:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Stored(path, sha256, path.stat().st_size)


def _sweep(folder: Path) -> None:
    """Delete what killed replicas of this user left behind; the names hold their process ids."""
    for left in folder.glob(f"{PREFIX}*-*"):
        number = left.name.removeprefix(PREFIX).partition("-")[0]
        try:
            if number.isdigit() and left.stat().st_uid == os.getuid():
                os.kill(int(number), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except FileNotFoundError:
            continue  # another replica swept it, or its owner has ended
