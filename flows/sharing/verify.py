"""Edge: hold all data of a checkout against its manifests."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from flows.project import Project
from flows.sharing.checking import SUMS_NAME, Checked, Claim, Fault, Show, check_claims
from flows.sharing.claims import (
    Folder,
    claim_outs,
    claim_scans,
    claim_shards,
    claim_sums,
    list_files,
    remedy_of,
)
from flows.sharing.outs import read_lock, sum_listing
from flows.sharing.record import find_release, to_folder
from harvest.errors import HarvestError
from preprocess.cold import SUFFIX, to_stored
from preprocess.errors import ShardError
from preprocess.index import ARRAY_NAME, INDEX_NAME, Index, Samples, Shard, read_index, read_samples
from preprocess.verify import AGAIN, split_samples, verify_samples, verify_shard


def verify_checkout(project: Project, source: str, *, complete: bool, on_progress: Show) -> Checked:
    """Hold a checkout's data against dvc.lock, its manifests and, at a release, its sums.

    Args:
        project: The checkout.
        source: `harvest.source`.
        complete: Whether data that was not pulled is a fault.
        on_progress: Told the share done, 0 to 1.

    Returns:
        What is not as it should be.

    Raises:
        SharingError: If there is no dvc.lock, or no DVC project.
    """
    root = project.root
    claims, folders = claim_outs(root, read_lock(root).outs)
    more, found = _claim_more(project, source)
    indexes = _read_indexes(root, folders, found)
    for folder, index in indexes.items():
        more += claim_shards(index, folder=folder, remedy=remedy_of(folder))
    # What a manifest of our own says of a file comes before what dvc.lock says of it.
    claims = [*more, *claims]
    checked = check_claims(claims, folder=root, complete=complete, on_progress=on_progress)
    checked.faults = [*found, *checked.faults]
    for folder, index in indexes.items():
        look_into(checked, index, folder=folder, root=root)
    checked.faults += find_strangers(root, folders, claims)
    checked.faults += judge_unlisted(root, folders, checked)
    if (release := find_release(project, source)) is not None:
        checked.notes.append(f"held against {SUMS_NAME} of the release {release.name} too")
    checked.faults.sort(key=lambda fault: fault.path)
    return checked


def look_into(checked: Checked, index: Index, *, folder: str, root: Path) -> None:
    """Look at the samples of the shards, and say of damaged ones where the damage is.

    Args:
        checked: Takes the faults that are found, and more precise ones in place of its own.
        index: Of the shards.
        folder: Of the shards; "" where it is the root.
        root: Folder that is checked.
    """
    faulty = {fault.path: place for place, fault in enumerate(checked.faults)}
    remedy = remedy_of(folder) if folder else "fetch it again from where it came from"
    prefix = f"{folder}/" if folder else ""
    try:
        samples = read_samples(root / folder, index)
    except (ShardError, OSError) as exc:
        samples = None
        if prefix + ARRAY_NAME not in faulty:
            checked.faults.append(Fault(prefix + ARRAY_NAME, f"{exc}; {remedy}"))
    for shard, rows in split_samples(index, samples):
        path = prefix + to_stored(shard, index)
        if not (root / path).is_file():
            continue
        where = _find_damage(root / path, shard, rows)
        if where and path in faulty:
            fault = checked.faults[faulty[path]]
            checked.faults[faulty[path]] = replace(fault, said=f"{where}; {fault.said}")
        elif where:
            checked.faults.append(Fault(path, f"{where}; {remedy}"))


def _find_damage(path: Path, shard: Shard, samples: Samples | None) -> str:
    """Find the first sample that is not as it should be; "" if none is known to be.

    The checksum of a tar was compared before; that of one within a compressed file was not.
    """
    try:
        if path.suffix == SUFFIX:
            verify_shard(path, shard, samples)
        else:
            with path.open("rb") as stream:
                verify_samples(stream, shard, samples, where=str(path))
    except (ShardError, OSError) as exc:
        said = str(exc).removeprefix(f"{path}: ").removesuffix(AGAIN)
        return f"damaged at {said}" if said.startswith("sample ") else said
    return ""


def _claim_more(project: Project, source: str) -> tuple[list[Claim], list[Fault]]:
    """Say what the list of scans and a release claim; and which of them cannot be read."""
    claims: list[Claim] = []
    faults: list[Fault] = []
    if (project.data / "scans.parquet").is_file():
        try:
            claims += claim_scans(project.data, f"data/scans/{source}")
        except HarvestError as exc:
            faults.append(Fault("data/scans.parquet", f"{exc}; {remedy_of('data/scans.parquet')}"))
    if find_release(project, source) is not None:
        path = project.root / to_folder(source) / SUMS_NAME
        claims += claim_sums(path, below="data/", remedy=remedy_of("data"), parted=True)
    return claims, faults


def _read_indexes(root: Path, folders: Sequence[Folder], faults: list[Fault]) -> dict[str, Index]:
    indexes = {}
    for folder in folders:
        path = folder.out.path
        if path.startswith("data/shards/") and (root / path / INDEX_NAME).is_file():
            try:
                indexes[path] = read_index(root / path)
            except ShardError as exc:
                faults.append(Fault(f"{path}/{INDEX_NAME}", f"{exc}; {remedy_of(path)}"))
    return indexes


def find_strangers(
    root: Path, folders: Sequence[Folder], claims: Sequence[Claim]
) -> Iterator[Fault]:
    """Find files that nobody claims in folders that DVC's cache has a list of."""
    listed = {claim.path for claim in claims}
    said = "expected no such file by dvc.lock, found one; move it out of data/"
    for folder in folders:
        path = folder.out.path
        if folder.listing is not None:
            files = {f"{path}/{name}" for name in list_files(root / path)}
            yield from (Fault(stranger, said) for stranger in sorted(files - listed))


def judge_unlisted(root: Path, folders: Sequence[Folder], checked: Checked) -> Iterator[Fault]:
    """Hold folders that DVC's cache has no list of, as a whole, against dvc.lock.

    Args:
        root: The checkout.
        folders: Those with a list are left out.
        checked: What came of reading their files.

    Yields:
        Folders that are not what dvc.lock says, and files that came while they were read; nothing
        on a folder whose files have faults already, or which is not here.
    """
    faulty = {fault.path for fault in checked.faults}
    for folder in folders:
        path = folder.out.path
        files = {f"{path}/{name}": name for name in list_files(root / path)}
        if folder.listing is not None or not files or faulty & files.keys():
            continue
        if late := sorted(files.keys() - checked.digests.keys()):
            said = "expected the folder to stay as it is, but it changed while it was read"
            yield from (Fault(one, f"{said}; run the command again") for one in late)
            continue
        md5 = sum_listing({name: checked.digests[at].md5 for at, name in files.items()})
        if md5 != folder.out.md5:
            yield Fault(
                path,
                f"expected a folder of md5 {folder.out.md5} by dvc.lock, got {md5}; the cache has "
                f"no list of its files: {remedy_of(path)}",
            )
