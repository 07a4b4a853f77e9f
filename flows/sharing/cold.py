"""Edge: copies of the shards for cold storage, compressed, and shards again from such a copy."""

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from flows.errors import SharingError
from flows.params import Params
from flows.project import Project
from flows.sharing.checking import (
    SUMS_NAME,
    Claim,
    Show,
    check_claims,
    format_sums,
    parse_sums,
    read_digest,
)
from flows.sharing.export import DESCRIBED, prepare
from flows.sharing.new_folder import list_kept, new_folder
from harvest.files import write_bytes
from preprocess.cold import pack_shard, to_stored, unpack_shard
from preprocess.errors import ShardError
from preprocess.index import (
    ARRAY_NAME,
    INDEX_NAME,
    Index,
    Samples,
    Shard,
    read_index,
    read_samples,
    write_index,
)
from preprocess.index_faults import ZSTD
from preprocess.verify import AGAIN, split_samples, verify_shard

COPIED = tuple(name for name in DESCRIBED if name not in (INDEX_NAME, ARRAY_NAME))
"""What lies in such a copy as it lies beside the shards."""

Work = Callable[[Shard, Samples | None], int]
"""Packs or unpacks a shard, proves it, and returns the bytes that it takes as zstd."""

_READING = 0.2
"""Share of an export that the bar gives to reading what is to be packed."""

_REMEDY = "fetch it again from where it came from"


@dataclass(frozen=True, slots=True)
class Packed:
    """What came of packing or unpacking."""

    folder: Path
    tar_bytes: int
    zstd_bytes: int
    cpu_s: float
    """Of all threads, with what it takes to prove the result."""


def export_zstd(
    project: Project, params: Params, target: Path, *, level: int, on_progress: Show
) -> Packed:
    """Write the shards as zstd, each proved by unpacking it, with what describes them.

    Args:
        project: The checkout.
        params: All settings.
        target: The folder to make.
        level: 1 to 22, of zstd.
        on_progress: Told the share done, 0 to 1.

    Returns:
        The folder, and what was won and spent.

    Raises:
        SharingError: If there is something under that name, or a byte is wrong.
        ShardError: If there are no shards, or one does not come out of its copy as it went in.
        OSError: If the disk refuses.
    """
    started = time.process_time()
    with new_folder(target, kept=list_kept(project)) as folder:
        show = partial(_show_part, on_progress, 0, _READING)
        export = prepare(project, params, [], on_progress=show)
        shards = project.root / export.shards
        index = read_index(shards)
        samples = read_samples(shards, index)
        cold = replace(index, compression=ZSTD)

        def pack(shard: Shard, rows: Samples | None) -> int:
            packed = folder / to_stored(shard, cold)
            pack_shard(shards / shard.name, packed, level=level)
            verify_shard(packed, shard, rows)
            return packed.stat().st_size

        show = partial(_show_part, on_progress, _READING, 1)
        size_bytes = _do_each(pack, index, samples, on_progress=show)
        sums = {name: export.sums[f"{export.shards}/{name}"] for name in COPIED}
        _copy_described(shards, folder, sums)
        write_index(folder, cold, samples)
        write_bytes(folder / SUMS_NAME, format_sums(_sum_up(folder)))
    return _to_packed(target, index, size_bytes, started)


