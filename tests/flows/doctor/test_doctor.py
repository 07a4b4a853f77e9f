import json
import os
import re
import socket
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from flows.doctor.commands import app
from flows.doctor.findings import (
    Finding,
    Patient,
    State,
    examine,
    missing,
    note,
    ok,
    run_checks,
    to_text,
)
from flows.doctor.machine import check_disk, check_git, check_packages, count_cores, find_torch
from flows.doctor.services import (
    check_links,
    check_prefect,
    check_remote,
    check_slurm,
    find_fault,
    try_links,
)
from flows.params import read_params
from flows.project import Project
from tests.pipeline import ROOT, make_project


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    """A folder with this checkout's settings, and nothing else."""
    root = make_project(tmp_path / "a project").root
    return Patient(Project(root), read_params(root / "params.yaml"))


def configure(patient: Patient, text: str) -> None:
    folder = patient.project.root / ".dvc"
    folder.mkdir()
    (folder / "config").write_text(text)


def test_a_check_that_fails_or_hangs_ends_no_other(patient: Patient) -> None:
    release = threading.Event()

    def breaks(_: Patient) -> Finding:
        raise RuntimeError("torn")

    def hangs(_: Patient) -> Finding:
        release.wait()
        return ok("hangs", "at last")

    checks = {"breaks": breaks, "hangs": hangs, "works": lambda _: ok("works", "well")}
    found = run_checks(checks, patient, limit_s=0.5)
    release.set()
    assert [(one.name, one.state) for one in found] == [
        ("breaks", State.NOTE),
        ("hangs", State.NOTE),
        ("works", State.OK),
    ]
    assert "RuntimeError: torn" in found[0].said
    assert "no answer" in found[1].said


def test_settings_that_cannot_be_read_are_a_finding_among_others(patient: Patient) -> None:
    path = patient.project.root / "params.yaml"
    path.write_text("train: 3\n")
    found = examine(patient.project, path, ())
    assert found[0].state is State.MISSING
    assert "train" in found[0].said
    assert len(found) > 8
    assert not any("could not be checked" in one.said for one in found)


def test_the_library_needs_a_contact(patient: Patient) -> None:
    path = patient.project.root / "params.yaml"
    found = examine(patient.project, path, ["harvest.source=loc"])[0]
    assert (found.state, "contact" in found.said) == (State.MISSING, True)


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("colour", [True, False])
def test_what_is_printed_fits_the_terminal(width: int, colour: bool) -> None:
    findings = [
        ok("python", "3.11"),
        note("DVC remote", "a rather long story " * 8, "`dvc remote add` " * 8),
        missing("git", "/" + "x" * 200, "install git"),
    ]
    console = Console(width=width, force_terminal=colour, no_color=not colour)
    with console.capture() as capture:
        console.print(to_text(findings))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capture.get()).splitlines()
    assert all(len(line) <= width for line in lines)
    assert "→ install git" in capture.get()


