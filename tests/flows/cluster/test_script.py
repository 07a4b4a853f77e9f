import os
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from pydantic import ValidationError

from flows.cluster.job import Job
from flows.cluster.script import STALLED, render_script
from tests.flows.cluster.conftest import Programs
from tests.train.conftest import SLURM
from train.params import SlurmParams

STORED = Path(__file__).parent
JOB = Job(
    key="0123456789abcdef",
    home=Path("/work/a project/.photochrom"),
    python=PurePosixPath("/work/a project/.venv/bin/python"),
)
ARRAY = Job(
    key="0123456789abcdef",
    home=Path("/scratch/prints"),
    python=PurePosixPath("python"),
    code=Path("/work/photochrom"),
    mounts=(Path("/scratch/prints"), Path("/work/photochrom")),
    runs=("a" * 16, "b" * 16, "c" * 16),
)
FULL: dict[str, object] = {
    "partition": "gpu,long",
    "account": "prints",
    "qos": "normal",
    "constraint": "a100&nvlink",
    "nodes": 2,
    "gpus_per_node": 4,
    "gpu_type": "h200",
    "cpus_per_gpu": 8,
    "memory_per_gpu": "48G",
    "time_limit_min": 720,
    "signal_lead_s": 120,
    "modules": ["gcc/13.2", "cuda/12.8"],
    "environment": {"NCCL_SOCKET_IFNAME": "^lo,docker"},
    "extra": ["--exclusive"],
}
BOXED: dict[str, object] = {
    "gpus_per_node": 2,
    "container": "/images/torch.sif",
    "container_mounts": ["/datasets"],
    "requeue_limit": 0,
}


def make(**changed: Any) -> SlurmParams:
    return SlurmParams.model_validate(SLURM | changed)


@pytest.mark.parametrize(
    ("name", "job", "params"),
    [
        ("gpus.sh", JOB, make(**FULL)),
        ("no_gpus.sh", JOB, make(cpus_per_gpu=None, time_limit_min=None)),
        ("array_in_apptainer.sh", ARRAY, make(**BOXED)),
        ("array_in_pyxis.sh", ARRAY, make(**BOXED, container_runtime="pyxis")),
    ],
)
def test_the_script_is_the_stored_one(name: str, job: Job, params: SlurmParams) -> None:
    script = render_script(job, params)
    if os.environ.get("PHOTOCHROM_STORE"):
        (STORED / name).write_text(script)
    assert script == (STORED / name).read_text()
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert checked.stderr == ""


@pytest.mark.parametrize(
    "bad",
    [
        {"partition": "gpu\n#SBATCH --uid=0"},
        {"partition": "gpu\n"},
        {"account": "a b"},
        {"qos": "$(id)"},
        {"gpu_type": "h200;id"},
        {"memory_per_gpu": "32"},
        {"memory_per_gpu": f"{'9' * 5000}G"},
        {"time_limit_min": 525_601},
        {"modules": ["cuda && id"]},
        {"venv": "relative/venv"},
        {"venv": "/a\nb"},
        {"scratch": "~/scratch"},
        {"extra": ["constraint=a100"]},
        {"extra": ["--constraint=a b"]},
        {"extra": ["--comment=x\nrm -rf ."]},
        {"extra": ["--output=elsewhere"]},
        {"extra": ["--array=1-9"]},
        {"extra": ["--job-nam=x"]},
        {"extra": ["--node=3"]},
        {"extra": ["--out=elsewhere"]},
        {"extra": ["-C"]},
        {"extra": ["--no-requeue"]},
        {"constraint": "a b"},
        {"constraint": "a\n#SBATCH --uid=0"},
        {"container": "--nv"},
        {"container": "image.sif; id"},
        {"container_runtime": "docker"},
        {"container_mounts": ["relative"]},
        {"environment": {"A B": "c"}},
        {"environment": {"SLURM_RESTART_COUNT": "0"}},
        {"environment": {"UID": "0"}},
        {"environment": {"A": "b\nid"}},
        {"ssh": "-oProxyCommand=id"},
        {"ssh": "host; id"},
        {"requeue_limit": -1},
        {"nodes": 0},
        {"gpus": 1},
    ],
)
def test_what_could_slip_into_the_script_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make(**bad)


@pytest.mark.parametrize(
    "option", ["--nodelist=a", "--export-file=x", "--exclusive", "--wait-all-nodes=1", "--mem=1G"]
)
def test_a_site_may_ask_for_what_the_runner_leaves_alone(option: str) -> None:
    assert make(extra=[option]).extra == (option,)


@pytest.mark.parametrize("bad", ["relative", "/a\nb", "/a%jb", "/a\\b"])
def test_a_path_that_no_script_can_hold_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"expected an? (absolute )?path"):
        Job(key="0", home=Path(bad), python=PurePosixPath("/python"))
    if bad != "relative":
        with pytest.raises(ValueError, match="expected a path that prints"):
            Job(key="0", home=Path("/home"), python=PurePosixPath(bad))


