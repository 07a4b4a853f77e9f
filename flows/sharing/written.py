"""What a release writes: its card, record, list of samples, changes and checksums."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flows.params import Params
from flows.project import Project
from flows.sharing.changes import KINDS, Change, compare, count, of_kind, say_changes
from flows.sharing.changes import to_csv as changes_to_csv
from flows.sharing.checking import SUMS_NAME, Show, format_sums
from flows.sharing.entries import Entry, opener, read_entries
from flows.sharing.entries import to_csv as entries_to_csv
from flows.sharing.outs import read_lock
from flows.sharing.record import (
    CARD_NAME,
    CHANGES_NAME,
    RECORD_NAME,
    SAMPLES_NAME,
    Record,
    read_record,
    read_released_entries,
    to_folder,
    to_json,
)
from harvest.files import write_bytes
from harvest.manifest import read_manifest
from preprocess.index import read_index
from preprocess.manifest import SAMPLES_SCHEMA


@dataclass(frozen=True, slots=True)
class Release:
    """A release that is about to be written."""

    record: Record
    entries: list[Entry]
    changes: list[Change]
    card: str
    message: str
    """Of its commit and its tag."""


def to_subject(name: str, source: str) -> str:
    """Write the first line of a release's commit and tag."""
    return f"Release {name} of {source}"


def read_folder_entries(shards: Path, *, on_progress: Show) -> list[Entry]:
    """Read the samples of a folder of shards on disk.

    Raises:
        ShardError: If the index is missing or torn.
        ManifestError: If the table of samples is.
        SharingError: If a sample is not what the index says.
        OSError: If a shard cannot be read.
    """
    rows = read_manifest(shards / "samples.parquet", SAMPLES_SCHEMA)
    titles = {row["key"]: row["title"] for row in rows}
    index, open_file = read_index(shards), opener(shards)
    return read_entries(index, titles, open_file=open_file, on_progress=on_progress)


def gather_release(
    project: Project,
    params: Params,
    *,
    name: str,
    message: str,
    on_progress: Show,
) -> Release:
    """Gather all that a release says, from the data and the release before.

    Args:
        project: The checkout.
        params: All settings.
        name: Of the release.
        message: What its maker says of it; may be empty.
        on_progress: Told the share done, 0 to 1.

    Raises:
        SharingError: If the release before, or the shards, are torn.
    """
    root, source, size = project.root, params.harvest.source, params.preprocess.size
    shards = project.shards(size)
    entries = read_folder_entries(shards, on_progress=on_progress)
    last = read_record(root, "HEAD", source)
    old = read_released_entries(root, "HEAD", source)
    changes = compare(old, entries)
    path = f"data/shards/{size}"
    record = Record(
        name=name,
        before=last.name if last else "",
        source=source,
        size=size,
        shards=next(out.md5 for out in read_lock(root).outs if out.path == path),
        samples={line.part: line.after for line in count(old, entries)},
        changes={kind: len(of_kind(changes, kind)) for kind in KINDS},
    )
    card = name_card((shards / CARD_NAME).read_text(encoding="utf-8"), record)
    return Release(record, entries, changes, card, to_message(record, changes, message))


def to_message(record: Record, changes: list[Change], message: str) -> str:
    """Write what the commit and the tag of a release say."""
    parts = ", ".join(f"{part} {n}" for part, n in record.samples.items())
    folder = to_folder(record.source)
    lines = [
        f"{sum(record.samples.values())} samples of {record.size} px: {parts}",
        f"{say_changes(changes)} ({record.since})",
        f"Card, samples, changes and checksums: {folder}/",
    ]
    body = [message.strip()] if message.strip() else []
    return "\n\n".join([to_subject(record.name, record.source), *body, "\n".join(lines)]) + "\n"


def name_card(card: str, record: Record) -> str:
    """Put a release's name, and what changed, under the title of a card."""
    head, title, rest = _cut(card)
    changes = ", ".join(f"{n} {kind}" for kind, n in record.changes.items())
    said = (
        f"Release `{record.name}` ({changes}; {record.since}). `{SAMPLES_NAME}` lists its samples, "
        f"`{CHANGES_NAME}` what changed, `{SUMS_NAME}` the checksums of manifests, shards and "
        f"model. The shards are in `{record.folder}`."
    )
    return f"{head}{title}\n\n{said}\n{rest}"


def _cut(card: str) -> tuple[str, str, str]:
    """Cut a card before and after its title."""
    begin = card.index("\n# ") + 1
    end = card.index("\n", begin)
    return card[:begin], card[begin:end], card[end + 1 :]


def write_release(project: Project, release: Release, *, sums: Mapping[str, str]) -> None:
    """Write the files of a release.

    Args:
        project: The checkout.
        release: What they say.
        sums: SHA-256 by path below data/.

    Raises:
        OSError: If the disk refuses.
    """
    folder = project.root / to_folder(release.record.source)
    # The folder's own sum may have changed with the words on its card.
    md5 = {out.path: out.md5 for out in read_lock(project.root).outs}[release.record.folder]
    record = replace(release.record, shards=md5)
    files = {
        CARD_NAME: release.card.encode(),
        SUMS_NAME: format_sums(sums),
        SAMPLES_NAME: entries_to_csv(release.entries),
        CHANGES_NAME: changes_to_csv(release.changes),
        RECORD_NAME: to_json(record),
    }
    for name, content in files.items():
        write_bytes(folder / name, content)
