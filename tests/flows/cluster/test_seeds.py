import shutil
from pathlib import Path

import pytest

from flows.cluster.describing import describe_job
from flows.cluster.listing import read_rows, say_spread, to_table
from flows.cluster.login import Login
from flows.cluster.note import Note, read_note, write_note
from flows.cluster.place import Shared
from flows.cluster.seeds import read_seeds, submit_seeds
from flows.errors import ClusterError
from tests.flows.cluster.conftest import Programs
from tests.train.conftest import MakeParams
from train.params import TrainParams
from train.run import Inputs, read_run

PLACE = Shared(Login(None))


@pytest.fixture
def slurm(programs: Programs) -> Programs:
    programs.write("sbatch", "echo 40")
    programs.write("squeue", "cat queued 2> /dev/null; true")
    programs.write("scontrol", "echo JobState=$(cat state) Reason=Resources NodeList=n[1-2]")
    (programs.folder / "state").write_text("RUNNING")
    return programs


def submit(
    params: TrainParams, seeds: list[int], inputs: Inputs, tmp_path: Path
) -> tuple[list[str], list[Path]]:
    """Submit seeds; return what was said, and the run folders in order of their job."""
    said: list[str] = []
    job = submit_seeds(params, seeds, inputs=inputs, place=PLACE, state=tmp_path, say=said.append)
    return said, [] if job is None else [job.home / "runs" / key for key in job.runs]


@pytest.mark.parametrize(
    ("said", "seeds"), [("3", [3]), ("0-4", [0, 1, 2, 3, 4]), ("7, 1-2", [7, 1, 2])]
)
def test_seeds_are_read(said: str, seeds: list[int]) -> None:
    assert read_seeds(said) == seeds


@pytest.mark.parametrize(
    "said", ["", "x", "1-", "-1", "1,1", "0-1000", "5-2", "1,5-3", "4294967296", "1.5"]
)
def test_what_are_no_seeds_is_an_error(said: str) -> None:
    with pytest.raises(ClusterError, match="seeds"):
        read_seeds(said)


def test_each_seed_is_a_run_of_its_own_in_one_array(
    make_params: MakeParams, inputs: Inputs, slurm: Programs, tmp_path: Path
) -> None:
    said, runs = submit(make_params(), [4, 9], inputs, tmp_path)
    assert [read_run(run).params.seed for run in runs] == [4, 9]
    notes = [read_note(run) for run in runs]
    assert [note.job for note in notes if note] == ["40_0", "40_1"]
    (asked,) = slurm.asked("sbatch")
    array = Path(asked.split()[-1]).parent
    assert (array / "runs").read_text().split() == [str(run) for run in runs]
    assert "#SBATCH --array=0-1\n" in (array / "job.sh").read_text()
    assert said == [
        f"seed {seed}: submitted as job 40_{at}; its output goes to {array}/job-40_{at}.log"
        for at, seed in enumerate([4, 9])
    ]


def test_a_seed_that_is_through_or_goes_on_is_not_submitted_again(
    make_params: MakeParams, inputs: Inputs, slurm: Programs, tmp_path: Path
) -> None:
    _, (first, second) = submit(make_params(), [0, 1], inputs, tmp_path)
    assert submit(make_params(), [0, 1], inputs, tmp_path) == (
        ["seed 0: job 40_0 is RUNNING", "seed 1: job 40_1 is RUNNING"],
        [],
    )
    (slurm.folder / "state").write_text("FAILED")
    (first / "result").mkdir()
    said, runs = submit(make_params(), [0, 1, 2], inputs, tmp_path)
    assert said[0] == "seed 0: is complete already"
    assert runs[0] == second
    assert len(slurm.asked("sbatch")) == 2


def test_an_array_whose_number_was_lost_is_found_by_its_name(
    make_params: MakeParams, inputs: Inputs, slurm: Programs, tmp_path: Path
) -> None:
    slurm.write("sbatch", "echo 'no answer' >&2; exit 1")
    with pytest.raises(ClusterError, match="no answer"):
        submit(make_params(), [0, 1], inputs, tmp_path)
    (array,) = (tmp_path / "seeds").iterdir()
    progress = next((tmp_path / "runs").glob("*/run.json")).with_name("progress.jsonl")
    progress.touch()
    line = f"40 PENDING {array}"
    slurm.write("squeue", f'[[ "$*" != *seeds* ]] || echo "{line}"')
    said, _ = submit(make_params(), [0, 1], inputs, tmp_path)
    assert "seed 1: submitted as job 40_1" in said[1]
    assert len(slurm.asked("sbatch")) == 1
    assert progress.exists()


def test_a_run_that_has_a_job_of_its_own_is_left_to_it(
    make_params: MakeParams, inputs: Inputs, slurm: Programs, tmp_path: Path
) -> None:
    own = describe_job(make_params(seed=1), inputs=inputs, state=tmp_path)
    slurm.write("squeue", f'[[ "$*" != *{own.key}* ]] || echo "6 RUNNING {own.run}"')
    said, runs = submit(make_params(), [0, 1], inputs, tmp_path)
    assert said[0] == "seed 1: job 6 is RUNNING"
    assert len(runs) == 1


def test_a_note_that_a_kill_tore_is_none(tmp_path: Path) -> None:
    assert read_note(tmp_path) is None
    write_note(tmp_path, Note("7", "photochrom-0", "/log", "family"))
    path = tmp_path / "submitted.json"
    path.write_bytes(path.read_bytes()[:9])
    assert read_note(tmp_path) is None


def test_jobs_are_listed_with_how_far_they_are_and_how_far_seeds_lie_apart(
    make_params: MakeParams, inputs: Inputs, slurm: Programs, tmp_path: Path
) -> None:
    _, runs = submit(make_params(), [0, 1, 2], inputs, tmp_path)
    for at, (run, found) in enumerate(zip(runs, (5.0, 6.0), strict=False)):
        lines = [
            f'{{"event": "validation", "step": 2, "val_dE00": {found}}}',
            f'{{"event": "validation", "step": 4, "val_dE00": {found + 1}}}',
            '{"event": "done", "step": 6}' if at < 2 else "",
        ]
        (run / "progress.jsonl").write_text("\n".join(lines) + "\n")
    for name, note in (("other", '{"job": "--help"}'), ("older", "")):
        (tmp_path / "runs" / name).mkdir()
        (tmp_path / "runs" / name / "submitted.json").write_text(note)
    shutil.copy(runs[0] / "run.json", tmp_path / "runs" / "other")
    told: list[str] = []
    rows = read_rows(PLACE, tmp_path, tell=told.append)
    assert len(told) == 2
    assert any("other/submitted.json: expected the note of a job" in line for line in told)
    assert {(row.note.job, row.step, row.best, row.done) for row in rows} == {
        ("40_0", 6, 5.0, True),
        ("40_1", 6, 6.0, True),
        ("40_2", 0, None, False),
    }
    table = to_table(rows)
    cells = [list(column.cells) for column in table.columns]
    assert sorted(map(str, cells[4])) == ["0/6", "6/6", "6/6"]
    assert set(cells[6]) == {"n[1-2]"}
    (line,) = say_spread(rows)
    assert line == (
        "2 seeds of one setting: validation dE00 5.50, standard deviation 0.71; lowest 5.00, seed 0"
    )
