"""Edge: what Git knows of the checkout and of its revisions."""

import subprocess
from pathlib import Path

from flows.errors import SharingError
from flows.programs import call_git, read_git, try_git


def read_at(root: Path, revision: str, path: str) -> bytes | None:
    """Read a file as it is at a revision.

    Args:
        root: The checkout.
        revision: A tag, a branch or a commit.
        path: Of the file, below the checkout's root.

    Returns:
        Its bytes; None where Git says that the revision has no such file.

    Raises:
        ProgramError: If Git cannot say, or cannot read it.
    """
    if not call_git(root, "ls-tree", "--name-only", revision, "--", path):
        return None
    return read_git(root, "show", f"{revision}:./{path}")


def find_commit(root: Path, revision: str) -> str:
    """Find the commit that a revision means.

    Raises:
        SharingError: If there is no Git checkout, or no such revision.
        ProgramError: If there is no Git.
    """
    check_checkout(root)
    commit = try_git(
        root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    if commit is None:
        tags = ", ".join((try_git(root, "tag", "--list") or "").split()[-8:]) or "none"
        raise SharingError(
            f"{revision}: expected a tag, a branch or a commit of this checkout, found none; "
            f"its tags: {tags}; `git fetch --tags` gets those of others"
        )
    return commit


def check_checkout(root: Path) -> None:
    """See that a folder is in a Git checkout that has a commit.

    Raises:
        SharingError: If it is not.
        ProgramError: If there is no Git.
    """
    if try_git(root, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        raise SharingError(
            f"{root}: expected a Git checkout with a commit, found none; releases are Git tags: "
            "run `git init`, `git add -A` and `git commit` first"
        )


def check_branch(root: Path) -> None:
    """See that HEAD is on a branch, so that no branch lacks a commit that is made.

    Raises:
        SharingError: If it is not.
    """
    if try_git(root, "symbolic-ref", "--quiet", "HEAD") is None:
        raise SharingError(
            f"{root}: expected a branch, found HEAD on none, so the release's commit would be on "
            "none either; go to one with `git switch BRANCH`, or make one here with `git switch "
            "--create BRANCH`, and run the command again"
        )


def refuse_tag(root: Path, name: str) -> str | None:
    """Let Git prepare a tag, and take that back; nothing stays.

    Args:
        root: The checkout, with a commit.
        name: That Git takes for a tag by its form.

    Returns:
        Why Git would not set it, such as a tag `v1` beside a `v1/x`; None if it would.
    """
    steps = f"start\ncreate refs/tags/{name} HEAD\nprepare\nabort\n"
    done = subprocess.run(
        ["git", "update-ref", "--stdin"],
        cwd=root,
        input=steps.encode(),
        capture_output=True,
        check=False,
    )
    return None if done.returncode == 0 else done.stderr.decode(errors="replace").strip()
