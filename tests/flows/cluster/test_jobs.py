import json
import shutil
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from flows.cluster.describing import describe_job
from flows.cluster.job import Job
from flows.cluster.jobs import check_alone, train_on_cluster
from flows.cluster.login import Login
from flows.cluster.place import Shared
from flows.cluster.watching import Watcher
from flows.errors import ClusterError, JobLeftError
from tests.flows.cluster.conftest import Programs
from tests.pipeline import ROOT
from tests.train.conftest import SLURM, MakeParams
from train.errors import TrainError
from train.params import TrainParams
from train.run import Inputs

PLACE = Shared(Login(None))
SHOW = "echo JobState=$(cat state) Reason=None ExitCode=$(cat code)"
SBATCH = """\
run=$(dirname "$2"); echo "$run" > run; echo COMPLETED > state; echo 0:0 > code
echo '{"event": "step", "step": 1}' >> "$run/progress.jsonl"
echo out of paper > "$run/job-7.log"
"""


class Told:
    """What a watcher was told."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.cancelled = False
        self.cancel_when: str | None = None
        """A line of which this is the beginning is followed by a Cancel."""

    def watcher(self) -> Watcher:
        return Watcher(self.events.append, self.say, lambda: self.cancelled)

    def say(self, line: str) -> None:
        self.lines.append(line)
        self.cancelled |= self.cancel_when is not None and line.startswith(self.cancel_when)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def params(make_params: MakeParams, tmp_path: Path) -> TrainParams:
    slurm = SLURM | {"scratch": str(tmp_path / "scratch"), "poll_s": 0.05}
    return make_params(runner="slurm", slurm=slurm)


@pytest.fixture
def job(params: TrainParams, inputs: Inputs, tmp_path: Path) -> Job:
    return describe_job(params, inputs=inputs, state=tmp_path / "state")


@pytest.fixture
def slurm(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Programs of a cluster whose jobs are over at once, with a result."""
    monkeypatch.setattr("flows.cluster.watching.SETTLE_S", 0.0)
    programs.write("squeue", "cat queued 2> /dev/null; true")
    programs.write("scontrol", SHOW)
    programs.write("scancel", "echo CANCELLED > state; echo 0:15 > code")
    programs.write("sbatch", f'{SBATCH}mkdir "$run/result"; echo 7')
    return programs


def test_where_it_runs_is_written_down_and_names_no_run(
    job: Job, params: TrainParams, inputs: Inputs, tmp_path: Path
) -> None:
    assert job.run == tmp_path / "scratch" / "runs" / job.key
    assert (job.python, job.code) == (PurePosixPath(sys.executable), None)
    changed = params.slurm.model_copy(update={"scratch": None, "nodes": 9, "venv": "/venv"})
    other = params.model_copy(update={"slurm": changed, "runner": "local"})
    again = describe_job(other, inputs=inputs, state=tmp_path / "state")
    assert (again.key, again.run) == (job.key, tmp_path / "state" / "runs" / job.key)
    # An environment that is not this one need not hold this code.
    assert (again.python, again.code) == (PurePosixPath("/venv/bin/python"), ROOT)
    assert not job.run.exists()


def test_a_folder_that_no_script_can_hold_is_an_error(
    params: TrainParams, inputs: Inputs, tmp_path: Path
) -> None:
    for name in ("scratch", "venv"):
        changed = params.slurm.model_copy(update={name: "/100%"})
        bad = params.model_copy(update={"slurm": changed})
        with pytest.raises(ClusterError, match=rf"set train\.slurm\.{name}"):
            describe_job(bad, inputs=inputs, state=tmp_path)


