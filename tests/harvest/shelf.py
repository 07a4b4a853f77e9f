"""A client that needs no network: it has files on a shelf, and writes down what it was asked."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from harvest.answers import Download, Version
from harvest.download import download_scan
from harvest.errors import NotFoundError
from harvest.ledger import Ledger
from harvest.records import (
    CatalogReason,
    CatalogRow,
    CatalogState,
    Kind,
    Rendition,
    Role,
    Scan,
)
from harvest.store import Store

PNP = "https://tile.loc.gov/storage-services/service/pnp/ppmsc/00000"
IIIF = "https://tile.loc.gov/image-services/iiif/master:pnp:ppmsc:00000"


@dataclass
class Shelf:
    """Files and errors by address; the last one of an address repeats."""

    answers: dict[str, list[bytes | Exception]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    conditions: list[Version | None] = field(default_factory=list)
    ceilings: list[int] = field(default_factory=list)
    stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, url: str, *answers: bytes | Exception) -> None:
        self.answers[url] = list(answers)

    def download(
        self, url: str, target: Path, *, since: Version | None, most_bytes: int
    ) -> Download | None:
        with self._lock:
            self.asked.append(url)
            self.conditions.append(since)
            self.ceilings.append(most_bytes)
            script = self.answers.get(url) or [NotFoundError(url)]
            answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Exception):
            raise answer
        sha256 = hashlib.sha256(answer).hexdigest()
        if since is not None and since.etag == f'"{sha256}"':
            return None
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.write_bytes(answer)
        part.replace(target)
        return Download(
            sha256=sha256,
            size_bytes=len(answer),
            etag=f'"{sha256}"',
            last_modified="Fri, 20 Nov 2026 09:00:00 GMT",
            content_type="image/jpeg",
            seconds=0.5,
            attempts=2,
        )

    def stop(self) -> None:
        self.stopped = True


def url_of(number: int, kind: str = "v") -> str:
    if kind == "iiif":
        return f"{IIIF}:{number:05d}u/full/!2048,2048/0/default.jpg"
    level = f"{PNP}/{number:05d}{kind}"
    return f"{level.replace('/service/', '/master/')}.tif" if kind == "u" else f"{level}.jpg"


def rendition_of(number: int, kind: str, *, sides: tuple[int, int] | None = None) -> Rendition:
    width, height = sides or (None, None)
    return Rendition(url_of(number, kind), width, height, None, Kind(kind))


def row_of(
    number: int = 1,
    *,
    kinds: str = "v r u",
    sides: tuple[int, int] | None = None,
    modified: str = "2016-04-20",
) -> CatalogRow:
    """A listed row; `sides` are what the record says of every file."""
    return CatalogRow(
        row=number,
        item_id=f"20010{number:05d}",
        resource_id=f"ppmsc.{number:05d}",
        title="The arsenal, Venice, Italy",
        title_given="[The arsenal, Venice, Italy]",
        caption="",
        role=Role.COLOUR,
        date="",
        date_from=None,
        date_to=None,
        place="",
        latitude=None,
        longitude=None,
        subjects=(),
        publisher="",
        print_number="",
        collection_part="",
        rights="",
        call_number="",
        reproduction_number="",
        notes=(),
        modified=modified,
        renditions=tuple(rendition_of(number, kind, sides=sides) for kind in kinds.split()),
        state=CatalogState.LISTED,
        reason=CatalogReason.NONE,
    )


@contextmanager
def open_store(shelf: Shelf, folder: Path) -> Iterator[Store]:
    with Ledger(folder / "ledger.sqlite") as ledger:
        yield Store(shelf, ledger, "loc", folder / "data", "loc", folder / "locks")


def next_run(store: Store) -> Store:
    return replace(store, began=datetime.now(UTC))


def fetch(
    store: Store, rendition: str = "v", *, kinds: str = "v r u", modified: str = "2016-04-20"
) -> Scan:
    return download_scan(row_of(kinds=kinds, modified=modified), store=store, rendition=rendition)


def outcome(scan: Scan) -> tuple[str, str]:
    return str(scan.state), str(scan.reason)


def state_of(store: Store, kind: str = "v", *, number: int = 1) -> tuple[str, str] | None:
    entry = store.ledger.find("loc", url_of(number, kind))
    return None if entry is None else (str(entry.state), entry.reason)
