"""Pure: what is asked for a catalogue row, and what becomes of its scan."""

import re
from dataclasses import dataclass, replace

from harvest.answers import Download
from harvest.errors import (
    AstrayError,
    DisallowedError,
    DownloadError,
    ForbiddenError,
    NotFoundError,
    TooLargeError,
)
from harvest.records import CatalogRow, Kind, Rendition, Scan, ScanReason, ScanState

MOST_BYTES = {Kind.R: 4 << 20, Kind.V: 8 << 20, Kind.MASTER: 512 << 20}
"""Largest file of each kind that is taken, in bytes, well above what the Library has: r 25 to
190 kB and v 80 to 460 kB by its technical page; masters up to 7,481 px long (measured), so
168 MB as a square of 24 bits and 336 MB of 48."""

SIZE_TOLERANCE_PX = 2
"""Most that a side may differ from the record's: files of one scan differ by a pixel."""

DAMAGE = frozenset(
    {
        ScanReason.EMPTY_FILE,
        ScanReason.NOT_AN_IMAGE,
        ScanReason.TRUNCATED,
        ScanReason.WRONG_SIZE,
    }
)
"""What may be wrong with an answer rather than with the file that the server has."""

_BY_SIZE = (Kind.SQUARE, Kind.THUMB, Kind.R, Kind.V, Kind.MASTER)

# What names a file: no dot, no slash, and short enough for any file system.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_FAILURES: tuple[tuple[type[DownloadError], ScanState, ScanReason], ...] = (
    (NotFoundError, ScanState.FAILED, ScanReason.NOT_FOUND),
    (ForbiddenError, ScanState.FAILED, ScanReason.FORBIDDEN),
    (DisallowedError, ScanState.FAILED, ScanReason.DISALLOWED),
    (AstrayError, ScanState.REJECTED, ScanReason.LED_ASTRAY),
    (TooLargeError, ScanState.REJECTED, ScanReason.TOO_LARGE),
    (DownloadError, ScanState.FAILED, ScanReason.UNREACHABLE),
)


@dataclass(frozen=True, slots=True)
class Wish:
    """One file that would do for a row.

    Attributes:
        file: As the record names it.
        folder: Below the source's folder, such as "ppmsc".
        stem: Of the file's name, such as "06712v" or "06712iiif2048"; the suffix is that of
            what comes.
        most_bytes: Largest file that is taken.
        least_px: Its long side, at the least: that of the smaller files that the record names.
        modified: When the Library last changed the record, or "".
    """

    file: Rendition
    folder: str
    stem: str
    most_bytes: int
    least_px: int
    modified: str


def to_scan(row: CatalogRow) -> Scan:
    """Make the scan of a row of which nothing has come yet.

    Raises:
        ValueError: If the row has no digital id.
    """
    if row.resource_id is None:
        raise ValueError(f"catalogue row {row.row}: expected a digital id, got none")
    return Scan(
        scan_id=row.resource_id,
        item_id=row.item_id,
        role=row.role,
        title=row.title,
        url=None,
        path=None,
        rendition=None,
        sha256=None,
        size_bytes=None,
        width=None,
        height=None,
        state=ScanState.FAILED,
        reason=ScanReason.NONE,
    )


def is_fit_name(scan_id: str) -> bool:
    """Say whether a digital id may name a folder and a file, such as "ppmsc.06712" does."""
    bucket, _, name = scan_id.partition(".")
    return bool(_NAME.fullmatch(bucket) and _NAME.fullmatch(name))


