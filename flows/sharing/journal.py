"""Edge: what a release writes down before it changes anything, so that a kill leaves no half."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.errors import SharingError
from flows.programs import call_dvc, call_git, must_dvc, try_git
from flows.project import Project
from flows.sharing.git import read_at
from flows.sharing.outs import LOCK_NAME
from flows.sharing.record import NAMES, to_folder
from harvest.files import write_bytes


@dataclass(frozen=True, slots=True)
class Journal:
    """A release that has begun to change the checkout."""

    name: str
    source: str
    head: str
    """The commit that the checkout stood at."""
    stages: tuple[str, ...]
    """Stages that are run again, because the splits are among their inputs."""
    outs: tuple[str, ...]
    """What these stages write."""


def write_journal(project: Project, journal: Journal) -> None:
    """Write down that a release begins to change the checkout.

    Raises:
        OSError: If the disk refuses.
    """
    write_bytes(_path(project), json.dumps(asdict(journal)).encode())


def read_journal(project: Project) -> Journal | None:
    """Read what an earlier release that did not end has written down; None if it ended.

    Raises:
        SharingError: If the note is torn.
    """
    path = _path(project)
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_bytes())
        lists = {name: tuple(told[name]) for name in ("stages", "outs")}
        words = [told["name"], told["source"], told["head"], *told["stages"], *told["outs"]]
        if not all(isinstance(word, str) for word in words):
            raise TypeError("a word is none")
        if any(isinstance(told[name], str) for name in lists):
            raise TypeError("a list is none")
        return Journal(**told | lists)
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise SharingError(
            f"{path}: expected the note of a release that was broken off ({exc}); see with "
            "`git status` and `dvc status` that all is well, and remove it"
        ) from exc


def close_journal(project: Project) -> None:
    """Write down that the release has ended, or that nothing is left of it."""
    _path(project).unlink(missing_ok=True)


def list_paths(source: str) -> list[str]:
    """List the files that a release writes and Git holds, below the checkout's root."""
    folder = to_folder(source)
    return [f"splits/{source}.parquet", LOCK_NAME, *(f"{folder}/{name}" for name in NAMES)]


def find_made_commit(project: Project, journal: Journal, *, subject: str) -> bool:
    """Say whether HEAD is the commit of a release that was broken off before its tag."""
    said = try_git(project.root, "log", "-1", "--format=%P%n%s") or ""
    return said == f"{journal.head}\n{subject}"


def take_back(project: Project, journal: Journal, *, held: int) -> None:
    """Make the checkout what it was before a release that did not reach its commit.

    Args:
        project: The checkout.
        journal: What the release wrote down.
        held: The lock of `alone`.

    Raises:
        ProgramError: If Git or DVC refuses.
        OSError: If the disk refuses.
    """
    root = project.root
    # All is read before anything is changed: what Git cannot read is not taken for absent.
    before = {path: read_at(root, journal.head, path) for path in list_paths(journal.source)}
    call_git(root, "reset", "--quiet", "--", *before)
    for path, content in before.items():
        _remove_parts(root / path)
        if content is None:
            (root / path).unlink(missing_ok=True)
        elif not (root / path).is_file() or (root / path).read_bytes() != content:
            write_bytes(root / path, content)
    made = root / to_folder(journal.source)
    for folder in (made, made.parent):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    # Where the cache lacks a file, the stage makes it again: the same inputs, the same bytes.
    outs = journal.outs
    if outs and call_dvc(root, "checkout", "--force", *outs, held=held).returncode != 0:
        must_dvc(root, "repro", "--single-item", *journal.stages, held=held)
    close_journal(project)


def _remove_parts(path: Path) -> None:
    """Remove what a kill in the middle of `harvest.files.whole_file` left beside a file."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        part.unlink(missing_ok=True)


@contextmanager
def alone(project: Project, *, say: Callable[[str], None]) -> Iterator[int]:
    """Let one release at a time change the checkout; wait for what an earlier one left running.

    Args:
        project: The checkout.
        say: Told if there is something to wait for.

    Yields:
        The lock's file descriptor. DVC inherits it and so holds the lock too: a killed release's
        DVC ends its stages and then itself, and the next release waits until it has.

    Raises:
        OSError: If the disk refuses.
    """
    project.state.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(project.state / "release.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another release, or for what a killed one left running, to end")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _path(project: Project) -> Path:
    return project.state / "release.json"
