"""Edge: what a person corrected, in tables that Git holds: corners of prints, and what pairs are.

The tables are CSV as in RFC 4180 with a header row, so a spreadsheet or an editor opens them;
lines end with a line feed, as Git likes it, and those of Windows are read too. Rows are sorted by
id, so two people's corrections merge line by line.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvest.files import write_bytes
from preprocess.errors import PreprocessError
from preprocess.geometry import is_convex, shape_corners
from preprocess.records import Outcome

CROPS_HEADER: Final = (
    "scan_id", "sha256", "x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4", "note",
)  # fmt: skip
"""Columns of crops.csv; the corners run from the top-left one clockwise."""

PAIRS_HEADER: Final = ("scan_id", "other_id", "outcome", "note")
"""Columns of pairs.csv."""

VERDICTS: Final = (Outcome.SAME_PRINT, Outcome.SAME_VIEW, Outcome.MIRRORED, Outcome.DIFFERENT)
"""What a person may say of a pair. That two files are one scan is a matter of bytes, not of sight:
such a pair is one print."""

_FARTHEST: Final = 1e6
"""Largest coordinate believed, in pixels: twenty times the side of the largest scan anywhere."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class CropOverride:
    """Where a person says that the print lies in a scan."""

    scan_id: str
    sha256: str
    """Of the file that the person saw: another file's corners are elsewhere."""
    corners: tuple[float, ...]
    """Eight floats: x and y of top-left, top-right, bottom-right, bottom-left, in pixels of the
    scan as stored."""
    note: str


@dataclass(frozen=True, slots=True)
class PairOverride:
    """What a person says that two scans are to each other."""

    scan_id: str
    other_id: str
    """Comes after `scan_id` in the order of text."""
    outcome: Outcome
    """One of VERDICTS."""
    note: str


def read_crop_overrides(path: Path) -> dict[str, CropOverride]:
    """Read the corners that people corrected.

    Args:
        path: A crops.csv; it need not be there.

    Returns:
        The corrections by scan id; none where the file is missing.

    Raises:
        PreprocessError: If the file cannot be read, or a line of it is not as it should be.
    """
    read: dict[str, CropOverride] = {}
    for where, fields in _read_rows(path, CROPS_HEADER):
        override = _to_crop(fields, where)
        if override.scan_id in read:
            raise _wrong(where, "each scan once", f"{override.scan_id} again")
        read[override.scan_id] = override
    return read


def read_pair_overrides(path: Path) -> dict[tuple[str, str], PairOverride]:
    """Read what people said of pairs.

    Args:
        path: A pairs.csv; it need not be there.

    Returns:
        The verdicts by the two scan ids, the smaller first; none where the file is missing.

    Raises:
        PreprocessError: If the file cannot be read, or a line of it is not as it should be.
    """
    read: dict[tuple[str, str], PairOverride] = {}
    for where, fields in _read_rows(path, PAIRS_HEADER):
        override = _to_pair(fields, where)
        key = (override.scan_id, override.other_id)
        if key in read:
            raise _wrong(where, "each pair once", f"{' and '.join(key)} again")
        read[key] = override
    return read


def write_crop_overrides(path: Path, overrides: Mapping[str, CropOverride]) -> None:
    """Write corrected corners; the same corrections give the same bytes.

    Args:
        path: A crops.csv; missing folders are made.
        overrides: By scan id.

    Raises:
        ValueError: If a correction could not be read back.
        OSError: If the disk refuses; then the old file stands.
    """
    rows = [
        (one.scan_id, one.sha256, *map(_to_text, one.corners), one.note)
        for _, one in sorted(overrides.items())
    ]
    _write_rows(path, CROPS_HEADER, rows)


def write_pair_overrides(path: Path, overrides: Mapping[tuple[str, str], PairOverride]) -> None:
    """Write verdicts on pairs; the same verdicts give the same bytes.

    Args:
        path: A pairs.csv; missing folders are made.
        overrides: By the two scan ids, the smaller first.

    Raises:
        ValueError: If a verdict could not be read back.
        OSError: If the disk refuses; then the old file stands.
    """
    rows = [
        (one.scan_id, one.other_id, one.outcome.value, one.note)
        for _, one in sorted(overrides.items())
    ]
    _write_rows(path, PAIRS_HEADER, rows)


