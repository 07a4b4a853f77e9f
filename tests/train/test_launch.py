import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tests.train.conftest import MakeParams, MakeShards, to_inputs
from train.__main__ import main
from train.errors import TrainError
from train.job import train_run
from train.launch import _Rank, launch_local
from train.run import STOPPED, UNEXPECTED, Run, prepare_run, read_run
from train.world import World

ALONE = World(rank=0, local_rank=0, size=1)


@pytest.fixture
def make_run(make_params: MakeParams, make_shards: MakeShards, tmp_path: Path) -> Any:
    def make(name: str, **changed: Any) -> Run:
        prepare_run(
            tmp_path / name,
            make_params(**changed),
            inputs=to_inputs(make_shards(f"shards-{name}", train=[5, 4], val=[3])),
            checkpoints_root=tmp_path / f"checkpoints-{name}",
        )
        return read_run(tmp_path / name)

    return make


def find_ranks(run: Run) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if str(run.folder) in (process.info["cmdline"] or []):
            found.append(process)
    return found


def test_two_processes_go_on_where_one_stopped_and_learn_what_it_would_have(
    make_run: Any,
) -> None:
    # A batch of 5 falls unevenly, 2 and 3.
    changed = {"steps": 4, "batch": 5, "degrade": 0.2}
    one, two = make_run("one", **changed), make_run("two", **changed)
    torch.set_num_threads(1)
    train_run(one, ALONE, stop=lambda: False)
    assert not train_run(two, ALONE, stop=lambda: True)
    events: list[dict[str, Any]] = []
    launch_local(two.folder, processes=2, threads=1, on_progress=events.append)
    kinds = [event["event"] for event in events[:4]]
    assert kinds == ["note", "note", "validation", "start"]
    assert events[-1]["event"] == "done"
    assert "held on the device" in events[0]["message"]
    assert "each of 2 processes" in events[0]["message"]
    assert events[1]["message"] == (
        "step 2 was saved by a world of 1 (cpu), and goes on in one of 2 (cpu): equal within "
        "rounding, not bit for bit"
    )
    assert (events[3]["processes"], events[3]["step"]) == (2, 2)
    assert 0 <= events[-1]["data_wait"] <= 1
    curves = [(run.folder / "result" / "curve.csv").read_text().split() for run in (one, two)]
    for left, right in zip(*curves, strict=True):
        if left[0].isdigit():
            assert [float(value) for value in right.split(",")] == pytest.approx(
                [float(value) for value in left.split(",")], rel=1e-3
            )
    assert not find_ranks(two)


def test_a_rank_that_fails_says_why(make_run: Any) -> None:
    run = make_run("run")
    (run.inputs.shards / "train-000000.tar").unlink()
    with pytest.raises(TrainError, match=r"(?s)rank 0 .* ended with code 1; .*found none; run"):
        launch_local(run.folder, processes=1, threads=1, on_progress=lambda _: None)
    # Whoever launched it knows so that it would come again.
    assert (run.folder / "failed").read_text().startswith("DataError: ")
    assert not find_ranks(run)


def test_a_cancelled_training_saves_its_state_and_ends(make_run: Any) -> None:
    run = make_run("run", steps=100_000, validate_every=100_000)
    events: list[dict[str, Any]] = []
    with pytest.raises(TrainError, match="was cancelled; its state is saved"):
        launch_local(
            run.folder,
            processes=1,
            threads=1,
            on_progress=events.append,
            stopped=lambda: any(event["event"] == "step" for event in events),
        )
    assert not find_ranks(run)
    assert len(list(run.checkpoints.iterdir())) == 1


def test_a_rank_that_is_told_to_stop_while_it_still_loads_saves_its_state(make_run: Any) -> None:
    # As SLURM tells a job whose node is so slow that the signal comes before the first step.
    run = make_run("run", steps=100_000, validate_every=100_000)
    command = [sys.executable, "-m", "train", str(run.folder)]
    with subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}) as rank:
        while not catches(rank.pid, signal.SIGTERM):
            assert rank.poll() is None
            time.sleep(0.001)
        assert not (run.folder / "progress.jsonl").exists()
        rank.terminate()
    assert rank.returncode == STOPPED
    assert [saved.name for saved in run.checkpoints.iterdir()] == ["step-00000002"]