def test_a_job_is_submitted_watched_and_its_result_awaited(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    assert slurm.asked("sbatch") == [f"sbatch --parsable {job.run}/job.sh"]
    assert told.events == [{"event": "step", "step": 1}]
    assert told.lines == [
        f"submitted job 7 ({job.name}); its output goes to {job.run}/job-7.log",
        "job 7 is COMPLETED",
    ]
    settings = json.loads((job.run / "run.json").read_text())
    assert Path(settings["checkpoints"]).parents[1] == job.run.parents[1]


def test_a_job_that_ended_while_nobody_waited_is_not_submitted_again(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    for _ in range(2):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    assert len(slurm.asked("sbatch")) == 1
    assert told.events == [{"event": "step", "step": 1}] * 2  # whoever watches now hears it all
    shutil.rmtree(job.run / "result")  # collected
    train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    assert len(slurm.asked("sbatch")) == 2


def test_a_job_that_runs_is_found_again(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    (job.run / "result").rename(job.run / "partial")
    (slurm.folder / "queued").write_text(f"7 RUNNING {job.run}\n")
    slurm.write("scontrol", f'mv "$(cat run)/partial" "$(cat run)/result"; {SHOW}')
    train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    assert len(slurm.asked("sbatch")) == 1
    assert any("job 7" in line and "was submitted before" in line for line in told.lines)


def test_a_job_that_is_ending_is_let_end_before_another_is_submitted(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    (slurm.folder / "queued").write_text(f"6 COMPLETING {job.run}\n")
    slurm.write("squeue", "cat queued 2> /dev/null; rm -f queued")
    train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    assert len(slurm.asked("squeue")) == 2
    assert len(slurm.asked("sbatch")) == 1


def test_a_job_that_does_not_end_is_an_error(
    job: Job,
    params: TrainParams,
    inputs: Inputs,
    slurm: Programs,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flows.cluster.jobs.PATIENCE_S", 0.0)
    (slurm.folder / "queued").write_text(f"6 COMPLETING {job.run}\n")
    with pytest.raises(ClusterError, match=r"job 6 .* has been ending"):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    assert slurm.asked("sbatch") == []


def test_a_job_that_fails_is_told_with_its_state_code_and_log(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    slurm.write("sbatch", f"{SBATCH}echo FAILED > state; echo 3:0 > code; echo 7")
    with pytest.raises(ClusterError, match=r"(?s)ended as FAILED, exit code 3.*out of paper"):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())


def test_a_job_that_completes_without_a_result_is_an_error(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    slurm.write("sbatch", f'{SBATCH}rm "$run/job-7.log"; echo 7')
    with pytest.raises(ClusterError, match=r"(?s)ended as COMPLETED, .*it never started"):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())


def test_a_job_that_was_asked_to_stop_goes_on_with_the_next_run(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    slurm.write("sbatch", f"{SBATCH}echo FAILED > state; echo 75:0 > code; echo 7")
    with pytest.raises(TrainError, match="saved its state; run it again"):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())


def test_a_cancel_ends_the_job(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    slurm.write("sbatch", f"{SBATCH}echo RUNNING > state; echo 7")
    told.cancel_when = "submitted"
    with pytest.raises(ClusterError, match="ended as CANCELLED, exit code 143"):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    assert slurm.asked("scancel") == ["scancel 7"]


def test_a_cancel_before_the_job_is_submitted_submits_none(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    told.cancelled = True
    with pytest.raises(ClusterError, match="called off before photochrom-"):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    assert slurm.asked("sbatch") == []


def test_a_cancel_that_slurm_does_not_take_is_asked_for_again(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    slurm.write("sbatch", f"{SBATCH}echo RUNNING > state; echo 7")
    slurm.write("scontrol", f"[ $(grep -c scontrol asked) -lt 20 ] || echo FAILED > state; {SHOW}")
    slurm.write(
        "scancel",
        "[ -e once ] || { touch once; echo away >&2; exit 1; }; "
        "echo CANCELLED > state; echo 0:15 > code",
    )
    told.cancel_when = "submitted"
    with pytest.raises(ClusterError, match="ended as CANCELLED, exit code 143"):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    assert slurm.asked("scancel") == ["scancel 7", "scancel 7"]
    assert any("away" in line and "asking again" in line for line in told.lines)


def test_a_cancel_that_slurm_never_takes_names_the_job_that_is_left(
    job: Job,
    params: TrainParams,
    inputs: Inputs,
    slurm: Programs,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flows.cluster.watching.PATIENCE_S", 0.0)
    slurm.write("sbatch", f"{SBATCH}echo RUNNING > state; echo 7")
    slurm.write("scancel", "echo away >&2; exit 1")
    told.cancel_when = "submitted"
    with pytest.raises(JobLeftError, match=r"job 7 .* may go on.*away.*`scancel 7`"):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())


@pytest.mark.parametrize("said", ["submitted job", "job 7 is RUNNING"])
def test_ctrl_c_ends_the_job_whenever_it_comes(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told, said: str
) -> None:
    slurm.write("sbatch", f'{SBATCH}echo RUNNING > state; echo "7 RUNNING $run" > queued; echo 7')

    def say(line: str) -> None:
        if line.startswith(said):
            raise KeyboardInterrupt

    watcher = Watcher(told.events.append, say, lambda: False)
    with pytest.raises(KeyboardInterrupt):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=watcher)
    assert slurm.asked("scancel") == ["scancel 7"]


def test_ctrl_c_that_slurm_does_not_hear_names_the_job_that_is_left(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    slurm.write("sbatch", f"{SBATCH}echo RUNNING > state; echo 7")
    slurm.write("scancel", "echo away >&2; exit 1")

    def say(line: str) -> None:
        if line == "job 7 is RUNNING":
            raise KeyboardInterrupt

    with pytest.raises(JobLeftError, match=r"job 7 .* may go on"):
        train_on_cluster(
            job,
            params,
            inputs=inputs,
            place=PLACE,
            watcher=Watcher(told.events.append, say, lambda: False),
        )


def test_a_cancel_ends_a_job_that_may_be_on_its_way_into_the_queue_again(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    line = f"6 COMPLETING {job.run}"
    slurm.write("squeue", f"[ $(grep -c squeue asked) -gt 20 ] || echo '{line}'")
    slurm.write("scancel", "echo 'Job/step already completing or completed' >&2; exit 1")
    told.cancelled = True
    with pytest.raises(ClusterError, match=r"called off while job 6 "):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    assert slurm.asked("sbatch") == []
    assert slurm.asked("scancel") == ["scancel 6"]


def test_a_controller_that_is_away_for_a_while_is_asked_again(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    slurm.write("scontrol", f"[ -e once ] || {{ touch once; echo away >&2; exit 1; }}; {SHOW}")
    train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    assert any("away" in line and "asking again" in line for line in told.lines)


def test_a_controller_that_stays_away_ends_the_wait(
    job: Job,
    params: TrainParams,
    inputs: Inputs,
    slurm: Programs,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("flows.cluster.watching.PATIENCE_S", 0.0)
    slurm.write("scontrol", "echo away >&2; exit 1")
    with pytest.raises(JobLeftError, match=r"job 7 .* may go on.*away"):
        train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())


def test_a_run_goes_on_here_only_when_no_job_writes_its_checkpoints(
    job: Job, params: TrainParams, inputs: Inputs, slurm: Programs, told: Told
) -> None:
    check_alone(job.run)  # none was submitted
    train_on_cluster(job, params, inputs=inputs, place=PLACE, watcher=told.watcher())
    check_alone(job.run)  # it has ended
    (slurm.folder / "state").write_text("RUNNING")
    with pytest.raises(ClusterError, match=r"job 7 .* is RUNNING .*`scancel 7`"):
        check_alone(job.run)
    slurm.write("scontrol", "echo away >&2; exit 1")
    with pytest.raises(ClusterError, match=r"job 7 was submitted for this same run.*away"):
        check_alone(job.run)
