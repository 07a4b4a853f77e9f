import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from replica.about import hash_code
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


def test_a_port_that_is_none_is_a_clear_error() -> None:
    assert "127.0.0.1:99999: expected a port from 0 to 65535" in _fails(*ARGS, "--port", "99999")


def test_a_folder_without_prints_is_a_clear_error(tmp_path: Path) -> None:
    assert "expected files with suffix" in _fails(*ARGS, "--images", str(tmp_path))
    assert "expected a folder of prints" in _fails(*ARGS, "--images", str(tmp_path / "none"))


def test_a_running_replica_says_what_it_shows(launch: Any) -> None:
    _, client = launch(*ARGS, "--style", "plain")
    about = client.ask("127.0.0.1", "/.replica/about").json()
    code = about.pop("code")
    shown = {"items": 2, "seed": 1, "pixels": 256, "images": None, "style": "plain"}
    assert about == {**shown, "faults": False}
    assert code == hash_code()
    assert client.www("/.replica/about").status_code == 404


def test_both_hosts_have_a_robots_txt(launch: Any) -> None:
    _, client = launch(*ARGS)
    for ask in (client.www, client.tile):
        reply = ask("/robots.txt")
        assert reply.headers["content-type"].startswith("text/plain")
        assert reply.text == "User-agent: *\nDisallow: /search\n"


def test_a_revised_scan_has_other_bytes_and_a_later_date(tmp_path: Path, launch: Any) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("seed: 1\nrevise: {rate: 1}\n")
    path = path_of("ppmsc.05000", "r.jpg")
    args = (*ARGS, "--style", "plain")
    (_, old), (_, new) = launch(*args), launch(*args, "--faults", str(plan))
    before = old.tile(path)
    conditions = {
        "if-none-match": before.headers["etag"],
        "if-modified-since": before.headers["last-modified"],
    }
    after = new.tile(path, headers=conditions)
    assert after.status_code == 200
    assert after.content != before.content
    assert old.tile(path, headers=conditions).status_code == 304
