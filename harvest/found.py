"""Pure: what lies in a folder of one's own pictures, as a listing and as rows of the catalogue."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from harvest.catalog import mark_repeated
from harvest.errors import CatalogError
from harvest.fields import to_text
from harvest.records import CatalogReason, CatalogRow, CatalogState, Kind, Rendition, Role

SCHEME = "folder:"
"""Of a picture's address, which has its path within the folder and nothing of the machine."""

BUCKET = "own"
"""What a Library's digital id has before its dot; own pictures have this."""

NEGATIVE_CAPTION = "black-and-white copy"

_VERSION = 1
_SUFFIX = re.compile(r"(?i)(?<=.)\.(?:jpe?g|jpe|jfif|mpo|png|tiff?|gif)$")
_COPY_MARK = re.compile(r"(?i)(?<=.)\.bw$")
_HASH_CHARACTERS = 12
"""48 bits: among 100,000 pictures two share a hash with a chance of 2 in 100,000."""

_SLUG_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a folder, whatever it is.

    Attributes:
        path: Within the folder, its bytes percent-encoded, so that any name is plain ASCII.
        size_bytes: Of a picture; None of anything else.
        sha256: Of a picture, in hex; "" of anything else.
        rights: What the picture's own metadata say, or "".
        note: What it is, where it is no picture; "" of a picture.
        reason: Why it is not listed; NONE of a picture.
    """

    path: str
    size_bytes: int | None
    sha256: str
    rights: str
    note: str
    reason: CatalogReason


def to_path(relative: bytes) -> str:
    """Encode a path within the folder.

    Args:
        relative: As the disk names it, in whatever encoding.
    """
    return quote(relative, safe="/")


def to_relative(url: str) -> bytes:
    """Read the path within the folder out of a picture's address.

    Raises:
        ValueError: If it is no address of a folder's picture.
    """
    if not url.startswith(SCHEME):
        raise ValueError(f"expected an address such as {SCHEME}italy/venice.jpg, got {url[:200]!r}")
    return unquote_to_bytes(url.removeprefix(SCHEME))


def to_listing(found: Iterable[Found]) -> bytes:
    """Write what was found as JSON, sorted by path; it holds no time and no absolute path."""
    files = [asdict(one) for one in sorted(found, key=lambda one: one.path)]
    text = json.dumps({"version": _VERSION, "files": files}, ensure_ascii=False, indent=1)
    return f"{text}\n".encode()


def read_listing(content: bytes) -> list[Found]:
    """Read what `to_listing` wrote.

    Raises:
        ValueError: If it is something else.
    """
    data: Any = json.loads(content)
    if not isinstance(data, dict) or data.get("version") != _VERSION:
        raise ValueError(f"expected a listing of version {_VERSION}")
    try:
        return [Found(**{**one, "reason": CatalogReason(one["reason"])}) for one in data["files"]]
    except (KeyError, TypeError) as exc:
        raise ValueError(f"expected the fields of a file ({exc!r})") from exc


def to_own_rows(found: Sequence[Found]) -> list[CatalogRow]:
    """Make the catalogue of a folder: one row for each entry.

    A picture is named after its path alone: its id is the same wherever the folder lies and
    whatever else is in it. A picture `venice.bw.jpg` is a black-and-white copy of the item of
    `venice.jpg`.

    Args:
        found: All entries, in any order.

    Returns:
        Listed rows, and skipped ones with their reason, sorted by path.

    Raises:
        CatalogError: If a path is found twice.
    """
    entries = sorted(found, key=lambda one: one.path)
    if len({one.path for one in entries}) != len(entries):
        raise CatalogError("the listing of the folder names a path twice; run photochrom catalog")
    names = _to_names([one for one in entries if one.reason is CatalogReason.NONE])
    rows = [
        _to_row(one, row=number, name=names.get(one.path))
        for number, one in enumerate(entries, start=1)
    ]
    return mark_repeated(rows)


def _to_names(pictures: Sequence[Found]) -> dict[str, str]:
    """Name each picture by its path.

    Systems spell "é" in one character or in two, and change that when files are copied from one
    to another; so the path counts as it is in NFC. Where both spellings lie side by side, the
    other one counts as it is written.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    texts = {one.path: _to_text(one.path) for one in pictures}
    normal = {path: unicodedata.normalize("NFC", text) for path, text in texts.items()}
    for path in sorted(texts, key=lambda path: (texts[path] != normal[path], path)):
        stem, is_copy = _split(normal[path])
        slug = f"{stem} bw" if is_copy else stem
        name = _to_name(slug, of=normal[path])
        names[path] = _to_name(slug, of=texts[path]) if name in taken else name
        taken.add(names[path])
    return names


def _to_row(one: Found, *, row: int, name: str | None) -> CatalogRow:
    """Make the row of an entry; only a picture has a name."""
    text = _to_text(one.path)
    stem, is_copy = _split(text)
    item = unicodedata.normalize("NFC", f"{PurePosixPath(text).parent}/{stem}")
    url = f"{SCHEME}{one.path}"
    given = to_text(stem)
    picture = Rendition(url, None, None, one.size_bytes, Kind.MASTER)
    return CatalogRow(
        row=row,
        item_id=url if name is None else _to_name(unicodedata.normalize("NFC", stem), of=item),
        resource_id=None if name is None else f"{BUCKET}.{name}",
        title=" ".join(unicodedata.normalize("NFC", given).split()),
        title_given=given,
        caption=NEGATIVE_CAPTION if name is not None and is_copy else "",
        role=None if name is None else Role.NEGATIVE if is_copy else Role.COLOUR,
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
        rights=one.rights,
        call_number="",
        reproduction_number="",
        notes=(one.note,) if one.note else (),
        modified="" if name is None else f"sha256:{one.sha256}",
        renditions=() if name is None else (picture,),
        state=CatalogState.SKIPPED if name is None else CatalogState.LISTED,
        reason=one.reason,
    )


def _to_text(path: str) -> str:
    """Decode a path; bytes that are no UTF-8 stay apart, as surrogates."""
    return unquote_to_bytes(path).decode("utf-8", "surrogateescape")


def _split(text: str) -> tuple[str, bool]:
    """Split off what a file's name says of its format, and whether it is a copy of another."""
    stem = _SUFFIX.sub("", text.rpartition("/")[2])
    bare = _COPY_MARK.sub("", stem)
    return bare, bare != stem


def _to_name(stem: str, *, of: str) -> str:
    """Make a name that is fit for a file and a key: what is plain of the stem, and a hash."""
    plain = unicodedata.normalize("NFKD", stem.casefold()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_SLUG_CHARACTERS].rstrip("-")
    digest = hashlib.sha256(of.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{slug}-{digest[:_HASH_CHARACTERS]}".lstrip("-")
