"""Edge: DVC and Git, run the same way by all that needs them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from flows.deploying.child import CALLED_OFF
from flows.errors import ProgramError

LAST_LINES = 12
"""Of what DVC said, in an error."""

GRACE_S = 30.0
"""What DVC gets to end its stages when this process is interrupted."""


def call_dvc(root: Path, *words: str, held: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run DVC, whose stages find the `photochrom` of this environment.

    When this process ends, by `kill -9` too, DVC ends what it has started, and then itself.

    Args:
        root: The checkout.
        words: The command and what it takes.
        held: A file descriptor that DVC shall keep open until it has ended.

    Returns:
        What came of it.
    """
    here = Path(sys.executable).parent
    theirs, ours = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.deploying.child", *words],
            cwd=root,
            env={**os.environ, "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}"},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            pass_fds=() if held is None else (held,),
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    with process:
        try:
            out, err = process.communicate()
        except BaseException:
            _call_off(process, ours)
            raise
        os.close(ours)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def must_dvc(root: Path, *words: str, held: int | None = None) -> None:
    """Run DVC as `call_dvc` does; it must succeed.

    Raises:
        ProgramError: If it fails; with what it said.
    """
    done = call_dvc(root, *words, held=held)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:])
        raise ProgramError(
            f"dvc {words[0]}: expected it to succeed, got:\n{said}\n"
            f"run `dvc {' '.join(words)}` to see why"
        )


def try_git(root: Path, *words: str) -> str | None:
    """Ask Git something that it may answer with no.

    Args:
        root: The checkout.
        words: The command and what it takes.

    Returns:
        What it printed, without the last line's end; None if it failed, for whatever reason.

    Raises:
        ProgramError: If there is no Git.
    """
    done = _run_git(root, words)
    return _decode(done.stdout).rstrip("\n") if done.returncode == 0 else None


def call_git(root: Path, *words: str) -> str:
    """Let Git do something that must succeed.

    Args:
        root: The checkout.
        words: The command and what it takes.

    Returns:
        What it printed, without the last line's end.

    Raises:
        ProgramError: If it failed; with what it said.
    """
    return _decode(read_git(root, *words)).rstrip("\n")


def read_git(root: Path, *words: str) -> bytes:
    """Let Git do something that must succeed, as `call_git` does.

    Returns:
        What it printed, to the byte.

    Raises:
        ProgramError: If it failed; with what it said.
    """
    done = _run_git(root, words)
    if done.returncode != 0:
        said = _decode(done.stderr or done.stdout).strip() or f"its end by code {done.returncode}"
        raise ProgramError(
            f"git {' '.join(words[:2])}: expected it to succeed, got: {said}; mend that and run "
            "the command again"
        )
    return done.stdout


def _run_git(root: Path, words: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, check=False)
    except FileNotFoundError as exc:
        raise ProgramError("git: expected this program, found none; install Git") from exc


def _decode(said: bytes) -> str:
    return said.decode(errors="replace")


def _call_off(process: subprocess.Popen[str], pipe: int) -> None:
    """Have DVC end its stages as by Ctrl-C, and wait until it has."""
    with suppress(OSError):
        os.write(pipe, CALLED_OFF.encode())
    os.close(pipe)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