def to_wish(row: CatalogRow, file: Rendition, *, wanted: str) -> Wish:
    """Say how a file of a row is asked for, and where it goes.

    Args:
        row: Its digital id names the file.
        file: One of its renditions.
        wanted: The setting, such as "v" or "iiif:2048".

    Raises:
        ValueError: If the digital id is not fit to name a file.
    """
    if row.resource_id is None or not is_fit_name(row.resource_id):
        raise ValueError(f"{row.resource_id!r}: expected a digital id such as 'ppmsc.06712'")
    bucket, _, name = row.resource_id.partition(".")
    pixels = int(wanted.partition(":")[2] or 0) if file.kind is Kind.IIIF else 0
    return Wish(
        file=file,
        folder=bucket,
        stem=f"{name}{file.kind}{pixels or ''}",
        most_bytes=to_most_bytes(file.kind, pixels=pixels),
        least_px=find_least_px(row, file.kind),
        modified=row.modified,
    )


def find_least_px(row: CatalogRow, kind: Kind) -> int:
    """Find how long a file must be, in pixels, because smaller files of its row are.

    Args:
        row: Its renditions have the sides that the record names, perhaps none.
        kind: Of the file; what the image server makes is as small as one wants.

    Returns:
        The long side of the largest file of a lesser kind, or 0.
    """
    if kind is Kind.IIIF:
        return 0
    lesser = _BY_SIZE[: _BY_SIZE.index(kind)]
    longest = [max(f.width or 0, f.height or 0) for f in row.renditions if f.kind in lesser]
    return max(longest, default=0)


def to_most_bytes(kind: Kind, *, pixels: int = 0) -> int:
    """Say how large a file of a kind may be.

    Args:
        kind: R, V, MASTER or IIIF.
        pixels: Longest side of a picture that the image server makes.

    Returns:
        Bytes; for a made picture those of a square of 24 bits and 1 MiB, no more than a
        master's.
    """
    most = MOST_BYTES.get(kind, MOST_BYTES[Kind.MASTER])
    return min(most, 3 * pixels * pixels + (1 << 20)) if pixels else most


def judge_scan(
    scan: Scan,
    came: Download,
    *,
    reason: ScanReason,
    sides: tuple[int | None, int | None],
    wish: Wish,
) -> Scan:
    """Say what came of a scan whose file came.

    Args:
        scan: The row's, with the address that was asked for.
        came: What the client says of the file.
        reason: What decoding found wrong with it, or NONE.
        sides: Its width and height, in pixels; None when it is no picture.
        wish: What was asked for.

    Returns:
        The scan, stored or rejected, without a path. A picture of other sides than the
        record's, or smaller than a lesser file, is rejected; its bytes are not judged, for
        some records round them.
    """
    if reason is ScanReason.NONE and not _fits(sides, wish):
        reason = ScanReason.WRONG_SIZE
    return replace(
        scan,
        sha256=came.sha256,
        size_bytes=came.size_bytes,
        width=sides[0],
        height=sides[1],
        state=ScanState.STORED if reason is ScanReason.NONE else ScanState.REJECTED,
        reason=reason,
    )


def to_failed(scan: Scan, error: DownloadError) -> Scan:
    """Say what came of a scan whose file did not come.

    Args:
        scan: The row's, with the address that was asked for.
        error: From the client.
    """
    kinds = (known for known in _FAILURES if isinstance(error, known[0]))
    _, state, reason = next(kinds)
    return replace(scan, state=state, reason=reason)


def with_fallback(scan: Scan, wanted: str) -> Scan:
    """Say in a stored scan's reason that it is another rendition than the wanted one.

    Args:
        scan: What came.
        wanted: The setting, such as "v" or "iiif:2048".
    """
    kind = Kind(wanted.partition(":")[0])
    if scan.state is not ScanState.STORED or scan.rendition in (None, kind):
        return scan
    return replace(scan, reason=ScanReason(f"wanted_{kind}_got_{scan.rendition}"))


def _fits(sides: tuple[int | None, int | None], wish: Wish) -> bool:
    """Say whether a picture's sides are those that the record names, or large enough."""
    long_px = max(side or 0 for side in sides)
    return long_px >= wish.least_px - SIZE_TOLERANCE_PX and all(
        side is None or said is None or abs(side - said) <= SIZE_TOLERANCE_PX
        for side, said in zip(sides, (wish.file.width, wish.file.height), strict=True)
    )
