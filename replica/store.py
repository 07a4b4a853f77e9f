"""Edge: draws each scan when it is first asked for, and keeps its files till the process ends."""

import asyncio
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from replica.chance import rng_of
from replica.records import RENDITION_LONG_EDGE, DrawnScan, FileScan, Resource
from replica.renditions import write_drawn, write_scaled
from replica.scan import draw_scan

DRAWERS = 2
"""Prints drawn at once; each takes about 80 MB at 1,280 px."""


PREFIX = "photochrom-replica-"


class Store:
    """The files of every scan, made on demand in a folder of the process's own.

    `fetch` is called on the event loop alone, so that the table of what is being drawn needs no
    lock; the drawing itself runs in threads. Close it to delete the folder.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        _sweep(Path(tempfile.gettempdir()))
        self._folder = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-")
        self._drawers = ThreadPoolExecutor(DRAWERS, thread_name_prefix="draw")
        self._drawing: dict[tuple[str, bool], asyncio.Future[None]] = {}

    async def fetch(self, resource: Resource, suffix: str) -> Path:
        """Give the file of one rendition, drawing it first if nobody asked before.

        Args:
            resource: Whose scan.
            suffix: "_150px.jpg", "t.gif", "r.jpg", "v.jpg" or "u.tif".

        Returns:
            A file that stays until the store is closed.
        """
        scan = resource.scan
        if isinstance(scan, FileScan):
            if suffix == "u.tif":
                return scan.path
            path = self._path(resource.digital_id, suffix)
            await self._once(
                (f"{resource.digital_id}{suffix}", False),
                functools.partial(write_scaled, scan, path, long_edge=RENDITION_LONG_EDGE[suffix]),
            )
            return path if path.exists() else scan.path
        master = suffix == "u.tif"
        await self._once(
            (resource.digital_id, master),
            functools.partial(self._draw, resource.digital_id, scan, master),
        )
        return self._path(resource.digital_id, suffix)

    def close(self) -> None:
        """Wait for what is being drawn, then delete the folder."""
        self._drawers.shutdown(cancel_futures=True)
        self._folder.cleanup()

    async def _once(self, key: tuple[str, bool], work: Callable[[], object]) -> None:
        if key not in self._drawing:
            loop = asyncio.get_running_loop()
            self._drawing[key] = asyncio.ensure_future(self._run(loop, key, work))
        await asyncio.shield(self._drawing[key])

    async def _run(
        self, loop: asyncio.AbstractEventLoop, key: tuple[str, bool], work: Callable[[], object]
    ) -> None:
        try:
            await loop.run_in_executor(self._drawers, work)
        except BaseException:
            del self._drawing[key]  # the next request may try again
            raise

    def _draw(self, digital_id: str, scan: DrawnScan, master: bool) -> None:
        pixels = draw_scan(scan, self._pixels)
        suffixes = ("u.tif",) if master else tuple(RENDITION_LONG_EDGE)
        quality = int(rng_of(f"{scan.key}/quality").integers(78, 94))
        paths = {suffix: self._path(digital_id, suffix) for suffix in suffixes}
        write_drawn(pixels, paths, quality=quality, master=master)

    def _path(self, digital_id: str, suffix: str) -> Path:
        return Path(self._folder.name) / f"{digital_id}{suffix}"


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
