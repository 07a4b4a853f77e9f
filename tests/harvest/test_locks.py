import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from harvest.errors import HarvestError, StoppedError
from harvest.locks import STRIPES, hold, share, to_batch_lock, to_file_lock, try_alone, try_hold

GO = threading.Event()


def run_and_kill(program: str) -> None:
    """Run a program that ends by SIGKILL while it holds a lock."""
    program = f"import os, pathlib, threading\nfrom harvest.locks import *\n{program}\n"
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -9


def test_a_batch_has_the_same_lock_in_every_process_and_another_than_any_other(
    tmp_path: Path,
) -> None:
    assert to_batch_lock(tmp_path, ["a", "b"]).name == "batch-59b271ae1bbcb1d3.lock"
    names = {to_batch_lock(tmp_path, ids) for ids in (["a", "b"], ["b", "a"], ["ab"], ["a"], [])}
    assert len(names) == 5


def test_the_locks_of_files_are_few(tmp_path: Path) -> None:
    names = {to_file_lock(tmp_path, f"loc/ppmsc/{number:05d}v") for number in range(9_000)}
    assert len(names) == STRIPES


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "deep" / "a.lock"
    with hold(lock, stopping=GO), try_hold(lock) as free:
        assert not free
    with try_hold(lock) as free:
        assert free
    with try_hold(lock) as free:
        assert free


def test_a_wait_for_a_lock_ends_when_it_is_stopped(tmp_path: Path) -> None:
    lock, stopping = tmp_path / "a.lock", threading.Event()
    stopping.set()

    def wait() -> None:
        with hold(lock, stopping=stopping):
            pass

    with hold(lock, stopping=GO), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        with pytest.raises(StoppedError, match="waiting for another process"):
            waiting.result(timeout=30)


@pytest.mark.parametrize("where", ["a.lock", "."])
def test_what_is_no_lock_is_a_clear_error(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "locks"
    lock = folder / "a.lock"
    if where == ".":
        folder.write_bytes(b"")
    else:
        lock.mkdir(parents=True)
    for held in (hold(lock, stopping=GO), try_hold(lock)):
        with pytest.raises(HarvestError, match=r"a\.lock: not a lock that can be used"), held:
            pass


@pytest.mark.parametrize("what", ["garbage", "folder", "ledger"])
@pytest.mark.parametrize("held", [share, try_alone])
def test_what_is_no_lock_of_writers_is_a_clear_error(
    tmp_path: Path, what: str, held: Callable[[Path], AbstractContextManager[object]]
) -> None:
    lock = tmp_path / "writing.sqlite"
    if what == "garbage":
        lock.write_bytes(b"nothing of the kind" * 99)
    elif what == "folder":
        lock.mkdir()
    else:
        with closing(sqlite3.connect(lock)) as other:
            other.execute("PRAGMA journal_mode=WAL")
            other.execute("CREATE TABLE a (b)")
    with (
        pytest.raises(HarvestError, match=r"writing\.sqlite: not a lock that can be used"),
        held(tmp_path),
    ):
        pass


def test_an_error_under_a_lock_stays_what_it_is(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    for held in (hold(lock, stopping=GO), try_hold(lock), share(tmp_path), try_alone(tmp_path)):
        with pytest.raises(OSError, match="mine"), held:
            raise OSError("mine")


def test_many_write_at_once_and_none_while_one_is_alone(tmp_path: Path) -> None:
    with share(tmp_path), share(tmp_path), try_alone(tmp_path) as alone:
        assert not alone
    with try_alone(tmp_path) as alone, try_alone(tmp_path) as second:
        assert alone
        assert not second
    with share(tmp_path):
        pass


@pytest.mark.parametrize("held", ["hold(path, stopping=threading.Event())", "try_hold(path)"])
def test_a_killed_process_lets_go_of_its_lock(tmp_path: Path, held: str) -> None:
    lock = tmp_path / "a.lock"
    run_and_kill(f"path = pathlib.Path({str(lock)!r})\nwith {held}: os.kill(os.getpid(), 9)")
    with try_hold(lock) as free:
        assert free


@pytest.mark.parametrize("held", ["share", "try_alone"])
def test_a_killed_process_does_not_count_as_one_that_writes(tmp_path: Path, held: str) -> None:
    run_and_kill(f"with {held}(pathlib.Path({str(tmp_path)!r})): os.kill(os.getpid(), 9)")
    with try_alone(tmp_path) as alone:
        assert alone
