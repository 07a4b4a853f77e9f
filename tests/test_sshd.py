"""The login node of the drills itself."""

import subprocess
from collections.abc import Iterator

import psutil
import pytest

from tests.sshd import HOST, LoginNode, need_sshd, run_login_node


@pytest.fixture(scope="module")
def login() -> Iterator[LoginNode]:
    need_sshd()
    with run_login_node({"SLURM_CONF": "/some where/slurm.conf"}) as node:
        yield node
    folder = str(node.folder)
    left = [one for one in psutil.process_iter(["cmdline"]) if folder in str(one.info["cmdline"])]
    assert left == []
    assert not node.folder.exists()


def test_a_command_runs_there_with_the_environment_that_was_handed_over(login: LoginNode) -> None:
    done = login.call('echo "$SLURM_CONF"; command -v pytest; exit 7')
    conf, pytest_path = done.stdout.splitlines()
    assert (done.returncode, conf) == (7, "/some where/slurm.conf")
    assert pytest_path.endswith("/bin/pytest")


def test_a_file_comes_there_by_its_standard_input(login: LoginNode) -> None:
    words = ["ssh", "-F", str(login.config), HOST, "cat"]
    done = subprocess.run(words, input=b"\x00\xff", capture_output=True, check=True)
    assert done.stdout == b"\x00\xff"


def test_a_login_node_that_goes_away_cuts_its_connections_and_comes_back(login: LoginNode) -> None:
    words = ["ssh", "-F", str(login.config), HOST, "echo here; exec cat"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == b"here\n"
        login.stop()
        assert waiting.wait(30) == 255
    assert login.call("true").returncode == 255
    login.start()
    assert login.call("true").returncode == 0
