"""Edge: raw replies of the catalogue on disk, compressed, so that rows can be rebuilt.

One folder holds those of one road: `listing/` the pages of the last whole listing,
`listing.next/` those of one that was begun, `items/` the replies of single items. A reply
is `<name>.json.gz` or, where the older site gave a web page, `<name>.html.gz`; the same
reply gives the same bytes.
"""

import gzip
import json
import re
import shutil
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvest.errors import CatalogError
from harvest.files import write_bytes

REUSED_S = 86_400.0
"""Pages of an interrupted listing serve this long: the Library lets one be kept about a day
(FACTS a2)."""

_PAGE = re.compile(r"([0-9]{5,9})\.(?:json|html)\.gz")
_SETTINGS = "settings.json"
_DAMAGED = (OSError, EOFError, zlib.error, ValueError, RecursionError)


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the raw replies of one road lie.

    Attributes:
        folder: That of the source, or below it that of the road.
    """

    folder: Path

    @property
    def listing(self) -> Path:
        """Pages of the last whole listing."""
        return self.folder / "listing"

    @property
    def begun(self) -> Path:
        """Pages of a listing that is not whole yet."""
        return self.folder / "listing.next"

    @property
    def old(self) -> Path:
        """Pages that are about to be removed, for an instant."""
        return self.folder / "listing.old"

    @property
    def items(self) -> Path:
        """Replies of single items."""
        return self.folder / "items"


@dataclass(frozen=True, slots=True)
class RawReply:
    """A reply as it was kept.

    Attributes:
        data: As parsed, where it is JSON; else None.
        text: The web page, where it is one; else "".
        stamp: What the record said of its last change, in seconds since 1970; 0 if nothing.
        age_s: How long ago it was written.
    """

    data: Any | None
    text: str
    stamp: int
    age_s: float


def open_shelf(raw: Path, road: str) -> Shelf:
    """Return the shelf of a road.

    Args:
        raw: Folder of the source's raw replies, data/catalog/<source>.
        road: "json" or "pictures".
    """
    return Shelf(raw if road == "json" else raw / road)


def keep_reply(stem: Path, content: bytes, *, is_json: bool, stamp: int = 0) -> None:
    """Keep a reply as it came, in place of an earlier one.

    Args:
        stem: Its path without an ending.
        content: Its bytes.
        is_json: Whether it is JSON; else it is a web page.
        stamp: What the record says of its last change (`to_stamp`); it becomes the time in
            gzip's header, which is meant for the original's last change.
    """
    ours, other = _names(stem) if is_json else _names(stem)[::-1]
    write_bytes(ours, gzip.compress(content, mtime=stamp))
    other.unlink(missing_ok=True)


def read_reply(stem: Path) -> RawReply | None:
    """Read a reply that was kept.

    Args:
        stem: Its path without an ending.

    Returns:
        The reply; None where there is none.

    Raises:
        CatalogError: If the file is damaged.
    """
    path = next((path for path in _names(stem) if path.is_file()), None)
    if path is None:
        return None
    try:
        packed = path.read_bytes()
        content = gzip.decompress(packed)
        data = json.loads(content) if path.name.endswith(".json.gz") else None
        stamp, age_s = struct.unpack("<I", packed[4:8])[0], time.time() - path.stat().st_mtime
    except _DAMAGED as exc:
        raise CatalogError(
            f"{path}: expected a raw reply, got a damaged file ({exc}); remove it and run "
            "photochrom catalog again"
        ) from exc
    return RawReply(data, content.decode("utf-8", "replace") if data is None else "", stamp, age_s)


def read_pages(folder: Path) -> Iterator[RawReply]:
    """Read the pages of a listing in order.

    Args:
        folder: `Shelf.listing`.

    Raises:
        CatalogError: If there are none, one between is missing, or one is damaged.
    """
    numbers = sorted(set(_find_pages(folder).values()))
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        found = f"{len(numbers)} with gaps" if numbers else "none"
        raise CatalogError(
            f"{folder}: expected all raw pages, found {found}; run photochrom catalog first"
        )
    for number in numbers:
        reply = read_reply(page_stem(folder, number))
        assert reply is not None  # it was there a moment ago
        yield reply


def page_stem(folder: Path, number: int) -> Path:
    """Give the path of a page without its ending; pages are numbered from 1."""
    return folder / f"{number:05d}"


def begin_listing(shelf: Shelf, settings: Mapping[str, Any]) -> None:
    """Make room for a listing; pages of an interrupted one stay if they still serve.

    Args:
        shelf: Where.
        settings: What the pages depend on, such as their size; others begin anew.
    """
    about = shelf.begun / _SETTINGS
    if about.is_file() and about.read_bytes() == _to_bytes(settings):
        ages = [time.time() - path.stat().st_mtime for path in shelf.begun.glob("*.gz")]
        if max(ages, default=0.0) <= REUSED_S:
            return
    shutil.rmtree(shelf.begun, ignore_errors=True)
    write_bytes(about, _to_bytes(settings))


def finish_listing(shelf: Shelf, *, pages: int) -> None:
    """Put a whole listing in place of the last one.

    Whatever moment a kill chooses, a whole listing is under one of the two names: the next
    run finds it in `listing.next/` and asks for nothing, or in `listing/`.

    Args:
        shelf: Where.
        pages: How many pages it has; those behind them go, and what kills left beside them.

    Raises:
        CatalogError: If one of them is gone, as when two processes list at once.
    """
    numbers = _find_pages(shelf.begun)
    if not set(range(1, pages + 1)) <= set(numbers.values()):
        raise CatalogError(
            f"{shelf.begun}: expected {pages} pages, found {len(numbers)}; another process took "
            "them: wait for its end, and run photochrom catalog again"
        )
    for path in shelf.begun.iterdir():
        if path.name != _SETTINGS and not 1 <= numbers.get(path, 0) <= pages:
            path.unlink(missing_ok=True)
    # Whole or not at all, also for who reads it after a kill: rmtree takes page by page.
    shutil.rmtree(shelf.old, ignore_errors=True)
    if shelf.listing.exists():
        shelf.listing.rename(shelf.old)
    shelf.begun.rename(shelf.listing)
    (shelf.listing / _SETTINGS).unlink(missing_ok=True)
    shutil.rmtree(shelf.old, ignore_errors=True)


def drop_listing(shelf: Shelf, *, pages: Iterable[int]) -> None:
    """Forget pages of a listing that was begun, so that they are asked for again."""
    for number in pages:
        for path in _names(page_stem(shelf.begun, number)):
            path.unlink(missing_ok=True)


def to_stamp(modified: str) -> int:
    """Turn a record's last change, such as "2016-04-21T06:01:14Z", into seconds since 1970.

    Returns:
        0 where it says nothing, or what gzip's header cannot hold.
    """
    try:
        seconds = datetime.strptime(modified, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0
    return int(seconds) if 0 < seconds < 2**32 else 0


def _names(stem: Path) -> tuple[Path, Path]:
    return stem.with_name(f"{stem.name}.json.gz"), stem.with_name(f"{stem.name}.html.gz")


def _find_pages(folder: Path) -> dict[Path, int]:
    """Find the pages of a listing; what has another name, such as a copy, is none."""
    named = {path: _PAGE.fullmatch(path.name) for path in folder.glob("*.gz")}
    return {path: int(match[1]) for path, match in named.items() if match}


def _to_bytes(settings: Mapping[str, Any]) -> bytes:
    return json.dumps(settings, sort_keys=True).encode()
