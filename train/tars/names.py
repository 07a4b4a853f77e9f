"""Edge: which tars a WebDataset is made of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import braceexpand

from preprocess.split import PAIRS, Split
from train.errors import DataError

_SPLITS: Final = (*Split, PAIRS)


@dataclass(frozen=True, slots=True)
class Tar:
    """One tar of a WebDataset."""

    name: str
    """The file's own where no two share one, else all of `source`; the same on every machine."""
    source: str
    """Path, or URL."""

    @property
    def is_remote(self) -> bool:
        """Whether it is to be fetched."""
        return "://" in self.source

    @property
    def split(self) -> str | None:
        """The split that its file's name begins with; None where it begins with none."""
        file = PurePosixPath(self.source).name
        return next((str(split) for split in _SPLITS if file.startswith(f"{split}-")), None)


def find_tars(spec: str) -> list[Tar]:
    """Find the tars that a setting means.

    Args:
        spec: A folder, whose `*.tar` are taken in the order of their names; one tar; or tars in
            brace notation, such as `path/{000000..000012}.tar`, in that order. A tar's path may
            be a URL.

    Returns:
        The tars, at least one; local ones are there.

    Raises:
        DataError: If there are none, one is missing, or one is named twice.
    """
    sources = _expand(spec)
    twice = [source for source, count in Counter(sources).items() if count > 1]
    if twice:
        raise DataError(f"{spec}: expected every tar once, got {twice[0]} again; name it once")
    missing = [one for one in sources if "://" not in one and not Path(one).is_file()]
    if missing:
        raise DataError(
            f"{missing[0]}: expected a tar, found none ({len(missing)} of {len(sources)} are not "
            "there); see train.data"
        )
    names = [PurePosixPath(source).name for source in sources]
    if len(set(names)) < len(names):
        names = sources
    return [Tar(name, source) for name, source in zip(names, sources, strict=True)]


def _expand(spec: str) -> list[str]:
    path = Path(spec)
    if path.is_dir():
        return _list_folder(path)
    if path.is_file():
        return [spec]
    try:
        sources = list(braceexpand.braceexpand(spec))
    except ValueError as exc:
        raise DataError(f"{spec}: {exc}; write tars as path/{{000000..000012}}.tar") from exc
    odd = [source for source in sources if not source.endswith(".tar")]
    if odd:
        raise DataError(
            f"{odd[0]}: expected a folder that is there, or names that end in .tar, such as "
            "path/{000000..000012}.tar; a compressed tar must be unpacked, and a folder behind a "
            "URL cannot be listed"
        )
    return sources


def _list_folder(folder: Path) -> list[str]:
    sources = sorted(str(path) for path in folder.glob("*.tar"))
    if not sources:
        packed = len([*folder.glob("*.tar.*"), *folder.glob("*.tgz")])
        raise DataError(
            f"{folder}: expected tars, found none"
            + (f", but {packed} compressed; unpack them" if packed else "; see train.data")
        )
    return sources


def has_split_names(tars: Sequence[Tar]) -> bool:
    """Say whether every tar's name begins with a split."""
    return all(tar.split is not None for tar in tars)
