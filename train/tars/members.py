"""Edge: the samples of one tar, by the reading rules of the `webdataset` library.

What a key is and what an extension, which members belong together and what is an error, is decided
by the library's own functions; only its loop over the members is written anew here, because that
one reads every member whole and does not say where it lies.
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, Final

from preprocess.samples import BLOCK, JSON_BYTES, from_json
from train.errors import DataError
from train.tars.decoding import Box, Kind

KINDS: Final = {
    "jpg": Kind.PICTURE,
    "jpeg": Kind.PICTURE,
    "png": Kind.PICTURE,
    "webp": Kind.PICTURE,
    "lab.npy": Kind.LAB,
    "npy": Kind.RGB,
}
"""What is a picture, by suffix: the first of these that a sample has."""

_LAST: Final = (".jpg", ".jpeg", ".png", ".webp")

_META: Final = re.compile(r"__[^/]*__($|/)")
"""`skip_meta` of `webdataset.tariterators.tar_file_iterator`."""

_PACKED: Final = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"\x28\xb5": "zstd"}


@dataclass(frozen=True, slots=True)
class Member:
    """Where a member's content lies in its tar, in bytes."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A sample's picture."""

    key: str
    kind: Kind
    member: Member
    valid: Box | None
    """What one of our own shards says of it; None where nothing does."""


@dataclass(slots=True)
class LeftOut:
    """What a tar holds that becomes no sample; it grows while the tar is read."""

    without: int = 0
    """Samples that have no picture."""
    example: str = ""
    """The key of the first of those."""
    beside: int = 0
    """Pictures whose sample has another."""
    links: int = 0
    """Members that are links, hard or symbolic, which `webdataset` skips."""


@dataclass(slots=True)
class _Header:
    """The member that was read last."""

    name: str = ""
    at: int = 0
    """Where its header lies, in bytes."""


def read_pictures(stream: BinaryIO, name: str, left: LeftOut) -> Iterator[Picture | str]:
    """Read through a tar's headers, and find every sample's picture.

    A sample's picture is the member whose suffix is the first found of `KINDS`; where none has
    such a suffix, the first one whose suffix ends in .jpg, .jpeg, .png or .webp.

    Args:
        stream: The tar, at its start; it must be able to seek.
        name: Of the tar, for errors.
        left: Counts what is left out.

    Yields:
        In the order of the tar: a picture, or the key of a sample that has none.

    Raises:
        DataError: If the tar is compressed, broken, or breaks off; or holds what `webdataset`
            refuses, such as a suffix twice in one sample.
        OSError: If it cannot be read.
    """
    # Imported here, because it imports torch: 1.7 s that only a first look at a tar should cost.
    from webdataset.tariterators import group_by_keys

    _refuse_packed(stream, name)
    header = _Header()
    samples = group_by_keys(chain(_read_members(stream, name, header, left), [{}]))
    while True:
        try:
            sample = next(samples, None)
        except ValueError as exc:
            raise DataError(
                f"{name}, byte {header.at}: {header.name}: expected every suffix once in a sample, "
                "got this one again (capitals do not count); rename the member, or leave the tar "
                "out"
            ) from exc
        if sample is None:
            return
        found = _find_picture(stream, sample, left)
        if isinstance(found, str):
            left.without, left.example = left.without + 1, left.example or found
        yield found


def _refuse_packed(stream: BinaryIO, name: str) -> None:
    start = stream.read(6)
    stream.seek(0)
    for magic, how in _PACKED.items():
        if start.startswith(magic):
            raise DataError(
                f"{name}: expected a plain tar, got one compressed by {how}; unpack it: in a "
                "compressed tar no sample can be read alone"
            )


def _read_members(
    stream: BinaryIO, name: str, header: _Header, left: LeftOut
) -> Iterator[dict[str, Any]]:
    """Yield what `webdataset.tariterators.tar_file_iterator` yields, places for contents."""
    size_bytes = stream.seek(0, 2)
    stream.seek(0)
    with _open(stream, name, size_bytes) as tar:
        for info in _read_headers(tar, name):
            header.name, header.at = info.name, info.offset
            left.links += info.issym() or info.islnk()
            if info.isreg() and not _META.match(info.name):
                if info.issparse():
                    raise DataError(
                        f"{name}: {info.name}, byte {info.offset}: stored as a sparse file; "
                        "pack the tar anew without --sparse"
                    )
                member = Member(info.offset_data, info.size)
                if member.offset + member.length > size_bytes:
                    raise DataError(_broken(name, info.offset, f"{info.name} breaks off"))
                yield {"fname": info.name, "data": member, "__url__": name}
        _check_end(stream, name, at=tar.offset, size_bytes=size_bytes)


def _open(stream: BinaryIO, name: str, size_bytes: int) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=stream, mode="r:")
    except (tarfile.TarError, ValueError) as exc:
        stream.seek(0)
        start = f"{size_bytes:,} bytes that begin {stream.read(8).hex(' ')}"
        what = f"expected a tar, got {start if size_bytes else 'an empty file'}"
        raise DataError(_broken(name, 0, what)) from exc


def _read_headers(tar: tarfile.TarFile, name: str) -> Iterator[tarfile.TarInfo]:
    while True:
        at = tar.offset
        try:
            info = tar.next()
        except (tarfile.TarError, ValueError) as exc:
            what = "expected a member's header, got a broken one"
            raise DataError(_broken(name, at, what)) from exc
        if info is None:
            return
        tar.members = []  # type: ignore[attr-defined]  # else it keeps every header
        yield info


def _check_end(stream: BinaryIO, name: str, *, at: int, size_bytes: int) -> None:
    """See that the tar ends where reading stopped: tarfile stops in silence at a bad header.

    A tar without its two empty blocks at the end passes, as it does everywhere; some writers
    leave them out.
    """
    stream.seek(at)
    block = stream.read(BLOCK)
    if at < size_bytes and block != bytes(BLOCK):
        raise DataError(_broken(name, at, "expected a member's header, got something else"))


def _broken(name: str, offset: int, what: str) -> str:
    return f"{name}, byte {offset}: {what}; fetch the tar again, or leave it out"


def _find_picture(stream: BinaryIO, sample: dict[str, Any], left: LeftOut) -> Picture | str:
    key = str(sample["__key__"])
    members = {suffix: one for suffix, one in sample.items() if isinstance(one, Member)}
    suffix = next((one for one in KINDS if one in members), None)
    if suffix is None:
        suffix = next((one for one in members if one.endswith(_LAST)), None)
    if suffix is None:
        return key
    left.beside += sum(one in KINDS or one.endswith(_LAST) for one in members) - 1
    kind = KINDS.get(suffix, Kind.PICTURE)
    valid = _read_valid(stream, members.get("json")) if kind is Kind.LAB else None
    return Picture(key, kind, members[suffix], valid)


def _read_valid(stream: BinaryIO, member: Member | None) -> Box | None:
    """Read the valid box of a sample of ours; None where another wrote it."""
    if member is None or member.length != JSON_BYTES:
        return None
    back = stream.tell()
    stream.seek(member.offset)
    content = stream.read(JSON_BYTES)
    stream.seek(back)
    try:
        return from_json(content).valid
    except ValueError:
        return None
