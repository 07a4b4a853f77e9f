"""Edge: copies of the data set for others: as a bag, or in the layout of Hugging Face."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from flows.errors import SharingError
from flows.params import Params
from flows.project import Project
from flows.sharing.checking import SUMS_NAME, Claim, Show, check_claims, format_sums, read_digest
from flows.sharing.claims import Folder, claim_outs, claim_scans, claim_shards
from flows.sharing.git import read_at
from flows.sharing.new_folder import list_kept, new_folder
from flows.sharing.outs import LOCK_NAME, read_lock
from flows.sharing.record import NAMES, Record, find_release, to_folder
from flows.sharing.verify import judge_unlisted
from harvest.files import write_bytes
from preprocess.card import CARD_NAME, to_title
from preprocess.croissant import CROISSANT_NAME
from preprocess.index import ARRAY_NAME, INDEX_NAME, read_index
from preprocess.shards import SAMPLES_NAME

MANIFESTS = (
    "data/catalog.parquet",
    "data/scans.parquet",
    "data/groups.parquet",
    "data/crops.parquet",
    "data/pairs.parquet",
)
DESCRIBED = (CARD_NAME, CROISSANT_NAME, INDEX_NAME, ARRAY_NAME, SAMPLES_NAME)

_REMEDY = "run `photochrom verify`"


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported."""

    project: Project
    source: str
    size: int
    release: Record | None
    """The release that the checkout stands at, if any."""
    sums: Mapping[str, str]
    """SHA-256 of each file that is copied, as it was checked, by path below the checkout's root."""

    @property
    def shards(self) -> str:
        """Folder of the shards, below the checkout's root."""
        return f"data/shards/{self.size}"


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

    with new_folder(target, kept=list_kept(project)) as folder:
        more = [f"data/scans/{params.harvest.source}"] if scans else []
        export = prepare(project, params, [*MANIFESTS, *more], on_progress=on_progress)
        _copy(export, base="data", folder=folder)
        if export.release is not None:
            _copy_release(export, folder / "release")
        try:
            bag = bagit.make_bag(str(folder), _describe(export), checksums=["sha256"])
            bag.validate()
            copied = {path: sums["sha256"] for path, sums in bag.payload_entries().items()}
            _compare(export, copied, base="data")
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
    with new_folder(target, kept=list_kept(project)) as folder:
        export = prepare(project, params, [], on_progress=on_progress)
        _copy(export, base=export.shards, folder=folder / "data")
        card = (folder / "data" / CARD_NAME).read_text(encoding="utf-8")
        sums = {
            path.relative_to(folder).as_posix(): read_digest(
                path, md5=False, on_bytes=_ignore
            ).sha256
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        _compare(export, sums, base=export.shards)
        # The card's place is beside data/, and it says so.
        (folder / "data" / CARD_NAME).unlink()
        del sums[f"data/{CARD_NAME}"]
        content = to_hugging_face_card(card, export.release).encode()
        sums[CARD_NAME] = hashlib.sha256(content).hexdigest()
        write_bytes(folder / CARD_NAME, content)
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


def prepare(project: Project, params: Params, more: Sequence[str], *, on_progress: Show) -> Export:
    """Read what is to be copied: shards, what describes them and more; see that all is right.

    Args:
        project: The checkout.
        params: All settings.
        more: Manifests and folders of scans that are to be copied, too.
        on_progress: Told the share of the bytes that were read, 0 to 1.

    Raises:
        SharingError: If a byte is wrong.
        ShardError: If there are no shards.
    """
    size, source = params.preprocess.size, params.harvest.source
    shards = f"data/shards/{size}"
    index = read_index(project.shards(size))
    claims = claim_shards(index, folder=shards, remedy=_REMEDY)
    if f"data/scans/{source}" in more:
        claims += claim_scans(project.data, f"data/scans/{source}")
    named = [f"{shards}/{name}" for name in DESCRIBED] + [one for one in more if one in MANIFESTS]
    claims += [Claim(path, "the layout of an export", _REMEDY) for path in named]
    wanted = {claim.path for claim in claims}
    folders: list[Folder] = []
    if (project.root / LOCK_NAME).is_file():
        outs = [out for out in read_lock(project.root).outs if out.path in {shards, *more}]
        locked, folders = claim_outs(project.root, outs)
        claims += locked
    checked = check_claims(claims, folder=project.root, complete=True, on_progress=on_progress)
    checked.faults += judge_unlisted(project.root, folders, checked)
    if checked.faults:
        first = checked.faults[0].line
        raise SharingError(f"{len(checked.faults)} files are not as they should be: {first}")
    sums = {path: checked.digests[path].sha256 for path in sorted(wanted)}
    return Export(project, source, size, find_release(project, source), sums)


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


def _copy(export: Export, *, base: str, folder: Path) -> None:
    """Copy files, not link them: DVC's own are read-only, and others shall not reach them."""
    for path in export.sums:
        target = folder / Path(path).relative_to(base)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(export.project.root / path, target)


def _copy_release(export: Export, folder: Path) -> None:
    """Copy a release's own files, as Git has them."""
    folder.mkdir()
    for name in NAMES:
        path = f"{to_folder(export.source)}/{name}"
        content = read_at(export.project.root, "HEAD", path)
        if content is None:
            raise SharingError(f"{path}: expected it in the release, found none; {_REMEDY}")
        write_bytes(folder / name, content)


def _compare(export: Export, copied: Mapping[str, str], *, base: str) -> None:
    """See that copies, named below data/, are what was checked."""
    for path, sha256 in export.sums.items():
        at = f"data/{Path(path).relative_to(base).as_posix()}"
        if copied.get(at) != sha256:
            raise SharingError(
                f"{path}: expected sha256 {sha256}, which was checked, in its copy, got "
                f"{copied.get(at)}; let nothing write to it, and run the command again"
            )


def _ignore(read: int) -> None:
    """Take no notice of how many bytes were read."""
