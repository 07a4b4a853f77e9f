"""What a release leaves in releases/<source>/, and how it is found again."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.errors import SharingError
from flows.programs import try_git
from flows.project import Project
from flows.sharing.checking import SUMS_NAME
from flows.sharing.entries import Entry, from_csv
from flows.sharing.git import read_at
from flows.sharing.outs import LOCK_NAME

CARD_NAME = "README.md"
SAMPLES_NAME = "samples.csv"
CHANGES_NAME = "changes.csv"
RECORD_NAME = "release.json"

NAMES = (CARD_NAME, SUMS_NAME, SAMPLES_NAME, CHANGES_NAME, RECORD_NAME)
"""All files of a release."""


@dataclass(frozen=True, slots=True)
class Record:
    """What release.json says."""

    name: str
    before: str
    """Name of the release before; "" for a source's first."""
    source: str
    size: int
    """Side of its samples in pixels."""
    shards: str
    """MD5 that dvc.lock has for their folder."""
    samples: dict[str, int]
    """Number of them in each part of the data set."""
    changes: dict[str, int]
    """Number of them by what became of them since the release before."""

    @property
    def folder(self) -> str:
        """Of the shards, below the checkout's root."""
        return f"data/shards/{self.size}"

    @property
    def since(self) -> str:
        """What its changes are relative to, for people."""
        return f"since {self.before}" if self.before else "the first release"


def to_folder(source: str) -> str:
    """Name the folder of a source's releases, below the checkout's root."""
    return f"releases/{source}"


def to_json(record: Record) -> bytes:
    """Write a record; the same gives the same bytes."""
    return (json.dumps(asdict(record), indent=1) + "\n").encode()


def from_json(content: bytes, *, where: str) -> Record:
    """Read a record; the inverse of `to_json`.

    Raises:
        SharingError: If it is no record.
    """
    try:
        return Record(**json.loads(content))
    except (ValueError, TypeError) as exc:
        raise SharingError(
            f"{where}: expected the record of a release ({exc}); take it from the release's tag"
        ) from exc


def read_record(root: Path, revision: str, source: str) -> Record | None:
    """Read the record of the last release that a revision knows of.

    Args:
        root: The checkout.
        revision: A tag, a branch or a commit.
        source: `harvest.source`.

    Returns:
        The record, or None before the source's first release.

    Raises:
        SharingError: If it is no record.
    """
    path = f"{to_folder(source)}/{RECORD_NAME}"
    content = read_at(root, revision, path)
    return None if content is None else from_json(content, where=f"{revision}:{path}")


def read_released_entries(root: Path, revision: str, source: str) -> list[Entry]:
    """Read the samples of the last release that a revision knows of.

    Returns:
        The samples; none before the source's first release.

    Raises:
        SharingError: If the list is torn.
    """
    path = f"{to_folder(source)}/{SAMPLES_NAME}"
    content = read_at(root, revision, path)
    return [] if content is None else from_csv(content, where=f"{revision}:{path}")


def find_release(project: Project, source: str) -> Record | None:
    """Find the release whose data the checkout holds.

    Returns:
        Its record; None where HEAD bears no tag of a release, or dvc.lock is not as it was then.

    Raises:
        SharingError: If its record is torn.
    """
    tags = (try_git(project.root, "tag", "--points-at", "HEAD") or "").splitlines()
    lock = project.root / LOCK_NAME
    if (
        not tags
        or not lock.is_file()
        or read_at(project.root, "HEAD", LOCK_NAME) != lock.read_bytes()
    ):
        return None
    record = read_record(project.root, "HEAD", source)
    return record if record is not None and record.name in tags else None
