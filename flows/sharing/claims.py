"""What the manifests of a checkout claim of the files in data/."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.sharing.checking import Claim, parse_sums
from flows.sharing.outs import Out, read_listings, sum_listing
from harvest.manifest import SCANS_SCHEMA, read_manifest
from harvest.records import ScanState
from preprocess.cold import to_stored
from preprocess.index import ARRAY_NAME, INDEX_NAME, Index, Shard


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that DVC tracks, and what its list in the cache says; None where it is not there."""

    out: Out
    listing: Mapping[str, str] | None


def claim_outs(root: Path, outs: Sequence[Out]) -> tuple[list[Claim], list[Folder]]:
    """Say what dvc.lock claims.

    Args:
        root: The checkout.
        outs: Of its dvc.lock.

    Returns:
        Claims, and the folders among the outs. The files of a folder without a list are claimed
        without a checksum: they are read, and the folder is judged as a whole. One of which there
        is no file either is claimed itself, with a slash behind.

    Raises:
        SharingError: If the checkout is no DVC project.
    """
    claims: list[Claim] = []
    folders = []
    listings = read_listings(root, [out for out in outs if out.is_folder])
    for out in outs:
        remedy = remedy_of(out.path)
        if not out.is_folder:
            claims.append(Claim(out.path, "dvc.lock", remedy, out.path, md5=out.md5))
            continue
        listing = listings[out.path]
        folders.append(Folder(out, listing))
        files = dict.fromkeys(list_files(root / out.path), "") if listing is None else listing
        if listing is None and not files and not _is_empty(root, out):
            claims.append(Claim(f"{out.path}/", "dvc.lock", remedy, out.path))
        for name, md5 in files.items():
            group = find_group(out.path, name)
            path = f"{out.path}/{name}"
            claims.append(Claim(path, "dvc.lock", remedy, group, md5=md5))
    return claims, folders


def _is_empty(root: Path, out: Out) -> bool:
    """Say whether a folder is here and should have no files."""
    return (root / out.path).is_dir() and out.md5 == sum_listing({})


def remedy_of(path: str) -> str:
    """Say how a file or folder that DVC tracks is got as it was."""
    return f"`dvc checkout --force {path}`, or where that fails `dvc pull {path}`"


def find_group(folder: str, name: str) -> str:
    """Name what a file is pulled with: of shards their split, of other folders all."""
    if folder.startswith("data/shards/"):
        return f"{folder}/{name.split('-')[0]}-*" if name.endswith(".tar") else f"{folder}/*.*"
    return folder


def list_files(folder: Path) -> Iterator[str]:
    """List the files below a folder, sorted, as DVC sees them."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix()


def claim_scans(data: Path, folder: str) -> list[Claim]:
    """Say what data/scans.parquet claims.

    Args:
        data: The project's data/.
        folder: Of the scans, such as "data/scans/loc".

    Raises:
        ManifestError: If the manifest cannot be read.
    """
    again = "harvest it again: remove the file and run `photochrom scans`"
    remedy = f"{remedy_of(folder)}, or {again}"
    return [
        Claim(
            path=f"data/{row['path']}",
            by="scans.parquet",
            remedy=remedy,
            group=folder,
            size_bytes=row["size_bytes"],
            sha256=row["sha256"],
        )
        for row in read_manifest(data / "scans.parquet", SCANS_SCHEMA)
        if row["state"] == ScanState.STORED
    ]


def claim_shards(index: Index, *, folder: str, remedy: str) -> list[Claim]:
    """Say what an index claims: of its shards, and of the array that belongs to it.

    Of a compressed shard it says only that there is one; the tar within is looked into.

    Args:
        index: Of a folder of shards.
        folder: Such as "data/shards/256"; "" where it is the one that is checked.
        remedy: What to do if a shard is not so.
    """
    prefix = f"{folder}/" if folder else ""

    mapped = index.compression is None

    def claim(shard: Shard) -> Claim:
        return Claim(
            path=prefix + to_stored(shard, index),
            by=INDEX_NAME,
            remedy=remedy,
            group=f"{prefix}{shard.split}-*",
            size_bytes=shard.size_bytes if mapped else None,
            sha256=shard.sha256 if mapped else "",
        )

    array = Claim(prefix + ARRAY_NAME, INDEX_NAME, remedy, sha256=index.array_sha256)
    return [array, *(claim(shard) for shard in index.shards)]


def claim_sums(path: Path, *, below: str, remedy: str, parted: bool) -> list[Claim]:
    """Say what a SHA256SUMS claims.

    Args:
        path: Of the file.
        below: Folder that its paths lie below, as seen from the one that is checked, with a
            slash behind; "" where it is that one.
        remedy: What to do if a file is not so.
        parted: Whether parts of it may not have been pulled; then `below` is "data/".

    Raises:
        SharingError: If it is no such file.
    """

    def to_group(name: str) -> str:
        parts = (below + name).split("/")
        depth = {"shards": 3, "model": 2}.get(parts[1], len(parts))
        return find_group("/".join(parts[:depth]), parts[-1])

    sums = parse_sums(path.read_bytes(), where=str(path))
    return [
        Claim(below + name, path.name, remedy, to_group(name) if parted else "", sha256=sha256)
        for name, sha256 in sums.items()
    ]
