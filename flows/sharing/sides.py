"""Edge: one side of a comparison: the samples of a revision or of the checkout."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from flows.errors import SharingError
from flows.params import Params
from flows.project import Project
from flows.sharing.checking import Show
from flows.sharing.entries import Entry, OpenFile, opener
from flows.sharing.git import find_commit, read_at
from flows.sharing.outs import LOCK_NAME, parse_lock
from flows.sharing.record import read_record, read_released_entries
from flows.sharing.written import read_folder_entries

HERE = "the checkout"


@dataclass(frozen=True, slots=True)
class Side:
    """The samples of one side."""

    name: str
    size: int
    """Side of its samples in pixels."""
    entries: list[Entry]
    open_file: OpenFile
    """Opens a shard by its name, from the disk, DVC's cache or its remote."""
    remedy: str
    """How shards are got that cannot be opened."""


def read_checkout(project: Project, params: Params, *, on_progress: Show) -> Side:
    """Read what lies in the checkout's data/.

    Raises:
        ShardError: If the shards' index is missing or torn.
        ManifestError: If the table of samples is.
        SharingError: If a sample is not what the index says.
        OSError: If a shard cannot be read.
    """
    size = params.preprocess.size
    folder = project.shards(size)
    entries = read_folder_entries(folder, on_progress=on_progress)
    return Side(HERE, size, entries, opener(folder), f"dvc pull data/shards/{size}")


def read_side(project: Project, params: Params, revision: str, *, on_progress: Show) -> Side:
    """Read the samples of a revision: from its release in Git, or else from its shards.

    Args:
        project: The checkout.
        params: All settings of the checkout; they say which source.
        revision: A tag, a branch or a commit.
        on_progress: Told the share done, 0 to 1, where shards are read.

    Raises:
        SharingError: If there is no such revision, it has no shards of the source, or they are
            neither in the cache nor in the remote.
    """
    root, source = project.root, params.harvest.source
    commit = find_commit(root, revision)
    lock = read_at(root, commit, LOCK_NAME)
    if lock is None:
        raise SharingError(f"{revision}: expected a {LOCK_NAME} in it, found none; name another")
    outs = {out.path: out.md5 for out in parse_lock(lock, where=f"{revision}:{LOCK_NAME}").outs}
    record = read_record(root, commit, source)
    if record is not None and outs.get(record.folder) == record.shards:
        folder, entries = record.folder, read_released_entries(root, commit, source)
    else:
        folder, entries = f"data/shards/{params.preprocess.size}", []
        if folder not in outs or f"data/scans/{source}" not in outs:
            raise SharingError(
                f"{revision}: expected a release of {source}, or {folder} made from it, found "
                "neither; name another revision, or the settings that it was made with, by --set"
            )
    files = _open_files(root, commit)
    side = Side(
        name=revision,
        size=int(folder.rpartition("/")[2]),
        entries=entries,
        open_file=partial(_open_at, files, folder),
        remedy=f"dvc fetch --all-commits {folder}",
    )
    return side if entries else _read_shards(side, files, folder, on_progress=on_progress)


def _open_files(root: Path, commit: str) -> Any:
    from dvc.api import DVCFileSystem

    return DVCFileSystem(str(root), rev=commit)


def _open_at(files: Any, folder: str, name: str) -> BinaryIO:
    """Open a file of a revision; DVC's many ways to say that it has it not are one here."""
    from dvc.exceptions import DvcException
    from dvc_objects.errors import ObjectDBError

    try:
        opened: BinaryIO = files.open(f"{folder}/{name}", "rb")
    except (DvcException, ObjectDBError) as exc:
        raise FileNotFoundError(f"{folder}/{name}: {exc}") from exc
    return opened


def _read_shards(side: Side, files: Any, folder: str, *, on_progress: Show) -> Side:
    """Read the samples of a revision that is no release, by way of a copy of its shards."""
    with TemporaryDirectory() as scratch:
        copy = Path(scratch) / "shards"
        try:
            files.get(folder, str(copy), recursive=True)
        except Exception as exc:  # whatever a remote of any kind raises
            raise SharingError(
                f"{side.name}: expected its shards in DVC's cache or remote, got: {exc}; get them "
                f"with `{side.remedy}`, and run the command again"
            ) from exc
        return replace(side, entries=read_folder_entries(copy, on_progress=on_progress))