def _read_rows(path: Path, header: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Give each row below the header, after where it stands, such as "crops.csv, line 2"."""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # spreadsheets put a mark before the text
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as exc:
        raise PreprocessError(
            f"{path}: expected a table in UTF-8, got what cannot be read ({exc}); "
            "mend the file, or take it back from Git"
        ) from exc
    yield from _split(text, header, name=str(path))


def _split(text: str, header: Sequence[str], *, name: str) -> Iterator[tuple[str, list[str]]]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for fields in rows:
            where = f"{name}, line {line}"
            if line == 1 and tuple(fields) != tuple(header):
                raise _wrong(where, f"the header {','.join(header)}", ",".join(fields))
            if len(fields) != len(header):
                raise _wrong(where, f"{len(header)} columns", f"{len(fields)}")
            if line > 1:
                yield where, fields
            line = rows.line_num + 1
    except csv.Error as exc:
        raise _wrong(f"{name}, line {line}", "a row as in RFC 4180", str(exc)) from exc
    if line == 1:
        raise _wrong(f"{name}, line 1", f"the header {','.join(header)}", "an empty file")


def _to_crop(fields: Sequence[str], where: str) -> CropOverride:
    scan_id, sha256, *numbers, note = fields
    _check_id(scan_id, where)
    if not _SHA256.fullmatch(sha256):
        raise _wrong(where, "a sha256 of 64 small hexadecimal digits", repr(sha256))
    try:
        corners = tuple(float(number) for number in numbers)
    except ValueError as exc:
        raise _wrong(where, "eight finite numbers", ", ".join(map(repr, numbers))) from exc
    if fault := find_fault(corners):
        raise _wrong(where, *fault)
    return CropOverride(scan_id, sha256, corners, note)


def find_fault(corners: Sequence[float]) -> tuple[str, str] | None:
    """Say what keeps numbers from being the corners of a print.

    Args:
        corners: x and y of top-left, top-right, bottom-right, bottom-left.

    Returns:
        What was expected and what came; None if they are corners.
    """
    if len(corners) != 8 or not all(map(math.isfinite, corners)):
        return "eight finite numbers", ", ".join(map(_to_text, corners))
    if max(map(abs, corners)) > _FARTHEST:
        return f"numbers within {_FARTHEST:,.0f} pixels", ", ".join(map(_to_text, corners))
    if not is_convex(shape_corners(corners)):
        said = "corners of a convex quadrilateral, clockwise from the top-left"
        return said, ", ".join(map(_to_text, corners))
    return None


def _to_pair(fields: Sequence[str], where: str) -> PairOverride:
    scan_id, other_id, outcome, note = fields
    _check_id(scan_id, where)
    _check_id(other_id, where)
    if scan_id >= other_id:
        raise _wrong(where, "the smaller id first, and two ids", f"{scan_id}, {other_id}")
    if outcome not in VERDICTS:
        raise _wrong(where, f"an outcome among {', '.join(VERDICTS)}", repr(outcome))
    return PairOverride(scan_id, other_id, Outcome(outcome), note)


def _check_id(scan_id: str, where: str) -> None:
    if not scan_id or scan_id != scan_id.strip():
        raise _wrong(where, "a scan id without spaces around it", repr(scan_id))


def _write_rows(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = "".join(",".join(map(_quote, row)) + "\n" for row in (header, *rows))
    check = _to_crop if tuple(header) == CROPS_HEADER else _to_pair
    try:
        for where, fields in _split(text, header, name=path.name):
            check(fields, where)
        content = text.encode()
    except (PreprocessError, UnicodeEncodeError) as exc:
        raise ValueError(f"{path}: this would not be read back: {exc}") from exc
    write_bytes(path, content)


def _quote(field: str) -> str:
    """Quote a field if it must be; csv.writer of Python 3.11 forgets a lone carriage return."""
    return '"' + field.replace('"', '""') + '"' if set(field) & set(',"\r\n') else field


def _to_text(number: float) -> str:
    """Write a number as short as it can be read back."""
    return str(int(number)) if float(number).is_integer() else repr(number)


def _wrong(where: str, expected: str, got: str) -> PreprocessError:
    return PreprocessError(f"{where}: expected {expected}, got {got}; mend the line, or delete it")
