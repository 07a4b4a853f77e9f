"""Edge: copies of the data set for others: as a bag, or in the layout of Hugging Face."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from flows.errors import SharingError
from flows.params import Params
from flows.project import Project
from flows.sharing.checking import Checked, check_claims
from flows.sharing.claims import claim_scans, claim_shards
from flows.sharing.record import Record, find_release, to_folder
from flows.sharing.sums import SUMS_NAME, format_sums, read_digest
from harvest.files import write_bytes
from preprocess.card import CARD_NAME, to_title
from preprocess.croissant import CROISSANT_NAME
from preprocess.index import INDEX_NAME, Index, read_index
from preprocess.shards import SAMPLES_NAME

MANIFESTS = ("catalog", "scans", "groups", "crops", "pairs")

Show = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported."""

    project: Project
    source: str
    size: int
    index: Index
    release: Record | None
    """The release that the checkout stands at, if any."""

    @property
    def shards(self) -> Path:
        """Folder of the shards."""
        return self.project.shards(self.size)


def export_bag(
    project: Project, params: Params, target: Path, *, scans: bool, on_progress: Show
) -> Path:
    """Write the data set as a bag, by the Library's own bagit.

    Args:
        project: The checkout.
        params: All settings.
        target: The folder to make.
        scans: Whether the scans are in it too.
        on_progress: Told the share of the bytes that were read, 0 to 1.

    Returns:
        The folder.

    Raises:
        SharingError: If there is something under that name, a byte is wrong, or bagit refuses.
        ShardError: If there are no shards.
        OSError: If the disk refuses.
    """
    import bagit

    with _new_folder(target) as folder:
        export, checked = _prepare(project, params, scans=scans, on_progress=on_progress)
        _copy([project.root / path for path in sorted(checked.digests)], project.data, folder)
        described = [CARD_NAME, CROISSANT_NAME, INDEX_NAME, SAMPLES_NAME]
        _copy([export.shards / name for name in described], project.data, folder)
        _copy([project.data / f"{name}.parquet" for name in MANIFESTS], project.data, folder)
        if export.release is not None:
            released = project.root / to_folder(export.source)
            _copy(sorted(released.iterdir()), released, folder / "release")
        try:
            bag = bagit.make_bag(str(folder), _describe(export), checksums=["sha256"])
            bag.validate()
        except bagit.BagError as exc:
            raise SharingError(
                f"{target}: expected bagit to make a bag, got: {exc}; see that the disk has room "
                "and run the command again"
            ) from exc
    return target


def export_hugging_face(
    project: Project, params: Params, target: Path, *, on_progress: Show
) -> Path:
    """Write the data set so that `datasets.load_dataset(folder)` gives its splits.

    Args:
        project: The checkout.
        params: All settings.
        target: The folder to make.
        on_progress: Told the share of the bytes that were read, 0 to 1.

    Returns:
        The folder.

    Raises:
        SharingError: If there is something under that name, a byte is wrong, or the card is none.
        ShardError: If there are no shards.
        OSError: If the disk refuses.
    """
    with _new_folder(target) as folder:
        export, _ = _prepare(project, params, scans=False, on_progress=on_progress)
        names = [INDEX_NAME, SAMPLES_NAME, CROISSANT_NAME]
        names += [shard.name for shard in export.index.shards]
        _copy([export.shards / name for name in names], export.shards, folder / "data")
        card = (export.shards / CARD_NAME).read_text(encoding="utf-8")
        write_bytes(folder / CARD_NAME, to_hugging_face_card(card, export.release).encode())
        sums = {
            path.relative_to(folder).as_posix(): read_digest(
                path, md5=False, on_bytes=_ignore
            ).sha256
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        write_bytes(folder / SUMS_NAME, format_sums(sums))
    return target


def to_hugging_face_card(card: str, release: Record | None) -> str:
    """Rewrite a card of shards for a folder whose shards are below data/.

    The split `val` gets the name that Hugging Face's tools look for, `validation`.

    Args:
        card: Of a folder of shards.
        release: The release that it is of, if any.

    Raises:
        SharingError: If the card is not one of ours.
    """
    parts = card.split("---\n", 2)
    if len(parts) != 3 or parts[0] or _READING not in parts[2] or _HERE not in parts[2]:
        raise SharingError(
            f"{CARD_NAME}: expected the card that `photochrom shards` writes, got another; run "
            "`dvc checkout`"
        )
    front = yaml.safe_load(parts[1])
    for config in front["configs"]:
        for files in config["data_files"]:
            files |= {"split": _to_name(files["split"]), "path": f"data/{files['path']}"}
    for info in front["dataset_info"]:
        for split in info["splits"]:
            split["name"] = _to_name(split["name"])
    if release is not None:
        front["version"] = release.name
    text = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=100)
    body = parts[2].replace(_READING, _READING_BELOW).replace(_HERE, _HERE_BELOW)
    return f"---\n{text}---\n{body}"


_READING = "In the folder of this card, in four ways."
_READING_BELOW = (
    "In the folder `data` beside this card, in four ways. Here `datasets` calls the split `val` "
    "`validation`."
)
_HERE = "folder = str(Path.cwd())"
_HERE_BELOW = "folder = str(Path.cwd().parent)"


def _to_name(split: str) -> str:
    return "validation" if split == "val" else split


def _prepare(
    project: Project, params: Params, *, scans: bool, on_progress: Show
) -> tuple[Export, Checked]:
    """Read what is to be copied, and see that every byte is right."""
    size, source = params.preprocess.size, params.harvest.source
    index = read_index(project.shards(size))
    remedy = "run `photochrom verify`"
    claims = claim_shards(index, folder=f"data/shards/{size}", remedy=remedy)
    if scans:
        claims += claim_scans(project.data, f"data/scans/{source}")
    checked = check_claims(claims, folder=project.root, complete=True, on_progress=on_progress)
    if checked.faults:
        first = checked.faults[0].line
        raise SharingError(f"{len(checked.faults)} files are not as they should be: {first}")
    return Export(project, source, size, index, find_release(project, source)), checked


def _describe(export: Export) -> dict[str, str]:
    """Write what bag-info.txt says: what is known, and no invented names."""
    described = {
        "External-Description": to_title(export.source, export.size),
        "External-Identifier": f"photochrom-{export.source}-{export.size}",
        "Internal-Sender-Description": {
            "loc": "Made from scans of the Library of Congress, Prints and Photographs Division",
            "sample": "Made from drawn prints for practice; nothing in it came from the Library",
            "folder": "Made from someone's own pictures",
        }.get(export.source, f"Made from the source {export.source}"),
    }
    if export.release is not None:
        described["External-Identifier"] += f"-{export.release.name}"
    return described


def _copy(paths: Sequence[Path], base: Path, folder: Path) -> None:
    """Copy files, not link them: DVC's own are read-only, and others shall not reach them."""
    for path in paths:
        target = folder / path.relative_to(base)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _ignore(read: int) -> None:
    """Take no notice of how many bytes were read."""


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """Give a folder beside the target, and its name once the block has ended well."""
    if target.exists() or target.is_symlink():
        raise SharingError(
            f"{target}: expected a name that is free, found something there; name another folder"
        )
    target = target.absolute()
    temporary = target.with_name(f".{target.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
