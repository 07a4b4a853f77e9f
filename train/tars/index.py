"""Edge: the index of one tar: where each sample's picture lies, and what its bytes sum up to.

It is made when the tar is first opened, by streaming it once, and kept below the checkout's
.photochrom: an .npz, whose members carry checksums of their own. It is named by the tar's path and
holds the size and the time of change that the tar had; a tar that has others gets a new index in
the old one's place. A tar behind a URL is held against its index, by size and version, when it is
fetched, and each picture by its XXH3 when it is first used; where they differ the index goes.
"""

import hashlib
import io
import json
import os
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from harvest.errors import HarvestError
from harvest.files import write_bytes
from harvest.locks import hold, to_file_lock
from preprocess.samples import BLOCK
from preprocess.split import Split, find_split
from train.afar.landing import NoRoomError
from train.errors import DataError
from train.tars.members import LeftOut, Picture, read_pictures
from train.tars.names import Tar, find_tars

VERSION: Final = 3

ENTRY: Final = np.dtype(
    [
        ("xxh3", "<u8"),
        ("block", "<u4"),
        ("length", "<u4"),
        ("key_stop", "<u4"),
        ("valid", "<u2", (4,)),
        ("kind", "u1"),
        ("split", "u1"),
    ]
)
"""A sample: XXH3 (64 bits) of its picture's bytes; where they start, in blocks of the tar, and how
many they are; where its key stops among all keys; the valid box that one of our own shards gives,
0 elsewhere; its kind; and its split by the hash of its key, a place in SPLITS."""

SPLITS: Final = tuple(str(split) for split in Split)

OpenFile = Callable[[str], BinaryIO]
"""Opens a tar behind a URL: a file with a descriptor, and a stem that names what the server has."""
Entries = NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class TarIndex:
    """What there is to know of a tar."""

    tar: Tar
    path: Path
    """Of the index."""
    size_bytes: int
    mtime_ns: int
    """0 for a tar behind a URL."""
    tag: str
    """Which file of the server it was; "" for a tar on a disk."""
    entries: Entries
    """ENTRY, (N,), in the order of the tar."""
    digest: str
    """SHA-256 of the entries and keys: the same for the same content, wherever it lies."""
    left: LeftOut
    """What has no entry."""


def open_indexes(
    tars: Sequence[Tar], *, cache: Path, threads: int, open_file: OpenFile | None
) -> Iterator[TarIndex]:
    """Read the indexes of tars, and make those that do not fit; see `open_index`.

    Args:
        tars: The tars.
        cache: Folder of the indexes.
        threads: So many tars are looked at at once.
        open_file: Opens a tar behind a URL.

    Yields:
        The indexes, in order.
    """
    at_once = 4 * threads
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(tars), at_once):
            some = tars[start : start + at_once]
            looks = [pool.submit(open_index, tar, cache=cache, open_file=open_file) for tar in some]
            for tar, look in zip(some, looks, strict=True):
                try:
                    yield look.result()
                except NoRoomError:  # beside others; by itself it may fit
                    wait(looks)
                    yield open_index(tar, cache=cache, open_file=open_file)


def hash_tars(
    spec: str, *, cache: Path, threads: int = 1, open_file: OpenFile | None = None
) -> dict[str, str]:
    """Hash every tar of a WebDataset by its index.

    Args:
        spec: As for `find_tars`.
        cache: Folder of the indexes.
        threads: So many tars are looked at at once.
        open_file: Opens a tar behind a URL.

    Returns:
        For the name of each tar a SHA-256 of its keys and of where, and what, its pictures are;
        the same wherever the tars lie and whenever they were copied there.

    Raises:
        DataError: As `find_tars` and `open_index`.
    """
    indexes = open_indexes(find_tars(spec), cache=cache, threads=threads, open_file=open_file)
    return {index.tar.name: index.digest for index in indexes}


def open_index(tar: Tar, *, cache: Path, open_file: OpenFile | None) -> TarIndex:
    """Read the index of a tar, and make it where there is none that fits.

    Processes and threads that want the same one wait for the first of them.

    Args:
        tar: The tar.
        cache: Folder of the indexes; made if missing.
        open_file: Opens a tar behind a URL.

    Returns:
        The index.

    Raises:
        DataError: If the tar cannot be read, is broken, or changes meanwhile; or the index
            cannot be written.
    """
    name = hashlib.sha256(_place(tar).encode(errors="surrogateescape")).hexdigest()[:16]
    path = cache / f"{PurePosixPath(tar.source).stem[:64]}-{name}.npz"
    try:
        if (found := _read_index(path, tar)) is not None:
            return found
        with hold(to_file_lock(cache / "locks", name), stopping=threading.Event()):
            if (found := _read_index(path, tar)) is None:
                _make_index(path, tar, open_file)
                found = _read_index(path, tar)
    except HarvestError as exc:
        raise DataError(str(exc)) from exc
    except OSError as exc:
        raise DataError(f"{tar.source}: cannot be read, or its index not be kept: {exc}") from exc
    if found is None:
        raise DataError(f"{tar.source}: changed while it was read; start again when it is complete")
    return found