@pytest.mark.parametrize("bad", ["/a,b", "/a:b", "/a\nb"])
def test_a_folder_that_cannot_be_mounted_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="expected a folder to mount"):
        Job(key="0", home=Path("/run"), python=PurePosixPath("python"), mounts=(Path(bad),))


ODD = """/a "b" 'c' $(id) `id` d"""


def test_a_path_with_quotes_is_one_word_for_the_shell(tmp_path: Path) -> None:
    job = Job(key="0", home=Path(ODD), python=PurePosixPath("/python"))
    script = render_script(job, make(environment={"ODD": ODD}))
    wanted = [line for line in script.splitlines() if line.startswith(("run=", "export ODD="))]
    said = subprocess.run(
        ["bash", "-c", "\n".join([*wanted, 'printf "%s\n" "$run" "$ODD"'])],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines() == [f"{ODD}/runs/0", ODD]


class Node:
    """The script, run here, among programs that say what they are told to."""

    def __init__(self, programs: Programs, home: Path) -> None:
        self.programs = programs
        self.job = Job(key="0", home=home, python=PurePosixPath("python"))
        self.job.run.mkdir(parents=True)
        programs.write("scontrol", "[ $2 != hostnames ] || echo n1")
        # SLURM ends the script of a job that is requeued.
        programs.write("sleep", "[ $1 != 600 ] || kill $PPID")

    def run(
        self, code: int, *, limit: int = 2, also: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        self.programs.write("srun", f"{also}\nexit {code}")
        script = render_script(self.job, make(requeue_limit=limit))
        environ = {
            "PATH": os.environ["PATH"],
            "SLURM_JOB_ID": "7",
            "SLURM_JOB_NODELIST": "n1",
        }
        return subprocess.run(
            ["bash"], input=script, env=environ, capture_output=True, text=True, check=False
        )

    def requeued(self) -> int:
        return sum("requeue 7" in line for line in self.programs.asked("scontrol"))

    def save(self, step: int) -> None:
        (self.job.checkpoints / "0" / f"step-{step:08d}").mkdir(parents=True)


@pytest.fixture
def node(programs: Programs, tmp_path: Path) -> Node:
    return Node(programs, tmp_path / "a project")


@pytest.mark.parametrize("code", [75, 70, 137, 143, 1])
def test_a_stop_or_a_fault_that_may_pass_queues_the_job_again(node: Node, code: int) -> None:
    said = node.run(code)
    assert node.requeued() == 1
    assert f"exit code {code}; queued again, time 1 of at most 2" in said.stdout


@pytest.mark.parametrize("code", [0, 126, 127])
def test_a_run_that_is_through_or_cannot_start_is_not_queued_again(node: Node, code: int) -> None:
    assert node.run(code).returncode == code
    assert node.requeued() == 0


@pytest.mark.parametrize("code", [1, 137])
def test_a_run_that_would_fail_again_is_not_queued_again(node: Node, code: int) -> None:
    failed = node.job.run / "failed"
    failed.touch()  # an earlier start has left it
    node.run(137)
    assert node.requeued() == 1
    assert node.run(code, also=f"touch '{failed}'").returncode == code
    assert node.requeued() == 1


@pytest.mark.parametrize(("code", "ends"), [(75, 76), (137, 137)])
@pytest.mark.parametrize("limit", [2, 0])
def test_the_limit_is_kept_and_no_site_takes_the_code_for_a_wish(
    node: Node, code: int, ends: int, limit: int
) -> None:
    for step in range(limit):
        node.run(code, limit=limit)
        node.save(step)
    said = node.run(code, limit=limit)
    assert said.returncode == ends
    assert node.requeued() == limit
    assert f"not queued again (train.slurm.requeue_limit: {limit})" in said.stdout


def test_a_site_that_forbids_it_gets_the_code_of_a_job_that_is_left(node: Node) -> None:
    node.programs.write("scontrol", "[ $2 != hostnames ] || echo n1; [ $1 != requeue ]")
    said = node.run(75)
    assert said.returncode == 76
    assert node.requeued() == 6  # a controller that is away may come back
    assert "SLURM did not queue it again" in said.stdout


def test_a_controller_that_is_away_at_the_start_is_no_reason_not_to_start(node: Node) -> None:
    node.programs.write("scontrol", "[ $2 != hostnames ] || echo n1; [ $2 != node ]")
    assert node.run(0, also='echo "$MASTER_ADDR" > met').returncode == 0
    assert (node.programs.folder / "met").read_text() == "n1\n"


def test_starts_that_save_nothing_are_a_crash_loop(node: Node) -> None:
    for _ in range(STALLED):
        node.run(137, limit=9)
    said = node.run(0, limit=9)
    assert (said.returncode, node.requeued()) == (1, STALLED)
    assert f"crash loop: {STALLED} starts in a row have saved nothing" in said.stderr
    assert len(node.programs.asked("srun")) == STALLED


def test_starts_that_get_on_are_no_crash_loop(node: Node) -> None:
    for step in range(10):
        node.run(75, limit=99)
        if step % STALLED:
            node.save(step)
    assert node.run(0, limit=99).returncode == 0
