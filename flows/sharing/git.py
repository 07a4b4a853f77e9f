"""Edge: what Git knows of the checkout, and the few things that a release asks it to do."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from flows.errors import SharingError


def try_git(root: Path, *words: str) -> str | None:
    """Ask Git something that it may answer with no.

    Args:
        root: The checkout.
        words: The command and what it takes.

    Returns:
        What it printed, without the last line's end; None if it failed.

    Raises:
        SharingError: If there is no Git.
    """
    done = _run(root, words)
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def call_git(root: Path, *words: str) -> str:
    """Let Git do something that must succeed.

    Args:
        root: The checkout.
        words: The command and what it takes.

    Returns:
        What it printed, without the last line's end.

    Raises:
        SharingError: If it failed; with what it said.
    """
    done = _run(root, words)
    if done.returncode != 0:
        raise SharingError(
            f"git {' '.join(words[:2])}: expected it to succeed, got: "
            f"{(done.stderr or done.stdout).strip()}; mend that and run the command again"
        )
    return done.stdout.rstrip("\n")


def read_at(root: Path, revision: str, path: str) -> bytes | None:
    """Read a file as it is at a revision.

    Args:
        root: The checkout.
        revision: A tag, a branch or a commit.
        path: Of the file, below the checkout's root.

    Returns:
        Its bytes; None where the revision has no such file.
    """
    done = subprocess.run(
        ["git", "show", f"{revision}:./{path}"], cwd=root, capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


def find_commit(root: Path, revision: str) -> str:
    """Find the commit that a revision means.

    Raises:
        SharingError: If there is no Git checkout, or no such revision.
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
    """
    if try_git(root, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        raise SharingError(
            f"{root}: expected a Git checkout with a commit, found none; releases are Git tags: "
            "run `git init`, `git add -A` and `git commit` first"
        )


def _run(root: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *words], cwd=root, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as exc:
        raise SharingError("git: expected this program, found none; install Git") from exc
