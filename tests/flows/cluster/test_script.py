import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flows.cluster.script import Job, render_script
from tests.train.conftest import SLURM
from train.params import SlurmParams

STORED = Path(__file__).parent
JOB = Job(
    key="0123456789abcdef",
    run=Path("/work/a project/.photochrom/runs/0123456789abcdef"),
    python=Path("/work/a project/.venv/bin/python"),
)
FULL: dict[str, object] = {
    "partition": "gpu,long",
    "account": "prints",
    "qos": "normal",
    "nodes": 2,
    "gpus_per_node": 4,
    "gpu_type": "h200",
    "cpus_per_gpu": 8,
    "memory_per_gpu": "48G",
    "time_limit_min": 720,
    "signal_lead_s": 120,
    "modules": ["gcc/13.2", "cuda/12.8"],
    "extra": ["--constraint=ib", "--exclusive"],
}


def make(**changed: Any) -> SlurmParams:
    return SlurmParams.model_validate(SLURM | changed)


@pytest.mark.parametrize(
    ("name", "params"),
    [("gpus.sh", make(**FULL)), ("no_gpus.sh", make(cpus_per_gpu=None, time_limit_min=None))],
)
def test_the_script_is_the_stored_one(name: str, params: SlurmParams) -> None:
    script = render_script(JOB, params)
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


@pytest.mark.parametrize("bad", ["relative", "/a\nb", "/a%jb"])
def test_a_path_that_no_script_can_hold_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="expected an absolute path"):
        Job(key="0", run=Path(bad), python=Path("/python"))
    with pytest.raises(ValueError, match="expected an absolute path"):
        Job(key="0", run=Path("/run"), python=Path(bad))


def test_a_path_with_quotes_is_one_word_for_the_shell() -> None:
    odd = Path("""/a "b" 'c' $(id) `id` \\ d""")
    script = render_script(Job(key="0", run=odd, python=Path("/python")), make())
    command = script.splitlines()[-1].partition(" -m train ")[2]
    said = subprocess.run(
        ["bash", "-c", f"printf %s {command}"], capture_output=True, text=True, check=True
    )
    assert said.stdout == str(odd)
