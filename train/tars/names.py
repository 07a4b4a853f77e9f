"""Edge: which tars a WebDataset is made of."""

import errno
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import braceexpand

from preprocess.split import PAIRS, Split
from train.errors import DataError

_SPLITS: Final = (*Split, PAIRS)

_NUMBERS: Final = re.compile(r"^(-?\d+)\.\.(-?\d+)(?:\.\.-?(\d+))?$")
_LETTERS: Final = re.compile(r"^[A-Za-z]\.\.[A-Za-z](?:\.\.-?\d+)?$")
"""Ranges, as braceexpand knows them."""

MAX_TARS: Final = 1_000_000
"""Names that a pattern may stand for: of the usual 1 GB each, a petabyte; more is a slip."""


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
        DataError: If there are none, one is missing or named twice, or the pattern stands for more
            than `MAX_TARS`.
    """
    if not spec.strip():
        raise DataError(
            f"{spec!r}: expected a folder of tars, a tar, or path/{{000000..000012}}.tar, got "
            "nothing; name the tars"
        )
    sources = _expand(spec)
    twice = [source for source, count in Counter(sources).items() if count > 1]
    if twice:
        raise DataError(f"{spec}: expected every tar once, got {twice[0]} again; name it once")
    missing = [one for one in sources if "://" not in one and not Path(one).is_file()]
    if missing:
        raise DataError(
            f"{missing[0]}: expected a tar, found none ({len(missing)} of {len(sources)} are not "
            "there); name tars that are"
        )
    names = [PurePosixPath(source).name for source in sources]
    if len(set(names)) < len(names):
        names = sources
    return [Tar(name, source) for name, source in zip(names, sources, strict=True)]


def _expand(spec: str) -> list[str]:
    path = Path(spec)
    try:
        is_folder, is_tar = path.is_dir(), path.is_file()
    except OSError as exc:
        if exc.errno != errno.ENAMETOOLONG:  # as a long pattern is
            raise
        is_folder = is_tar = False
    if is_folder:
        return _list_folder(path)
    if is_tar:
        return [spec]
    try:
        _check_count(spec)
        sources = list(braceexpand.braceexpand(spec))
    except (ValueError, RecursionError) as exc:
        raise DataError(f"{spec}: {exc}; write tars as path/{{000000..000012}}.tar") from exc
    odd = [source for source in sources if not source.endswith(".tar")]
    if odd:
        raise DataError(
            f"{odd[0]}: expected a folder that is there, or names that end in .tar, such as "
            "path/{000000..000012}.tar; a compressed tar must be unpacked, and a folder behind a "
            "URL cannot be listed"
        )
    return sources


def _check_count(spec: str) -> None:
    """Count what a pattern stands for before braceexpand does: it holds every range whole.

    Raises:
        ValueError: If the braces do not match.
        DataError: If it stands for more than `MAX_TARS`.
    """
    groups = [_Group(start=0)]
    at = 0
    while at < len(spec):
        match spec[at]:
            case "\\":
                at += 1
            case "{":
                groups.append(_Group(start=at + 1))
            case "," if len(groups) > 1:
                groups[-1].before, groups[-1].last = groups[-1].count, 1
            case "}" if len(groups) > 1:
                group = groups.pop()
                groups[-1].last *= _count_range(spec[group.start : at]) or group.count
            case "}":
                raise ValueError("Unbalanced braces")
        at += 1
        if groups[-1].count > MAX_TARS:
            raise DataError(
                f"{spec}: expected a pattern of at most {MAX_TARS:,} names, got more; write the "
                "range of the tars that there are, such as path/{000000..000012}.tar"
            )
    if len(groups) > 1:
        raise ValueError("Unbalanced braces")


@dataclass(slots=True)
class _Group:
    """Braces that are open, or the whole pattern."""

    start: int
    before: int = 0
    """Names by the alternatives before the last comma."""
    last: int = 1
    """Names by the alternative after it, so far."""

    @property
    def count(self) -> int:
        return self.before + self.last


def _count_range(inner: str) -> int:
    """Count a range such as `000000..000012` or `a..z`; 0 where it is none."""
    if found := _NUMBERS.match(inner):
        first, last, step = (int(number or 1) for number in found.groups())
        return abs(last - first) // (step or 1) + 1
    if _LETTERS.match(inner):
        return len(list(braceexpand.braceexpand(f"{{{inner}}}")))
    return 0


def _list_folder(folder: Path) -> list[str]:
    sources = sorted(str(path) for path in folder.glob("*.tar"))
    if not sources:
        packed = len([*folder.glob("*.tar.*"), *folder.glob("*.tgz")])
        raise DataError(
            f"{folder}: expected tars, found none"
            + (
                f", but {packed} compressed; unpack them"
                if packed
                else "; name a folder that holds some"
            )
        )
    return sources


def has_split_names(tars: Sequence[Tar]) -> bool:
    """Say whether every tar's name begins with a split."""
    return all(tar.split is not None for tar in tars)
