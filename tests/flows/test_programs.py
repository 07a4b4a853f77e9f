"""DVC and Git as the rest of the code runs them."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from flows.errors import ProgramError
from flows.programs import call_git, must_dvc, read_git, try_git
from tests.deploying import wait_for
from tests.dvc_projects import make_dvc_project

CALL = """
import fcntl, os
from pathlib import Path
from flows.programs import call_dvc
held = os.open("lock", os.O_RDWR | os.O_CREAT)
fcntl.flock(held, fcntl.LOCK_EX)
print(call_dvc(Path.cwd(), "repro", "--quiet", held=held))
"""
STAGE = """
import os, pathlib, time
pathlib.Path("new").write_text(str(os.getpid()))
pathlib.Path("new").rename("pid")
time.sleep(600)
"""


def is_running(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_who_runs_dvc_takes_it_and_its_stages_along_when_he_is_ended(
    tmp_path: Path, how: signal.Signals
) -> None:
    root = make_dvc_project(tmp_path / "project").root
    (root / "stage.py").write_text(STAGE)
    stages = {"wait": {"cmd": "python stage.py", "deps": ["stage.py"]}}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    with subprocess.Popen(
        [sys.executable, "-c", CALL], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        stage = int(wait_for(lambda: (root / "pid").is_file() and (root / "pid").read_text()))
        tree = [one.pid for one in psutil.Process(process.pid).children(recursive=True)]
        assert stage in tree
        os.kill(process.pid, how)
        assert process.wait() == -how
    with (root / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not is_running(stage)
    wait_for(lambda: not any(is_running(one) for one in tree))


def test_dvc_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    root = make_dvc_project(tmp_path / "project").root
    with pytest.raises(ProgramError, match=r"(?s)dvc repro: expected it to succeed.*nosuch"):
        must_dvc(root, "repro", "nosuch")


def test_git_is_asked_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call_git(tmp_path, "init", "--quiet")
    assert call_git(tmp_path, "rev-parse", "--is-inside-work-tree") == "true"
    assert read_git(tmp_path, "rev-parse", "--is-inside-work-tree") == b"true\n"
    assert try_git(tmp_path, "rev-parse", "--verify", "--quiet", "HEAD") is None
    with pytest.raises(ProgramError, match="git rev-parse HEAD: expected it to succeed, got: "):
        call_git(tmp_path, "rev-parse", "HEAD")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramError, match="expected this program, found none"):
        try_git(tmp_path, "status")