def unpack_folder(source: Path, target: Path, *, on_progress: Show) -> Packed:
    """Write the folder of shards that a copy for cold storage was made from, byte for byte.

    Args:
        source: The copy.
        target: The folder to make.
        on_progress: Told the share done, 0 to 1.

    Returns:
        The folder, and what was spent.

    Raises:
        SharingError: If there is something under that name, the source is no such copy, or a file
            of it is missing or damaged; of a shard it names the sample and the byte.
        ShardError: If the index of the copy cannot be read, or a shard is not zstd.
        OSError: If the disk refuses.
    """
    started = time.process_time()
    index = read_index(source, compressed=True)
    if index.compression is None:
        raise SharingError(
            f"{source}: expected a copy for cold storage, got shards that can be used as they are; "
            "use them, or copy the folder"
        )
    samples = read_samples(source, index)
    sums = _check_described(source)
    with new_folder(target, kept=()) as folder:

        def unpack(shard: Shard, rows: Samples | None) -> int:
            packed = source / to_stored(shard, index)
            _unpack(packed, folder / shard.name, shard, rows)
            return packed.stat().st_size

        size_bytes = _do_each(unpack, index, samples, on_progress=on_progress)
        _copy_described(source, folder, sums)
        write_index(folder, replace(index, compression=None), samples)
    return _to_packed(target, index, size_bytes, started)


def _unpack(packed: Path, tar: Path, shard: Shard, rows: Samples | None) -> None:
    """Unpack a shard and prove it; what is wrong with the tar is said of the packed shard."""
    if not packed.is_file():
        raise SharingError(f"{packed}: in {INDEX_NAME}, but not there; {_REMEDY}")
    unpack_shard(packed, tar, size_bytes=shard.size_bytes)
    try:
        verify_shard(tar, shard, rows)
    except ShardError as exc:
        said = str(exc).removeprefix(f"{tar}: ").removesuffix(AGAIN)
        raise SharingError(f"{packed}: {said}; {_REMEDY}") from exc


def _do_each(work: Work, index: Index, samples: Samples, *, on_progress: Show) -> int:
    """Do the work on every shard, by as many threads as there are processors."""
    total, done, size_bytes = sum(shard.size_bytes for shard in index.shards), 0, 0
    pairs = list(split_samples(index, samples))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        sizes = pool.map(lambda pair: work(*pair), pairs)
        for shard, found in zip(index.shards, sizes, strict=True):
            size_bytes += found
            done += shard.size_bytes
            on_progress(done / total)
    return size_bytes


def _show_part(show: Show, begin: float, end: float, share: float) -> None:
    """Show the share done of a part as a share of the whole."""
    show(begin + (end - begin) * share)


def _check_described(source: Path) -> dict[str, str]:
    """Read what describes the shards of a copy, and hold it against the copy's checksums."""
    path = source / SUMS_NAME
    sums = parse_sums(path.read_bytes(), where=str(path)) if path.is_file() else None
    if sums is not None and (left_out := [name for name in COPIED if name not in sums]):
        raise SharingError(
            f"{path}: expected a checksum of {', '.join(left_out)}, found none; {_REMEDY}"
        )
    # Without the checksums, as in a copy of the shards alone, the index still vouches for those.
    claims = [Claim(name, SUMS_NAME, _REMEDY, sha256=(sums or {}).get(name, "")) for name in COPIED]
    checked = check_claims(claims, folder=source, complete=True, on_progress=lambda share: None)
    if checked.faults:
        raise SharingError(f"{source}: {checked.faults[0].line}")
    return {name: digest.sha256 for name, digest in checked.digests.items()}


def _copy_described(source: Path, folder: Path, sums: dict[str, str]) -> None:
    """Copy what describes the shards, and see that the copies are what was checked."""
    for name, sha256 in sums.items():
        shutil.copyfile(source / name, folder / name)
        copied = read_digest(folder / name, md5=False, on_bytes=lambda read: None).sha256
        if copied != sha256:
            raise SharingError(
                f"{source / name}: expected sha256 {sha256}, which was checked, in its copy, got "
                f"{copied}; let nothing write to it, and run the command again"
            )


def _sum_up(folder: Path) -> dict[str, str]:
    return {
        path.name: read_digest(path, md5=False, on_bytes=lambda read: None).sha256
        for path in sorted(folder.iterdir())
    }


def _to_packed(folder: Path, index: Index, zstd_bytes: int, started: float) -> Packed:
    tar_bytes = sum(shard.size_bytes for shard in index.shards)
    return Packed(folder, tar_bytes, zstd_bytes, time.process_time() - started)
