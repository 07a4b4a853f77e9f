"""Checksums of files, and files held against what manifests claim of them."""

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from flows.errors import SharingError

SUMS_NAME = "SHA256SUMS"
PIECE = 1 << 20

Show = Callable[[float], None]
"""Takes the share done, 0 to 1."""

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


@dataclass(frozen=True, slots=True)
class Claim:
    """What a manifest says of a file."""

    path: str
    """Below the folder that is checked, with slashes."""
    by: str
    """Which manifest."""
    remedy: str
    """What to do if it is not so."""
    group: str = ""
    """What is pulled together: where all of a group is missing, it was not pulled."""
    size_bytes: int | None = None
    sha256: str = ""
    md5: str = ""
    """Of the two checksums, those that the manifest has; none asks for the file to be read."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that is not what a manifest says."""

    path: str
    said: str

    @property
    def line(self) -> str:
        """All of it in one line."""
        return to_printable(f"{self.path}: {self.said}")


def to_printable(text: str) -> str:
    """Escape what is not printable: a file's name may hold a terminal's commands."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


@dataclass(slots=True)
class Checked:
    """What came of a check."""

    faults: list[Fault] = field(default_factory=list)
    absent: dict[str, int] = field(default_factory=dict)
    """Number of files of each group that is not here at all; 0 where it is not known."""
    notes: list[str] = field(default_factory=list)
    """What is worth saying, and no fault."""
    digests: dict[str, Digest] = field(default_factory=dict)
    """Of every file that was read, by path."""
    size_bytes: int = 0
    """Of all that was read."""


def check_claims(
    claims: Sequence[Claim],
    *,
    folder: Path,
    complete: bool,
    on_progress: Show,
) -> Checked:
    """Hold files against all that is claimed of them.

    Args:
        claims: Any number for one file; they must all hold.
        folder: That the paths lie below.
        complete: Whether a group that is missing altogether is a fault.
        on_progress: Told the share of the bytes that were read, 0 to 1.

    Returns:
        One fault for each file at most, sorted by path.
    """
    by_path: dict[str, list[Claim]] = {}
    for claim in claims:
        by_path.setdefault(claim.path, []).append(claim)
    sizes = {path: size for path in by_path if (size := _find_size(folder / path)) is not None}
    checked = Checked(absent={} if complete else _find_absent(claims, sizes))
    for path, said in by_path.items():
        if path not in sizes and said[0].group not in checked.absent:
            kind = "folder" if path.endswith("/") else "file"
            text = f"expected this {kind} by {said[0].by}, found none; {said[0].remedy}"
            checked.faults.append(Fault(path, text))
    # Only dvc.lock has no SHA-256; a folder that it has no list of is summed up by MD5 too.
    jobs = {path: any(not one.sha256 for one in by_path[path]) for path in sorted(sizes)}
    checked.digests, refused = _read(jobs, sizes, folder=folder, on_progress=on_progress)
    checked.size_bytes = sum(sizes[path] for path in checked.digests)
    checked.faults += [Fault(path, text) for path, text in refused.items()]
    for path, digest in checked.digests.items():
        fault = _judge(by_path[path], size_bytes=sizes[path], digest=digest)
        if fault:
            checked.faults.append(Fault(path, fault))
    checked.faults.sort(key=lambda fault: fault.path)
    return checked


def _find_size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _find_absent(claims: Iterable[Claim], sizes: Mapping[str, int]) -> dict[str, int]:
    """Find the groups of which no file is here, and count their files; folders are none."""
    files: dict[str, set[str]] = {}
    for claim in claims:
        if claim.group:
            files.setdefault(claim.group, set()).add(claim.path)
    return {
        group: sum(not path.endswith("/") for path in paths)
        for group, paths in files.items()
        if not paths & sizes.keys()
    }


def _read(
    jobs: Mapping[str, bool],
    sizes: Mapping[str, int],
    *,
    folder: Path,
    on_progress: Show,
) -> tuple[dict[str, Digest], dict[str, str]]:
    """Read files, with their MD5 or without; return digests, and why some could not be read."""
    total, done, lock = sum(sizes.values()) or 1, 0, threading.Lock()
    refused: dict[str, str] = {}

    def count(read: int) -> None:
        nonlocal done
        with lock:
            done += read
            on_progress(min(1.0, done / total))

    def read(path: str) -> Digest | None:
        try:
            return read_digest(folder / path, md5=jobs[path], on_bytes=count)
        except OSError as exc:
            refused[path] = (
                f"expected to read it, and the disk refuses ({exc.strerror}); look at the disk, "
                "and take the file from elsewhere"
            )
            return None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        found = dict(zip(jobs, pool.map(read, jobs), strict=True))
    return {path: digest for path, digest in found.items() if digest is not None}, refused


def _judge(claims: Sequence[Claim], *, size_bytes: int, digest: Digest) -> str:
    """Say in what a file differs from the first claim that does not hold; "" if all do."""
    for claim in claims:
        if claim.size_bytes is not None and claim.size_bytes != size_bytes:
            return (
                f"expected {claim.size_bytes} bytes by {claim.by}, got {size_bytes}; {claim.remedy}"
            )
        if claim.sha256 and claim.sha256 != digest.sha256:
            return (
                f"expected sha256 {claim.sha256} by {claim.by}, got {digest.sha256}; {claim.remedy}"
            )
        if claim.md5 and claim.md5 != digest.md5:
            return f"expected md5 {claim.md5} by {claim.by}, got {digest.md5}; {claim.remedy}"
    return ""


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
