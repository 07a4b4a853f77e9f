"""DVC as a child of a run: its lines, its faults, its end. No server is needed."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
import yaml

from flows.deploying import steps
from flows.deploying.steps import OWN, RUN, RUN_ID, clean_environment, run_dvc
from flows.errors import StepError
from flows.server import TOKEN
from tests.deploying import wait_for
from tests.pipeline import environment


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A folder with one DVC stage, which sleeps as long as there is a file `hold`."""
    subprocess.run(["dvc", "init", "--no-scm", "-q"], cwd=tmp_path, env=environment(), check=True)
    cmd = f"echo ${RUN} && echo ${RUN_ID} && touch began && "
    cmd += "while test -e hold; do sleep 0.1; done && touch out"
    told = "trap 'echo int >how; exit 1' INT; trap 'echo term >how; exit 1' TERM; "
    stages = {
        "heard": {"cmd": told + cmd},
        "slow": {"cmd": cmd, "outs": ["out"]},
        "bad": {"cmd": "echo so && exit 3"},
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    return tmp_path


def run(repo: Path, *words: str) -> list[str]:
    lines: list[str] = []
    run_dvc(words, root=repo, run_name="run 1", run_id="1-2", on_line=lines.append, settings={})
    return lines


def sleepers(repo: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cwd", "status"]):
        if process.info["cwd"] == str(repo) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def test_its_lines_come_as_they_are_printed(repo: Path) -> None:
    lines = run(repo, "repro", "slow")
    assert "Running stage 'slow':" in lines
    assert {"run 1", "1-2"} <= set(lines)


def test_a_failure_holds_its_last_lines(repo: Path) -> None:
    with pytest.raises(StepError, match=r"dvc repro bad ended with code \d+(?s:.*)\nso\n"):
        run(repo, "repro", "bad")


def call_off(repo: Path, stage: str) -> None:
    """Run a stage, and call it off when it has begun."""
    (repo / "hold").touch()

    def stop(line: str) -> None:
        if line == "run 1":
            wait_for((repo / "began").exists)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_dvc(
            ["repro", stage],
            root=repo,
            run_name="run 1",
            run_id="1-2",
            on_line=stop,
            settings={},
        )


def test_an_exception_ends_all_that_it_has_started(repo: Path) -> None:
    call_off(repo, "slow")
    wait_for(lambda: not sleepers(repo))


def test_a_kill_of_the_run_ends_all_that_it_has_started(repo: Path) -> None:
    (repo / "hold").touch()
    code = (
        "from pathlib import Path; from flows.deploying.steps import run_dvc;"
        f"run_dvc(['repro', 'slow'], root=Path({str(repo)!r}), run_name='', run_id='',"
        "on_line=print, settings={})"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as process:
        wait_for((repo / "began").exists)
        assert sleepers(repo)
        os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not sleepers(repo))


def test_what_is_called_off_hears_of_it_as_by_ctrl_c(repo: Path) -> None:
    call_off(repo, "heard")
    wait_for((repo / "how").exists)
    assert (repo / "how").read_text() == "int\n"


def test_it_waits_for_another_dvc_at_the_same_files(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "BUSY_PAUSE_S", 0.2)
    (repo / "hold").touch()
    with subprocess.Popen(
        ["dvc", "repro", "-q", "slow"], cwd=repo, env=environment(), stdout=subprocess.DEVNULL
    ) as other:
        wait_for((repo / "began").exists)
        lines: list[str] = []

        def hear(line: str) -> None:
            lines.append(line)
            if line.startswith("Another DVC"):
                (repo / "hold").unlink(missing_ok=True)

        words = ["repro", "--force", "slow"]
        thread = threading.Thread(
            target=run_dvc,
            args=(words,),
            kwargs={
                "root": repo,
                "run_name": "run 1",
                "run_id": "1-2",
                "on_line": hear,
                "settings": {},
            },
        )
        thread.start()
        thread.join(60)
        assert other.wait(60) == 0
    assert not thread.is_alive()
    assert any("is busy" in line for line in lines)
    assert lines.count("run 1") == 1


def test_dvc_is_told_to_wait_for_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def start(words: list[str], **_: object) -> None:
        asked.append(words)
        raise OSError("not now")

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(OSError, match="not now"):
        run(tmp_path, "repro", "slow")
    assert asked[0][-3:] == ["--wait-for-lock", "repro", "slow"]


def test_a_lock_that_a_kill_has_torn_is_mended(repo: Path) -> None:
    (repo / ".dvc" / "tmp").mkdir(exist_ok=True)
    (repo / ".dvc" / "tmp" / "rwlock").write_text("")
    assert "run 1" in run(repo, "repro", "slow")


def test_a_step_knows_nothing_of_the_run_but_its_name() -> None:
    kept = clean_environment({"PREFECT__FLOW_RUN_ID": "1", "PREFECT_API_URL": "u", "HOME": "h"})
    assert "PREFECT__FLOW_RUN_ID" not in kept
    assert kept["PREFECT_API_URL"] == "u"
    own = clean_environment({"PREFECT_API_URL": "u", TOKEN: "t", OWN: "1"})
    assert "PREFECT_API_URL" not in own
    assert own[TOKEN] == "t"
