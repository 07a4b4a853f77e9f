import os
from pathlib import Path

from flows.deploying.leftovers import crash_ended, read_notes


def test_a_torn_note_is_left_to_the_next_command(tmp_path: Path) -> None:
    assert read_notes(tmp_path / "none") == {}
    (tmp_path / "a.json").write_text("[17, 1.5]")
    for name, text in {"b": "", "c": "[]", "d": '{"pid": 1}', "e": '["x"]'}.items():
        (tmp_path / f"{name}.json").write_text(text)
    assert read_notes(tmp_path) == {"a": 17}


def test_a_run_that_goes_on_is_let_be_and_a_server_that_is_gone_is_no_fault() -> None:
    assert crash_ended("http://127.0.0.1:9/api", {"a": os.getpid(), "b": 2**22 + 1}) == 0
