import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from replica.names import path_of
from replica.store import PREFIX

ROOT = Path(__file__).resolve().parents[2]
ARGS = ("--items", "2", "--seed", "1", "--pixels", "256")


def _caches(pid: int) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}{pid}-*"))


@pytest.mark.parametrize("how", ["stdin", "term", "interrupt"])
def test_the_process_ends_and_takes_its_files_along(how: str, launch: Any) -> None:
    process, client = launch(*ARGS)
    assert client.tile(path_of("ppmsc.05000", "r.jpg")).status_code == 200
    assert _caches(process.pid)
    if how == "stdin":
        process.stdin.close()
    else:
        process.send_signal(signal.SIGTERM if how == "term" else signal.SIGINT)
    assert process.wait(timeout=20) == 0
    assert not _caches(process.pid)


def test_what_a_killed_replica_left_is_swept_by_the_next(launch: Any) -> None:
    process, _ = launch(*ARGS)
    process.kill()
    process.wait(timeout=20)
    assert _caches(process.pid)
    launch(*ARGS)
    assert not _caches(process.pid)


def _fails(*args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "replica", *args],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_port_in_use_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"127.0.0.1:{port}: expected a free port" in _fails(*ARGS, "--port", str(port))


def test_a_folder_without_prints_is_a_clear_error(tmp_path: Path) -> None:
    assert "expected files with suffix" in _fails(*ARGS, "--images", str(tmp_path))
    assert "expected a folder of prints" in _fails(*ARGS, "--images", str(tmp_path / "none"))
