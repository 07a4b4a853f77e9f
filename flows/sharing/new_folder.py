"""Edge: a folder for others, which appears whole or not at all."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flows.errors import SharingError
from flows.project import Project


def list_kept(project: Project) -> tuple[Path, ...]:
    """List the folders of a checkout that hold its own files, and no exports."""
    return (project.data, project.state, project.root / ".git", project.root / ".dvc")


@contextmanager
def new_folder(target: Path, *, kept: Sequence[Path]) -> Iterator[Path]:
    """Give a folder beside the target, and its name once the block has ended well.

    Args:
        target: The folder to make.
        kept: Folders that it must not lie in.

    Raises:
        SharingError: If there is something under that name, or it lies in one of those.
    """
    if target.exists() or target.is_symlink():
        raise SharingError(
            f"{target}: expected a name that is free, found something there; name another folder"
        )
    for folder in kept:
        if target.resolve().is_relative_to(folder.resolve()):
            raise SharingError(
                f"{target}: expected a folder outside {folder}, which holds the checkout's own "
                "files; name another, such as one beside the checkout"
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
