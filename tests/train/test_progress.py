import json
import logging
import threading
from pathlib import Path

import pytest

from tests.disks import small_disk
from train.progress import ProgressFile, read_events


def test_threads_that_tell_at_once_spoil_no_line(tmp_path: Path) -> None:
    progress = ProgressFile(tmp_path / "progress.jsonl")

    def tell(number: int) -> None:
        for step in range(50):
            progress.append({"thread": number, "step": step})

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "progress.jsonl").read_text().splitlines()
    assert sorted((event["thread"], event["step"]) for event in map(json.loads, lines)) == [
        (number, step) for number in range(4) for step in range(50)
    ]


def test_what_a_full_disk_does_not_take_is_in_the_log_and_leaves_no_part_of_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "progress.jsonl"
    progress = ProgressFile(path)
    progress.append({"message": "x" * 900})
    with small_disk(), caplog.at_level(logging.WARNING):
        progress.append({"message": "what is lost" * 10})
    assert "what is lost" in caplog.text
    progress.append({"step": 2})
    assert [json.loads(line) for line in path.read_text().splitlines()][1:] == [{"step": 2}]


def test_what_a_node_without_power_left_of_a_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    lines = [b'{"event": "step", "step": 1}', b'{"event": "st{"event": "step", "step": 2}']
    lines += [b"\xff\xfe", b"[1]", b"", b'{"event": "step", "step": 3}', b'{"event": "not whole']
    path.write_bytes(b"\n".join(lines))
    with path.open("rb") as stream:
        assert [event["step"] for event in read_events(stream)] == [1, 3]
        with path.open("ab") as more:
            more.write(b' yet", "step": 4}\n')
        assert [event["step"] for event in read_events(stream)] == [4]