def test_the_command_prints_json_and_its_code_says_whether_something_is_broken(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(patient.project.root)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    done = CliRunner().invoke(app, ["--json"])
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert done.exit_code == 1
    assert found["Prefect server"]["state"] == "missing"
    assert "unset the variable" in found["Prefect server"]["remedy"]
    assert found["settings"]["state"] == "ok"


def test_packages_are_compared_with_the_lock(patient: Patient) -> None:
    lock = patient.project.root / "requirements.lock"
    assert check_packages(patient).state is State.NOTE
    lock.write_text((ROOT / "requirements.lock").read_text())
    assert check_packages(patient).state is not State.MISSING
    lock.write_text("pydantic==0.0.1\n")
    assert "pydantic" in check_packages(patient).said
    assert check_packages(patient).state is State.NOTE
    lock.write_text("no-such-package==1.0\n")
    assert check_packages(patient).state is State.MISSING


def test_a_folder_without_git_is_worth_knowing(patient: Patient) -> None:
    assert check_git(patient).state is State.NOTE
    subprocess.run(["git", "init", "-q", str(patient.project.root)], check=True)
    assert check_git(patient).state is State.OK


def test_little_room_is_missing(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "free" in check_disk(patient).said
    monkeypatch.setattr("flows.doctor.machine.LEAST_FREE", 1e18)
    assert check_disk(patient).state is State.MISSING


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({}, None),
    ],
)
def test_a_containers_limit_counts(
    tmp_path: Path, files: dict[str, str], cores: float | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert count_cores(tmp_path) == (cores or len(os.sched_getaffinity(0)))


def test_the_build_of_torch_is_read_without_loading_it() -> None:
    build = find_torch()
    assert build is not None
    assert build[0].isdigit()
    assert "CUDA" in build or "HIP" in build


def test_no_remote_says_how_to_add_one(patient: Patient) -> None:
    configure(patient, "[core]\n analytics = false\n")
    found = check_remote(patient)
    assert (found.state, "dvc remote add" in found.remedy) == (State.NOTE, True)


def test_a_folder_without_dvc_is_told_where_to_go(patient: Patient) -> None:
    for found in (check_remote(patient), check_links(patient)):
        assert (found.state, "dvc init" in found.remedy) == (State.NOTE, True)
        assert "dvc remote add" not in found.remedy
        assert "dvc config" not in found.remedy


@pytest.mark.parametrize(
    "text",
    [
        "[core\nremote = us\n",
        "[core]\nremote = us\nurl ssh://me:hidden@host\n",
        "[core]\nremote = us\n['remote \"us\"']\nprofile = x\n",
    ],
)
def test_a_configuration_that_dvc_cannot_read_is_to_be_mended(patient: Patient, text: str) -> None:
    configure(patient, text)
    for found in (check_remote(patient), check_links(patient)):
        assert found.state is State.MISSING
        assert "mend .dvc/config" in found.remedy
        assert "hidden" not in found.said + found.remedy


def test_a_remote_is_tried_and_its_password_never_shown(patient: Patient, tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        url = f"ssh://me:hidden@127.0.0.1:{port}/prints"
        configure(patient, f"[core]\nremote = us\n['remote \"us\"']\nurl = {url}\n")
        found = check_remote(patient)
    assert found.state is State.OK
    assert "hidden" not in found.said
    assert check_remote(patient).state is State.NOTE
    assert find_fault(str(tmp_path), None) == ""
    assert find_fault("https://me:hid/den@host/prints", None) == "its address is none"
    assert "no such folder" in find_fault(str(tmp_path / "none"), None)


def test_links_are_tried_and_leave_nothing(tmp_path: Path) -> None:
    works = try_links(tmp_path / "cache" / "later", tmp_path)
    assert works["hardlink"]
    assert works["symlink"]
    assert list(tmp_path.iterdir()) == []


def test_without_a_server_none_is_missing(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert check_prefect(patient).state is State.OK


def test_slurm_is_missing_only_where_it_is_wanted(
    patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert patient.params is not None
    train = patient.params.train.model_copy(update={"runner": "slurm"})
    wants = Patient(patient.project, patient.params.model_copy(update={"train": train}))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check_slurm(patient).state is State.OK
    assert check_slurm(wants).state is State.MISSING
    lay(tmp_path / "sbatch", "true")
    lay(tmp_path / "sinfo", "echo 'gpu* 4 idle'; echo 'long 2 alloc'")
    assert check_slurm(wants).said == "partitions and nodes: gpu: 4 idle, long: 2 alloc"
    lay(tmp_path / "sinfo", "echo 'sinfo: error: down' >&2; exit 1")
    assert check_slurm(wants).state is State.MISSING
    assert check_slurm(patient).state is State.NOTE
    lay(tmp_path / "sinfo", f"echo 'sinfo: error: {'down ' * 50}' >&2; echo more >&2; exit 1")
    said = check_slurm(wants).said
    assert said.startswith("no cluster answers: down down")
    assert len(said) <= 80
    lay(tmp_path / "sinfo", "exit 3")
    assert check_slurm(wants).said == "no cluster answers: exit code 3"


def lay(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)


def test_the_library_is_never_asked(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    connect = socket.socket.connect

    def note_down(self: socket.socket, address: Any) -> None:
        asked.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", note_down)
    examine(patient.project, patient.project.root / "params.yaml", ["harvest.source=loc"])
    assert asked == []