def test_a_rank_that_is_through_keeps_its_code_when_srun_ends_the_others(
    make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, kept = make_run("run"), {one: signal.getsignal(one) for one in (15, 2)}
    monkeypatch.setattr(sys, "argv", ["train", str(run.folder)])
    monkeypatch.setattr("train.job.train_run", lambda *_, **__: False)
    try:
        assert main() == STOPPED
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        for one, handler in kept.items():
            signal.signal(one, handler)


def test_an_error_that_nobody_expected_has_a_code_of_its_own(
    make_run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> bool:
        raise ZeroDivisionError("what nobody expected")

    run, kept = make_run("run"), {one: signal.getsignal(one) for one in (15, 2)}
    monkeypatch.setattr(sys, "argv", ["train", str(run.folder)])
    monkeypatch.setattr("train.job.train_run", fail)
    try:
        assert main() == UNEXPECTED == 70
        error = capsys.readouterr().err
        assert error.startswith("Traceback") and "what nobody expected" in error
        monkeypatch.setattr(sys, "argv", ["train", str(run.folder / "nowhere")])
        with pytest.raises(SystemExit, match=r"TrainError: .*no run here"):
            main()
    finally:
        for one, handler in kept.items():
            signal.signal(one, handler)


def test_of_a_checkpoint_that_does_not_match_both_ranks_die_and_one_says_why(
    make_run: Any,
) -> None:
    run = make_run("run")
    assert not train_run(run, ALONE, stop=lambda: True)
    settings = json.loads((run.folder / "run.json").read_text())
    settings["params"]["lr"] = 1.0
    (run.folder / "run.json").write_text(json.dumps(settings))
    with pytest.raises(TrainError, match=r"(?s)rank 0 .* code 1; .*train\.lr: 0\.002 saved, 1\.0"):
        launch_local(run.folder, processes=2, threads=1, on_progress=lambda _: None)
    assert not find_ranks(run)


def end_with(monkeypatch: pytest.MonkeyPatch, *codes: int) -> None:
    """Let each rank say its number, and end with a code of its own."""
    command = "import os, sys; n = int(os.environ['RANK']); print('rank', n); "
    command += f"sys.exit({codes}[n])"

    def start(folder: Path, number: int, environ: dict[str, str]) -> _Rank:
        log = folder / f"rank-{number}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-c", command],
                stdin=subprocess.PIPE,
                stdout=stream,
                env=environ | {"RANK": str(number)},
            )
        process.wait()
        return _Rank(number=number, process=process, log=log)

    monkeypatch.setattr("train.launch._start", start)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ((70,), r"rank 0 .* ended with code 70 \(an error that nobody expected\); .*\nrank 0"),
        # Rank 0 lost rank 1, and rank 1 knows why.
        ((70, 1), r"rank 1 of the training ended with code 1; .*\nrank 1"),
    ],
)
def test_the_rank_that_knows_why_is_the_one_that_is_heard(
    make_run: Any, monkeypatch: pytest.MonkeyPatch, codes: tuple[int, ...], said: str
) -> None:
    end_with(monkeypatch, *codes)
    with pytest.raises(TrainError, match=f"(?s){said}"):
        launch_local(
            make_run("run").folder, processes=len(codes), threads=1, on_progress=lambda _: None
        )


def catches(pid: int, number: signal.Signals) -> bool:
    """Say whether a process has a handler of its own for a signal; see proc_pid_status(5)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.drill
def test_a_rank_that_is_killed_ends_the_others(make_run: Any) -> None:
    run = make_run("run", steps=100_000, validate_every=100_000)

    def kill_one(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            find_ranks(run)[-1].kill()

    with pytest.raises(TrainError, match="of the training ended with code"):
        launch_local(run.folder, processes=2, threads=1, on_progress=kill_one)
    assert not find_ranks(run)


@pytest.mark.drill
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_launcher_that_goes_leaves_a_checkpoint_and_no_process(
    make_run: Any, how: signal.Signals
) -> None:
    run = make_run("run", steps=100_000, validate_every=100_000)
    code = (
        "import sys; from pathlib import Path; from train.launch import launch_local; "
        "launch_local(Path(sys.argv[1][1:]), processes=2, threads=1, on_progress=lambda _: None)"
    )
    # The path is marked, so that the launcher is not taken for a rank.
    launcher = subprocess.Popen([sys.executable, "-c", code, f"={run.folder}"])
    deadline = time.monotonic() + 120
    while '"step"' not in _read(run.folder / "progress.jsonl") and time.monotonic() < deadline:
        time.sleep(0.2)
    os.kill(launcher.pid, how)
    launcher.wait(60)
    while find_ranks(run) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not find_ranks(run)
    last = json.loads(_read(run.folder / "progress.jsonl").splitlines()[-1])
    assert last["event"] == "stopped"
    assert [path.name for path in run.checkpoints.iterdir()] == [f"step-{last['step']:08d}"]


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.drill
@pytest.mark.parametrize("processes", [2, 3])
def test_a_stopped_run_of_several_processes_resumes_to_the_bit(
    make_run: Any, processes: int
) -> None:
    changed = {"steps": 12, "batch": 5, "degrade": 0.2, "validate_every": 4}
    whole, stopped = make_run("whole", **changed), make_run("stopped", **changed)
    launch_local(whole.folder, processes=processes, threads=1, on_progress=lambda _: None)

    def stop_one(event: dict[str, Any]) -> None:
        if event["event"] == "validation" and event["step"] == 4:
            find_ranks(stopped)[0].terminate()

    with pytest.raises(TrainError):
        launch_local(stopped.folder, processes=processes, threads=1, on_progress=stop_one)
    steps: list[int] = []
    launch_local(
        stopped.folder,
        processes=processes,
        threads=1,
        on_progress=lambda event: steps.extend([event["step"]] if "step" in event else []),
    )
    assert 4 <= steps[0] < 12
    for name in ("model.safetensors", "curve.csv"):
        one, two = (run.folder / "result" / name for run in (whole, stopped))
        assert one.read_bytes() == two.read_bytes()
