"""Edge: a folder of one's own pictures: where it is, what lies in it, what its files are."""

import hashlib
import os
import stat
import threading
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from harvest.embedded import HEAD_BYTES, judge_head, read_embedded
from harvest.errors import HarvestError, StoppedError
from harvest.found import SCHEME, Found, to_path, to_relative
from harvest.records import CatalogReason

CHUNK_BYTES = 1 << 20

_TO_SET = "set harvest.folder in params.yaml, or --set harvest.folder=PATH"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells, without reading it, that a file is still the one that was read.

    The disk stamps `changed_ns` at every write and every renaming, and no program can set it.
    """

    device: int
    inode: int
    size_bytes: int
    written_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A regular file that the walk came by.

    Attributes:
        path: Within the folder, percent-encoded.
        stamp: Its own.
    """

    path: str
    stamp: Stamp


def find_folder(given: str | None, *, root: Path, apart: Sequence[Path]) -> Path:
    """Find the folder of one's own pictures.

    Args:
        given: `harvest.folder`: absolute, relative to the project, or beginning with `~`.
        root: Of the project.
        apart: Folders that the pictures must lie outside of, and not around, for the project
            writes there.

    Returns:
        Its path, in which no link is left.

    Raises:
        HarvestError: If it is not set, is no folder that can be read, or lies around or within
            one of `apart`.
    """
    if not given:
        raise HarvestError(
            f"harvest.folder: expected the folder of your pictures, got {given!r}; {_TO_SET} "
            "(a ~ alone is YAML's null: write the path out)"
        )
    try:
        folder = root / Path(given).expanduser()
        real = Path(os.path.realpath(folder))
        os.scandir(real).close()
    except (OSError, RuntimeError, ValueError) as exc:
        raise HarvestError(_explain(given, exc)) from exc
    for other in apart:
        kept = Path(os.path.realpath(other))
        if real.is_relative_to(kept) or kept.is_relative_to(real):
            raise HarvestError(
                f"harvest.folder: expected a folder that lies apart from {kept}, where this "
                f"project writes, got {real}; move your pictures to a folder of their own"
            )
    return real


def walk_folder(folder: Path) -> tuple[list[Seen], list[Found]]:
    """Walk through a folder and all folders below it, following no link.

    Args:
        folder: From `find_folder`.

    Returns:
        The files to look at, and everything else with the reason why it is none; hidden folders
        and those that cannot be read are one entry each.

    Raises:
        HarvestError: If the folder itself cannot be read.
    """
    seen: list[Seen] = []
    others: list[Found] = []
    left = [folder]
    while left:
        below = left.pop()
        try:
            paths = list(below.iterdir())
        except OSError as exc:
            if below == folder:
                raise HarvestError(_explain(str(folder), exc)) from exc
            others.append(_to_unreadable(below, exc, folder=folder))
            continue
        for path in paths:
            _sort_entry(path, folder, seen=seen, others=others, left=left)
    return seen, others


def look_at(seen: Seen, *, folder: Path, stopping: threading.Event) -> Found:
    """Find out what a file is, by its content and not by its name.

    Args:
        seen: From `walk_folder`.
        folder: That it walked through.
        stopping: Ends the reading when it is set.

    Returns:
        A picture with its checksum, or a reason; never an error, whatever the file.

    Raises:
        StoppedError: If `stopping` was set.
    """
    path = folder / os.fsdecode(to_relative(f"{SCHEME}{seen.path}"))
    try:
        with open_regular(path, folder=folder) as file:
            is_picture, note = judge_head(file.read(HEAD_BYTES))
            rights = ""
            if is_picture:
                rights, note = read_embedded(file)
            if note:
                return _to_other(path, CatalogReason.NO_IMAGE, note, folder=folder)
            sha256 = _read_sha256(file, stopping=stopping)
    except OSError as exc:
        return _to_unreadable(path, exc, folder=folder)
    return Found(seen.path, seen.stamp.size_bytes, sha256, rights, "", CatalogReason.NONE)


