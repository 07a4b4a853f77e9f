from pathlib import Path

import pytest

from flows.cluster.client import JobState, cancel, find_job, read_state, submit
from flows.errors import ClusterError
from tests.flows.cluster.conftest import Programs

SHOWN = (
    "JobId=7 JobName=photochrom-0 UserId=a(1) JobState={state} Reason={reason} Restarts=0 "
    "ExitCode={code} WorkDir=/JobState=RUNNING"
)


@pytest.mark.parametrize("said", ["7", "7;cluster"])
def test_sbatch_gives_the_number_of_the_job(programs: Programs, said: str) -> None:
    programs.write("sbatch", f"echo '{said}'")
    assert submit(Path("/run/job.sh")) == 7
    assert programs.asked("sbatch") == ["sbatch --parsable /run/job.sh"]


def test_without_slurm_the_message_says_where_to_go(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(programs.folder))
    with pytest.raises(ClusterError, match=r"SLURM's sbatch .* login node .* train.runner: local"):
        submit(Path("job.sh"))


def test_a_refusal_is_told_in_slurms_words(programs: Programs) -> None:
    programs.write("sbatch", "echo 'sbatch: error: invalid account' >&2; exit 1")
    with pytest.raises(ClusterError, match=r"invalid account\n.*--dry-run"):
        submit(Path("job.sh"))


def test_the_users_variables_hold_where_the_script_is_silent(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"SBATCH_ACCOUNT": "prints", "SBATCH_EXCLUSIVE": "user", "SBATCH_RESERVATION": "r"}
    withheld = ("SBATCH_JOB_NAME", "SBATCH_QOS", "SBATCH_TIMELIMIT", "SBATCH_MEM_PER_CPU")
    for name in (*withheld, "SBATCH_WAIT", "SBATCH_ARRAY_INX", "SBATCH_OUTPUT"):
        monkeypatch.setenv(name, "theirs")
    for name, value in held.items():
        monkeypatch.setenv(name, value)
    programs.write("sbatch", "env > seen; echo 7")
    options = ["--job-name=photochrom-0", "--output=log", "--qos=high", "--time=9", "--mem=4G"]
    submit(Path("job.sh"), options)
    seen = (programs.folder / "seen").read_text().splitlines()
    assert {line for line in seen if line.startswith("SBATCH_")} == {
        f"{name}={value}" for name, value in held.items()
    }


def test_the_users_variables_hide_no_job(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SQUEUE_STATES", "SQUEUE_PARTITION", "SCONTROL_CLUSTERS", "SCANCEL_STATE"):
        monkeypatch.setenv(name, "theirs")
    programs.write("squeue", "env > seen")
    find_job("photochrom-0", Path("/run"))
    assert "theirs" not in (programs.folder / "seen").read_text()


def test_an_answer_that_is_no_number_is_an_error(programs: Programs) -> None:
    programs.write("sbatch", "echo 'Submitted'")
    with pytest.raises(ClusterError, match="expected the number of a job, got 'Submitted'"):
        submit(Path("job.sh"))


def test_a_controller_that_hangs_is_not_waited_for(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.cluster.client.LIMIT_S", 0.2)
    programs.write("sbatch", "exec sleep 60")
    with pytest.raises(ClusterError, match="no answer"):
        submit(Path("job.sh"))


def test_a_program_that_does_not_run_is_an_error(programs: Programs) -> None:
    path = programs.folder / "sbatch"
    path.write_bytes(b"\x7fELF no")
    path.chmod(0o755)
    with pytest.raises(ClusterError, match="expected a program that runs here"):
        submit(Path("job.sh"))


def test_only_a_job_of_the_same_folder_is_found(programs: Programs) -> None:
    programs.write("squeue", "echo '6 PENDING /other/runs/0'; echo '7 RUNNING /a project/runs/0'")
    assert find_job("photochrom-0", Path("/a project/runs/0")) == (7, "RUNNING")
    assert find_job("photochrom-0", Path("/a project/runs/1")) is None
    assert "--name=photochrom-0" in programs.asked("squeue")[0]


@pytest.mark.parametrize(
    ("state", "code", "known"),
    [
        ("PENDING", "0:0", JobState("PENDING", "Resources")),
        ("RUNNING", "0:0", JobState("RUNNING", "Resources")),
        ("COMPLETED", "0:0", JobState("COMPLETED", "Resources", 0)),
        ("FAILED", "75:0", JobState("FAILED", "Resources", 75)),
        ("CANCELLED", "0:15", JobState("CANCELLED", "Resources", 143)),
    ],
)
def test_a_state_is_read(programs: Programs, state: str, code: str, known: JobState) -> None:
    line = SHOWN.format(state=state, reason="Resources", code=code)
    programs.write("scontrol", f"echo '{line}'")
    assert read_state(7) == known


def test_a_job_that_slurm_has_forgotten_has_ended(programs: Programs) -> None:
    programs.write("scontrol", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert read_state(7).ended


def test_a_controller_that_is_down_is_an_error(programs: Programs) -> None:
    programs.write("scontrol", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(ClusterError, match=r"Unable to contact .*\n.*sinfo"):
        read_state(7)


def test_the_job_does_not_get_what_is_not_its_own(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_KEY", "hidden")
    monkeypatch.setenv("SLURM_JOB_ID", "6")
    monkeypatch.setenv("SLURM_CONF", "/slurm.conf")
    programs.write("scancel", 'echo "$PREFECT_API_KEY,$SLURM_JOB_ID,$SLURM_CONF" > seen')
    cancel(7)
    assert (programs.folder / "seen").read_text() == ",,/slurm.conf\n"
