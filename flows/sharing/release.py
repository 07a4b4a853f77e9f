"""Edge: make a release: an annotated tag with the card, the checksums and what has changed."""

from collections.abc import Callable
from dataclasses import dataclass

from flows.errors import FlowsError, ProgramError, SharingError
from flows.params import Params
from flows.programs import call_git, must_dvc, try_git
from flows.project import Project
from flows.sharing.checking import Show
from flows.sharing.journal import (
    Journal,
    alone,
    close_journal,
    find_made_commit,
    list_paths,
    read_journal,
    take_back,
    write_journal,
)
from flows.sharing.outs import Lock, read_lock, read_status
from flows.sharing.readiness import check_bytes, check_ready
from flows.sharing.record import Record, read_record
from flows.sharing.written import Release, gather_release, to_subject, write_release
from harvest.manifest import read_manifest
from preprocess.composition import group_views
from preprocess.manifest import GROUPS_SCHEMA
from preprocess.released import read_released, to_released, write_released
from preprocess.split import assign_splits

DESCRIPTIONS = ("README.md", "croissant.json")
"""Files beside the shards that may change with the splits: the card names views that moved."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for."""

    name: str
    message: str
    """What its maker says of it; may be empty."""


def make_release(
    project: Project, params: Params, order: Order, *, say: Say, on_progress: Show
) -> Record:
    """Make a release of the checkout's data, or complete one that was broken off.

    Nothing is changed before all is checked. After a kill the next call takes back what was left,
    or adds the tag where only that was missing.

    Args:
        project: The checkout.
        params: All settings.
        order: Name and message.
        say: Told in a line what goes on.
        on_progress: Told the share that was read, 0 to 1.

    Returns:
        What the release's record says.

    Raises:
        SharingError: If something must be mended first; then the checkout is as it was.
        ProgramError: If Git or DVC refuses; so it is then, or by the next call.
        ManifestError: If a manifest cannot be read.
        OSError: If the disk refuses.
    """
    with alone(project, say=say) as lock:
        done = complete_broken(project, held=lock, say=say)
        if done == order.name:
            record = read_record(project.root, "HEAD", params.harvest.source)
            assert record is not None
            return record
        check_ready(project, params, name=order.name)
        release = gather_release(
            project, params, name=order.name, message=order.message, on_progress=on_progress
        )
        journal = _plan(project, params, order.name)
        write_journal(project, journal)
        try:
            sums = _fix_splits(project, journal, held=lock, say=say, on_progress=on_progress)
            write_release(project, release, sums=sums)
            _commit(project, journal, release)
        except BaseException:
            _recover_after(project, journal, held=lock, say=say)
            raise
        close_journal(project)
    return release.record


def complete_broken(project: Project, *, held: int, say: Say) -> str | None:
    """Complete a release that lacks its tag alone; take back one that lacks more.

    Args:
        project: The checkout.
        held: The lock of `alone`.
        say: Told in a line what was done.

    Returns:
        Name of the release that was completed; None if there was none.

    Raises:
        SharingError: If the checkout has gone on since.
        ProgramError: If Git or DVC refuses.
    """
    journal = read_journal(project)
    if journal is None:
        return None
    return _recover(project, journal, held=held, say=say)


def _recover_after(project: Project, journal: Journal, *, held: int, say: Say) -> None:
    """Recover from an error; what fails in doing so is said, and hides not the error itself."""
    try:
        _recover(project, journal, held=held, say=say)
    except (FlowsError, OSError) as exc:
        say(
            f"{journal.name}: was broken off, and could not be taken back ({exc}); once that is "
            "mended, the same command takes it back"
        )


def _recover(project: Project, journal: Journal, *, held: int, say: Say) -> str | None:
    root = project.root
    if find_made_commit(project, journal, subject=to_subject(journal.name, journal.source)):
        try:
            _tag(project, journal.name)
        except ProgramError as exc:
            # Git may never take this name; a commit without its tag would stop every release.
            say(f"{journal.name}: its tag cannot be set ({exc}); its commit is undone")
            call_git(root, "reset", "--soft", journal.head)
        else:
            close_journal(project)
            say(f"{journal.name}: completed")
            return journal.name
    if try_git(root, "rev-parse", "HEAD") != journal.head:
        raise SharingError(
            f"a release {journal.name} was broken off here, and other commits have come since; go "
            f"back to {journal.head[:12]} with `git checkout`, and run the command again"
        )
    take_back(project, journal, held=held)
    say(f"{journal.name}: was broken off; all is as before")
    return None


def _plan(project: Project, params: Params, name: str) -> Journal:
    lock, splits = read_lock(project.root), f"splits/{params.harvest.source}.parquet"
    stages = find_users(lock, splits)
    return Journal(
        name=name,
        source=params.harvest.source,
        head=call_git(project.root, "rev-parse", "HEAD"),
        stages=stages,
        outs=tuple(out.path for out in lock.outs if out.stage in stages),
    )


def find_users(lock: Lock, path: str) -> tuple[str, ...]:
    """Find the stages that read a file, by itself or with its folder."""
    above = path.rpartition("/")[0]
    return tuple(stage for stage, deps in lock.deps.items() if deps & {path, above})


def _fix_splits(
    project: Project, journal: Journal, *, held: int, say: Say, on_progress: Show
) -> dict[str, str]:
    """Write the splits, let the stages that read them show that they change no sample, and sum up.

    Returns:
        The SHA-256 of all that is released, by path below data/.
    """
    root, path = project.root, project.splits(journal.source)
    views = group_views(read_manifest(project.data / "groups.parquet", GROUPS_SCHEMA))
    released = read_released(path)
    splits = assign_splits(views, released)
    before = check_bytes(project, on_progress=on_progress)
    write_released(path, to_released(views, released, splits=splits))
    if not read_status(root):
        return before
    say(f"{', '.join(journal.stages)}: once more through DVC, for the splits are fixed now")
    must_dvc(root, "repro", "--single-item", *journal.stages, held=held)
    after = check_bytes(project, on_progress=on_progress)
    other = sorted(name for name in before | after if before.get(name) != after.get(name))
    if wrong := [name for name in other if name.rpartition("/")[2] not in DESCRIPTIONS]:
        raise SharingError(
            f"expected the same bytes from the same input, got others in {', '.join(wrong[:8])}: "
            "the shards were made on another machine or by other versions; make them here with "
            f"`dvc repro --force {' '.join(journal.stages)}`, commit dvc.lock and run the command "
            "again"
        )
    # Only words on a card are other; what was trained on the shards need not be trained again.
    if stale := sorted(read_status(root)):
        must_dvc(root, "commit", "--force", *stale, held=held)
    if stale := sorted(read_status(root)):
        raise SharingError(f"dvc status: expected all up to date, got {', '.join(stale)}")
    return after


def _commit(project: Project, journal: Journal, release: Release) -> None:
    paths = [path for path in list_paths(journal.source) if (project.root / path).is_file()]
    call_git(project.root, "add", "--", *paths)
    # These alone: someone may have put other files into the index meanwhile.
    call_git(project.root, "commit", "--quiet", "--message", release.message, "--", *paths)
    _tag(project, journal.name)


def _tag(project: Project, name: str) -> None:
    """Tag HEAD with its own message, unless that was done."""
    root = project.root
    if try_git(root, "rev-parse", "--verify", "--quiet", f"refs/tags/{name}") is None:
        message = call_git(root, "log", "-1", "--format=%B")
        call_git(root, "tag", "--annotate", "--cleanup=verbatim", "--message", message, name)