def open_tar(tar: Tar, open_file: OpenFile | None) -> BinaryIO:
    """Open a tar for reading.

    Raises:
        DataError: If it lies behind a URL and nothing fetches it.
        OSError: If it cannot be opened.
    """
    if not tar.is_remote:
        return Path(tar.source).open("rb")
    if open_file is None:
        raise DataError(f"{tar.source}: nothing here fetches tars; name tars on a disk")
    return open_file(tar.source)


def to_tag(tar: Tar, stream: BinaryIO) -> str:
    """Name the file that a server had as the tar; "" for a tar on a disk."""
    return Path(str(stream.name)).stem if tar.is_remote else ""


def read_keys(path: Path) -> dict[int, str]:
    """Read the keys of a tar's samples.

    Args:
        path: Of its index.

    Returns:
        For the block that a picture starts at its sample's key, in the order of the tar.

    Raises:
        DataError: If the index is no longer there, or damaged.
    """
    found = _read_arrays(path)
    if found is None:
        raise DataError(f"{path}: expected the index that was there; start again")
    keys, entries = found["keys"].tobytes(), found["entries"]
    stops = entries["key_stop"].tolist()
    return {
        block: keys[start:stop].decode(errors="surrogateescape")
        for block, start, stop in zip(
            entries["block"].tolist(), [0, *stops[:-1]], stops, strict=True
        )
    }


def _place(tar: Tar) -> str:
    """Say where a tar is, the same from every folder."""
    return tar.source if tar.is_remote else os.path.realpath(tar.source)


def _make_index(path: Path, tar: Tar, open_file: OpenFile | None) -> None:
    """Stream a tar, and write its index; whole or not at all."""
    rows, keys = bytearray(), bytearray()
    left = LeftOut()
    with open_tar(tar, open_file) as stream:
        before, tag = os.fstat(stream.fileno()), to_tag(tar, stream)
        for found in read_pictures(stream, tar.source, left):
            if isinstance(found, Picture):
                keys += found.key.encode(errors="surrogateescape")
                rows += _to_entry(found, tar, stream.fileno(), len(keys)).tobytes()
        after = os.fstat(stream.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise DataError(f"{tar.source}: changed while it was read; start again when it is complete")
    about = {
        "version": VERSION,
        "tar": tar.source,
        "size_bytes": before.st_size,
        "mtime_ns": 0 if tar.is_remote else before.st_mtime_ns,
        "tag": tag,
        "digest": hashlib.sha256(bytes(rows) + bytes(keys)).hexdigest(),
        "left": asdict(left),
    }
    content = io.BytesIO()
    np.savez(
        content,
        about=np.frombuffer(json.dumps(about).encode(), np.uint8),
        entries=np.frombuffer(rows, ENTRY),
        keys=np.frombuffer(keys, np.uint8),
    )
    write_bytes(path, content.getvalue())


def _to_entry(picture: Picture, tar: Tar, descriptor: int, key_stop: int) -> NDArray[np.void]:
    member = picture.member
    if member.offset % BLOCK or member.length >= 1 << 31 or not picture.key:
        raise DataError(
            f"{tar.source}: {picture.key!r}, byte {member.offset}: expected a key, and a picture "
            f"of less than 2 GiB at a whole block, got {member.length} bytes; leave it out"
        )
    content = os.pread(descriptor, member.length, member.offset)
    split = SPLITS.index(find_split(picture.key.encode(errors="replace").decode()))
    return np.array(
        (
            xxhash.xxh3_64_intdigest(content),
            member.offset // BLOCK,
            member.length,
            key_stop,
            picture.valid or (0, 0, 0, 0),
            picture.kind,
            split,
        ),
        ENTRY,
    )


def _read_index(path: Path, tar: Tar) -> TarIndex | None:
    """Read an index; None where there is none, it is damaged, or of the tar as it was."""
    arrays = _read_arrays(path)
    if arrays is None:
        return None
    about = json.loads(arrays["about"].tobytes())
    if not tar.is_remote:
        found = Path(tar.source).stat()
        if (found.st_size, found.st_mtime_ns) != (about["size_bytes"], about["mtime_ns"]):
            return None
    fields = {name: about[name] for name in ("size_bytes", "mtime_ns", "tag", "digest")}
    left = LeftOut(**about["left"])
    return TarIndex(tar=tar, path=path, entries=arrays["entries"], left=left, **fields)


def _read_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """Read an index's file, against its checksums; None where it is none of this version."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("about", "entries", "keys")}
            about = json.loads(arrays["about"].tobytes())
    except (FileNotFoundError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if about.get("version") != VERSION or arrays["entries"].dtype != ENTRY:
        return None
    return arrays
