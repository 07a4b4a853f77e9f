import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flows.tracking.live import PICTURES, LiveFiles, write_live


def make_event(step: int, de00: float | None, *, best: int = 0) -> dict[str, Any]:
    return {
        "event": "validation",
        "step": step,
        "train_loss": 10 / step,
        "val_loss": de00 and de00 / 2,
        "val_dE00": de00,
        "lr": 1e-3 / step,
        "best_step": best or step,
    }


def make_run(run: Path, *events: dict[str, Any]) -> Path:
    run.mkdir()
    lines = [json.dumps(event) + "\n" for event in events]
    (run / "progress.jsonl").write_text("".join(lines))
    (run / "pictures").mkdir()
    for event in events:
        if event["event"] == "pictures":
            (run / event["path"]).write_bytes(b"sheet of %d" % event["step"])
    return run


def make_pictures(step: int) -> dict[str, Any]:
    return {"event": "pictures", "step": step, "path": f"pictures/step-{step:08d}.jpg"}


def read(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


STEP = {"event": "step", "step": 3, "of": 6, "loss": 2.0, "data_wait": 0.0, "images_per_s": 9.1}
FIRST, SECOND, THIRD = make_event(2, 5.0), make_event(4, 3.0), make_event(6, 4.0, best=4)


def test_a_run_is_a_table_of_each_figure_and_a_summary(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", FIRST, make_pictures(2), STEP, SECOND, THIRD, make_pictures(6))
    write_live(run, tmp_path / "live")
    files = read(tmp_path / "live")
    tables = {f"plots/metrics/{name}.tsv" for name in ("train_loss", "val_loss", "val_dE00", "lr")}
    assert files.keys() == {"metrics.json", PICTURES, *tables}
    assert files["plots/metrics/val_dE00.tsv"] == b"step\tval_dE00\n2\t5.0\n4\t3.0\n6\t4.0\n"
    assert files[PICTURES] == b"sheet of 6"
    assert json.loads(files["metrics.json"]) == {
        "train_loss": 10 / 6,
        "val_loss": 2.0,
        "val_dE00": 4.0,
        "lr": 1e-3 / 6,
        "best_step": 4,
        "best_val_dE00": 3.0,
        "step": 6,
    }


def test_a_run_that_was_stopped_and_requeued_leaves_the_same_bytes(tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole", FIRST, SECOND, THIRD, make_pictures(6))
    start = {"event": "start", "step": 2, "of": 6}
    # It saved step 2, was killed behind step 4, half a line of which is left, and went on from 2.
    again = make_run(
        tmp_path / "again", FIRST, SECOND, FIRST, start, STEP, SECOND, THIRD, make_pictures(6)
    )
    path = again / "progress.jsonl"
    path.write_text(path.read_text().replace('{"event": "start"', '{"event": "ste{"event":', 1))
    for run in (whole, again):
        write_live(run, tmp_path / f"live-{run.name}")
    assert read(tmp_path / "live-whole") == read(tmp_path / "live-again")


def test_without_a_picture_of_the_last_row_there_is_none(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_event(2, None), make_pictures(2), make_event(4, None))
    write_live(run, tmp_path / "live")
    assert PICTURES not in read(tmp_path / "live")
    assert "best_step" not in json.loads((tmp_path / "live" / "metrics.json").read_text())


def test_what_a_kill_left_is_replaced_and_never_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", FIRST, SECOND)
    with monkeypatch.context() as patched:
        patched.setattr("flows.tracking.live.LiveFiles.close", lambda _: os.kill(0, -1))
        with pytest.raises(OSError, match="Invalid argument"):
            write_live(run, tmp_path / "live")
    assert not (tmp_path / "live").exists()
    write_live(run, tmp_path / "live")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["live", "run"]
    write_live(run, tmp_path / "live")
    assert len(read(tmp_path / "live")) == 5


def test_rows_that_come_twice_are_written_once(tmp_path: Path) -> None:
    files = LiveFiles(tmp_path / "live")
    for event in (FIRST, STEP, SECOND, FIRST, SECOND, THIRD):
        files.take(event)
    files.close()
    run = make_run(tmp_path / "run", FIRST, SECOND, THIRD)
    write_live(run, tmp_path / "whole")
    assert read(tmp_path / "live") == read(tmp_path / "whole")


@pytest.mark.parametrize("commits", [0, 1])
def test_nothing_is_posted_and_neither_git_nor_dvc_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    root = tmp_path / "checkout"
    root.mkdir()
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["git", "init", "-q"], ["dvc", "init", "-q"], ["git", *who, "add", "."]):
        subprocess.run(words, cwd=root, check=True)
    if commits:
        subprocess.run(["git", *who, "commit", "-q", "-m", "begin"], cwd=root, check=True)
    run = make_run(root / "run", FIRST, SECOND)
    monkeypatch.chdir(root)
    monkeypatch.setenv("DVC_STUDIO_TOKEN", "a token")
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "1" * 40)
    before = read(root)
    posted: list[object] = []
    monkeypatch.setattr("requests.Session.request", lambda *words, **_: posted.append(words))
    write_live(run, root / "live")
    assert posted == []
    after = read(root)
    assert {name for name in after if after[name] != before.get(name)} == {
        f"live/{name}" for name in read(root / "live")
    }
    assert "DVC_STUDIO_OFFLINE" not in os.environ
