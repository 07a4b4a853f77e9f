"""Checksums of files in the format of `sha256sum`, and whole files read in pieces."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.errors import SharingError

SUMS_NAME = "SHA256SUMS"
PIECE = 1 << 20

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass(frozen=True, slots=True)
class Digest:
    """Checksums of a file."""

    sha256: str
    md5: str
    """"" where it was not asked for."""


def read_digest(path: Path, *, md5: bool, on_bytes: Callable[[int], None]) -> Digest:
    """Read a file once, in pieces, and compute its checksums.

    Args:
        path: The file.
        md5: Whether the MD5 is wanted too, which takes as long again.
        on_bytes: Told how many more bytes were read.

    Raises:
        OSError: If it cannot be read.
    """
    sums = [hashlib.sha256()] + [hashlib.md5(usedforsecurity=False)] * md5
    piece = bytearray(PIECE)
    view = memoryview(piece)
    with path.open("rb", buffering=0) as stream:
        while read := stream.readinto(piece):
            for one in sums:
                one.update(view[:read])
            on_bytes(read)
    return Digest(sums[0].hexdigest(), sums[1].hexdigest() if md5 else "")


def format_sums(sums: Mapping[str, str]) -> bytes:
    """Write checksums for `sha256sum -c`.

    Args:
        sums: SHA-256 by path, as seen from where `sha256sum` will run.

    Raises:
        SharingError: If a path has a line break, which the format would have to escape.
    """
    for path in sums:
        if "\n" in path or "\\" in path or "\r" in path:
            raise SharingError(f"{path!r}: expected a name without line break; rename the file")
    return "".join(f"{sums[path]}  {path}\n" for path in sorted(sums)).encode()


def parse_sums(content: bytes, *, where: str) -> dict[str, str]:
    """Read checksums; the inverse of `format_sums`.

    Args:
        content: UTF-8, a line for each file.
        where: What to call it in an error.

    Raises:
        SharingError: If a line is of another form, or names a file outside.
    """
    sums = {}
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None or Path(match[2]).is_absolute() or ".." in Path(match[2]).parts:
            raise SharingError(
                f"{where}: line {number}: expected a SHA-256, two spaces and a path below this "
                f"folder, got {line[:100]!r}; take the file from where it was released"
            )
        sums[match[2]] = match[1]
    return sums
