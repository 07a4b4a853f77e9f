"""Pure: which file each colorized photograph becomes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

FORMATS: Final = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""Pillow's format by suffix in lower case; a photograph of another suffix becomes a PNG."""


def plan_outputs(photos: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Name the colorized copy of each photograph; no two share one, and none is an input.

    A copy is called `<stem>-colorized<suffix>`. Photographs whose copies would have the same
    name (letters' case aside, which some disks ignore) get the names of their folders in front,
    as few as tell them apart: `rome/a.jpg` and `paris/a.jpg` become `rome-a-colorized.jpg` and
    `paris-a-colorized.jpg`. A name that is still taken, or that is itself among the
    photographs, gets a number: `a-colorized-2.jpg`.

    Args:
        photos: The photographs, best as absolute paths; one given twice counts once.
        out: Folder of the copies.

    Returns:
        The copy of each photograph, in the order given.
    """
    unique = list(dict.fromkeys(photos))
    names = {photo: _to_name(photo, folders=0) for photo in unique}
    for folders in range(1, max((len(photo.parts) for photo in unique), default=1)):
        times = Counter(_fold(name) for name in names.values())
        clashing = [photo for photo in unique if times[_fold(names[photo])] > 1]
        names |= {photo: _to_name(photo, folders=folders) for photo in clashing}
    taken = {_fold(str(photo)) for photo in unique}
    planned: dict[Path, Path] = {}
    for photo in unique:
        target = out / names[photo]
        number = 2
        while _fold(str(target)) in taken:
            stem = names[photo].removesuffix(target.suffix)
            target = target.with_name(f"{stem}-{number}{target.suffix}")
            number += 1
        taken.add(_fold(str(target)))
        planned[photo] = target
    return planned


def _to_name(photo: Path, *, folders: int) -> str:
    suffix = photo.suffix if photo.suffix.lower() in FORMATS else ".png"
    parents = [part for part in photo.parts[:-1] if part not in (photo.anchor, ".", "..")]
    front = parents[len(parents) - min(folders, len(parents)) :]
    return "-".join([*front, f"{photo.stem}-colorized{suffix}"])


def _fold(name: str) -> str:
    return name.casefold()
