from pathlib import Path

import pytest

from flows.cluster.client import JobState, Slurm
from flows.cluster.login import Login
from flows.errors import ClusterError
from tests.flows.cluster.conftest import Programs

HERE = Slurm(Login(None))
SHOWN = (
    "JobId=7 JobName=photochrom-0 UserId=a(1) JobState={state} Reason={reason} Restarts=0 "
    "ExitCode={code} WorkDir=/JobState=RUNNING"
)


@pytest.mark.parametrize("said", ["7", "7;cluster"])
def test_sbatch_gives_the_number_of_the_job(programs: Programs, said: str) -> None:
    programs.write("sbatch", f"echo '{said}'")
    assert HERE.submit(Path("/run/job.sh")) == "7"
    assert programs.asked("sbatch") == ["sbatch --parsable /run/job.sh"]


def test_without_slurm_the_message_says_where_to_go(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(programs.folder))
    with pytest.raises(ClusterError, match=r"SLURM's sbatch .* login node .* train.runner: local"):
        HERE.submit(Path("job.sh"))


def test_a_refusal_is_told_in_slurms_words(programs: Programs) -> None:
    programs.write("sbatch", "echo 'sbatch: error: invalid account' >&2; exit 1")
    with pytest.raises(ClusterError, match=r"invalid account\n.*--dry-run"):
        HERE.submit(Path("job.sh"))


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
    HERE.submit(Path("job.sh"), options)
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
    HERE.find("photochrom-0", Path("/run"))
    assert "theirs" not in (programs.folder / "seen").read_text()


def test_an_answer_that_is_no_number_is_an_error(programs: Programs) -> None:
    programs.write("sbatch", "echo 'Submitted'")
    with pytest.raises(ClusterError, match="expected the number of a job, got 'Submitted'"):
        HERE.submit(Path("job.sh"))


def test_a_controller_that_hangs_is_not_waited_for(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.cluster.login.LIMIT_S", 0.2)
    programs.write("sbatch", "exec sleep 60")
    with pytest.raises(ClusterError, match="no answer"):
        HERE.submit(Path("job.sh"))


def test_a_program_that_does_not_run_is_an_error(programs: Programs) -> None:
    path = programs.folder / "sbatch"
    path.write_bytes(b"\x7fELF no")
    path.chmod(0o755)
    with pytest.raises(ClusterError, match="expected a program that runs here"):
        HERE.submit(Path("job.sh"))


def test_only_a_job_of_the_same_folder_is_found(programs: Programs) -> None:
    programs.write("squeue", "echo '6 PENDING /other/runs/0'; echo '7 RUNNING /a project/runs/0'")
    assert HERE.find("photochrom-0", Path("/a project/runs/0")) == ("7", "RUNNING")
    assert HERE.find("photochrom-0", Path("/a project/runs/1")) is None
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
    assert HERE.read_state("7") == known


def test_what_a_person_wants_to_know_of_a_job_is_read(programs: Programs) -> None:
    line = (
        "JobId=7 JobState=RUNNING Reason=None Restarts=2 ExitCode=0:0 "
        "StartTime=2026-12-01T17:33:02 EndTime=2026-12-01T17:43:02 Deadline=N/A "
        "ReqNodeList=x ExcNodeList=(null) NodeList=n[1-2] BatchHost=n1"
    )
    programs.write("scontrol", f"echo '{line}'")
    found = HERE.read_state("7")
    assert (found.nodes, found.restarts, found.reason) == ("n[1-2]", 2, "")
    assert (found.start, found.end) == ("2026-12-01T17:33:02", "2026-12-01T17:43:02")


FORGOTTEN = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"


@pytest.mark.parametrize("sacct", [None, "echo 'accounting storage is disabled' >&2; exit 1", ":"])
def test_a_job_that_slurm_has_forgotten_has_ended(programs: Programs, sacct: str | None) -> None:
    programs.write("scontrol", FORGOTTEN)
    if sacct is not None:
        programs.write("sacct", sacct)
    found = HERE.read_state("7")
    assert found.ended
    assert found.state == "UNKNOWN"


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("COMPLETED|0:0|n[1-2]", JobState("COMPLETED", "", 0, nodes="n[1-2]")),
        ("CANCELLED by 1000|0:15|n1", JobState("CANCELLED", "", 143, nodes="n1")),
    ],
)
def test_the_accounting_is_asked_where_there_is_one(
    programs: Programs, said: str, known: JobState
) -> None:
    programs.write("scontrol", FORGOTTEN)
    programs.write("sacct", f"echo '{said}'")
    assert HERE.read_state("7_2") == known
    assert "--jobs=7_2" in programs.asked("sacct")[0]


def test_a_controller_that_is_down_is_an_error(programs: Programs) -> None:
    programs.write("scontrol", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(ClusterError, match=r"Unable to contact .*\n.*sinfo"):
        HERE.read_state("7")


def test_the_job_does_not_get_what_is_not_its_own(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_KEY", "hidden")
    monkeypatch.setenv("PHOTOCHROM_RUN", "hidden")
    monkeypatch.setenv("SLURM_JOB_ID", "6")
    monkeypatch.setenv("SLURM_CONF", "/slurm.conf")
    seen = '"$PREFECT_API_KEY$PHOTOCHROM_RUN,$SLURM_JOB_ID,$SLURM_CONF"'
    programs.write("scancel", f"echo {seen} > seen")
    HERE.cancel("7")
    assert (programs.folder / "seen").read_text() == ",,/slurm.conf\n"


def test_over_ssh_the_words_arrive_as_they_are(programs: Programs) -> None:
    # As sshd does: the words are joined by spaces, and a shell reads them.
    programs.write("ssh", 'shift 4; shift; exec /bin/bash -c "$*"')
    programs.write("sbatch", """printf '%s\\n' "$@" > seen; echo 9""")
    afar = Slurm(Login("me@login.of-it"))
    assert afar.submit(Path("/a 'b' $(id)/job.sh"), ["--qos=high"]) == "9"
    seen = (programs.folder / "seen").read_text().splitlines()
    assert seen == ["--parsable", "/a 'b' $(id)/job.sh"]
    asked = programs.asked("ssh")[0]
    assert asked.startswith(
        "ssh -o BatchMode=yes -o ConnectTimeout=20 me@login.of-it env -u SBATCH"
    )


def test_no_connection_is_told_apart_from_a_refusal(programs: Programs) -> None:
    programs.write("ssh", "echo 'Permission denied (publickey)' >&2; exit 255")
    with pytest.raises(ClusterError, match=r"no connection by ssh: Permission .* `ssh login`"):
        Slurm(Login("login")).find("photochrom-0", Path("/run"))