def look_at_all(
    batch: Sequence[Seen],
    *,
    folder: Path,
    known: MutableMapping[str, tuple[Stamp, Found]],
    stopping: threading.Event,
) -> None:
    """Look at each file of a batch that is not known, or has been touched since.

    Args:
        batch: From `walk_folder`.
        folder: That it walked through.
        known: What was found, by path; it is brought up to date. Threads may share it.
        stopping: Ends the reading when it is set.

    Raises:
        StoppedError: If `stopping` was set.
    """
    for seen in batch:
        if seen.path not in known or known[seen.path][0] != seen.stamp:
            found = look_at(seen, folder=folder, stopping=stopping)
            known[seen.path] = (seen.stamp, found)


def open_regular(path: Path, *, folder: Path) -> BufferedReader:
    """Open a file below a folder to which no link leads, and nothing else: no pipe, no device.

    Args:
        path: Of the file.
        folder: Without a link in its own path.

    Raises:
        OSError: If it is missing or cannot be read, or is none of this kind.
        ValueError: If the path has a NUL.
    """
    # A pipe that nobody writes to would keep us waiting, hence O_NONBLOCK.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        real = Path(os.path.realpath(path))
        is_plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if not is_plain or real != path or not real.is_relative_to(folder):
            raise OSError(f"{path}: expected a plain file within {folder}")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def to_stamp(facts: os.stat_result) -> Stamp:
    """Take from a file's state what tells whether it is still the same."""
    return Stamp(facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def _sort_entry(
    path: Path, folder: Path, *, seen: list[Seen], others: list[Found], left: list[Path]
) -> None:
    """Put an entry of a folder where it belongs."""
    if path.name.startswith("."):
        others.append(_to_other(path, CatalogReason.NOT_AN_ITEM, "hidden", folder=folder))
        return
    try:
        facts = path.lstat()
    except OSError as exc:
        others.append(_to_unreadable(path, exc, folder=folder))
        return
    if stat.S_ISLNK(facts.st_mode):
        others.append(_judge_link(path, folder=folder))
    elif stat.S_ISDIR(facts.st_mode):
        left.append(path)
    elif stat.S_ISREG(facts.st_mode):
        seen.append(Seen(_to_path(path, folder), to_stamp(facts)))
    else:
        note = "a pipe, a socket or a device"
        others.append(_to_other(path, CatalogReason.NOT_AN_ITEM, note, folder=folder))


def _judge_link(path: Path, *, folder: Path) -> Found:
    """Say of a link where it leads; none is followed, so that none leads round in a circle."""
    real = Path(os.path.realpath(path))
    if not os.path.lexists(real) or real.is_symlink():
        return _to_other(path, CatalogReason.UNREADABLE, "a link to nothing", folder=folder)
    if real.is_relative_to(folder):
        note = "a link to another place in the folder"
        return _to_other(path, CatalogReason.REPEATED, note, folder=folder)
    note = "a link that leads out of the folder"
    return _to_other(path, CatalogReason.FOREIGN_ADDRESS, note, folder=folder)


def _to_path(path: Path, folder: Path) -> str:
    return to_path(os.fsencode(path.relative_to(folder)))


def _to_unreadable(path: Path, exc: OSError, *, folder: Path) -> Found:
    return _to_other(path, CatalogReason.UNREADABLE, exc.strerror or "unreadable", folder=folder)


def _to_other(path: Path, reason: CatalogReason, note: str, *, folder: Path) -> Found:
    return Found(_to_path(path, folder), None, "", "", note, reason)


def _read_sha256(file: BufferedReader, *, stopping: threading.Event) -> str:
    """Read a whole file's checksum, in hex."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
        if stopping.is_set():
            raise StoppedError("stopped while reading the folder; run the stage again")
    return digest.hexdigest()


def _explain(given: str, exc: Exception) -> str:
    """Say why a folder cannot be read, and what to do."""
    if isinstance(exc, FileNotFoundError):
        what, then = "found nothing there", "see that its disk is there"
    elif isinstance(exc, NotADirectoryError):
        what, then = "got a file", "name the folder that holds it"
    elif isinstance(exc, PermissionError):
        what, then = "may not read it", "let yourself read it"
    else:
        what, then = f"cannot read it ({exc})", "see that it can be read"
    return f"harvest.folder: {given}: expected a folder of pictures, {what}; {then}, or {_TO_SET}"
