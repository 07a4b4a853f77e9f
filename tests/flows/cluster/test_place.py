"""What goes to a cluster by ssh, with programs that stand for ssh: rsync itself is the real one."""

import shutil
from pathlib import Path

import pytest

from flows.cluster.describing import describe_job
from flows.cluster.job import Job
from flows.cluster.place import Afar, find_place
from flows.errors import ClusterError
from tests.cluster.needs import skip_or_fail
from tests.flows.cluster.conftest import Programs
from tests.train.conftest import REMOTE, SIZE, SLURM, MakeParams
from train.params import TrainParams
from train.run import Inputs, prepare_run, read_run

SSH = 'while [ "${1:0:1}" = - ]; do shift 2; done; shift; exec /bin/bash -c "$*"'
"""Takes the words as sshd does: after options and host, joined by spaces, for a shell."""


@pytest.fixture
def params(make_params: MakeParams, tmp_path: Path) -> TrainParams:
    slurm = {"ssh": "login", "scratch": str(tmp_path / "there"), "venv": str(tmp_path / "venv")}
    return make_params(slurm=SLURM | slurm)


@pytest.fixture
def afar(programs: Programs, params: TrainParams, tmp_path: Path) -> Afar:
    rsync = shutil.which("rsync", path="/usr/bin:/usr/local/bin")
    if rsync is None:
        skip_or_fail(["missing: rsync; on Debian: apt-get install rsync"])
    assert rsync is not None
    programs.write("ssh", SSH)
    (programs.folder / "rsync").symlink_to(rsync)
    place = find_place(params.slurm, state=tmp_path / "state")
    assert isinstance(place, Afar)
    return place


@pytest.fixture
def job(params: TrainParams, inputs: Inputs, tmp_path: Path) -> Job:
    return describe_job(params, inputs=inputs, state=tmp_path / "state")


def send(afar: Afar, job: Job, params: TrainParams, inputs: Inputs) -> None:
    folder = afar.here(job.run)
    prepare_run(folder, params, inputs=inputs, checkpoints_root=job.checkpoints)
    afar.send(job.run, inputs=inputs)
    afar.supply(job, params, inputs=inputs)


def test_the_nodes_get_all_that_a_run_reads_under_the_paths_that_it_names(
    afar: Afar, job: Job, params: TrainParams, inputs: Inputs
) -> None:
    send(afar, job, params, inputs)
    run = read_run(job.run)
    assert run.inputs.shards.is_relative_to(afar.home)
    for path in inputs.shards.iterdir():
        assert (run.inputs.shards / path.name).read_bytes() == path.read_bytes()
    assert run.checkpoints == job.checkpoints / job.key
    assert job.code is not None
    assert (job.code / "train" / "__main__.py").is_file()
    assert not list(job.code.rglob("__pycache__"))


def test_with_shards_in_a_store_the_nodes_get_the_index_alone(
    afar: Afar, job: Job, params: TrainParams, inputs: Inputs
) -> None:
    remote = params.remote.model_validate(REMOTE | {"url": "s3://prints/64"})
    send(afar, job, params.model_copy(update={"remote": remote}), inputs)
    found = sorted(path.name for path in read_run(job.run).inputs.shards.iterdir())
    assert found == ["index.json", "index.npy"]


def test_what_the_job_writes_is_brought_here_and_its_result_whole(
    afar: Afar, job: Job, params: TrainParams, inputs: Inputs
) -> None:
    send(afar, job, params, inputs)
    here, progress = afar.here(job.run), job.run / "progress.jsonl"
    (here / "progress.jsonl").touch()
    with (here / "progress.jsonl").open() as stream:
        for text in ("one\n", "one\ntwo\n"):
            progress.write_text(text)
            afar.fetch(job.run)
        assert stream.read() == "one\ntwo\n"  # it is the same file still
    assert not (here / "code").exists()
    (job.run / "result").mkdir()
    (job.run / "result" / "model.json").write_text("{}")
    (here / "result.partial").mkdir()  # a cut connection left it
    afar.fetch(job.run)
    assert (here / "result" / "model.json").read_text() == "{}"
    assert not (here / "result.partial").exists()


def test_what_a_run_leaves_there_is_removed_when_its_result_was_taken(
    afar: Afar, job: Job, params: TrainParams, inputs: Inputs
) -> None:
    send(afar, job, params, inputs)
    (job.checkpoints / job.key).mkdir(parents=True)
    (job.checkpoints / "another").mkdir()
    afar.forget(job)
    afar.fetch(job.run)  # nothing is there any more, and nothing is lost here
    assert not job.run.exists()
    assert [path.name for path in job.checkpoints.iterdir()] == ["another"]


def test_a_copy_that_fails_is_an_error(programs: Programs, afar: Afar, tmp_path: Path) -> None:
    programs.write("ssh", "echo 'lost' >&2; exit 255")
    with pytest.raises(ClusterError, match=r"rsync with login refused: (?s:.*)lost"):
        afar.login.pull(Path("/x"), tmp_path / "y")


@pytest.mark.parametrize("missing", ["scratch", "venv"])
def test_ssh_without_the_folders_of_the_cluster_is_an_error(
    params: TrainParams, inputs: Inputs, tmp_path: Path, missing: str
) -> None:
    slurm = params.slurm.model_copy(update={missing: None})
    with pytest.raises(ClusterError, match=r"train\.slurm\.scratch with it"):
        describe_job(params.model_copy(update={"slurm": slurm}), inputs=inputs, state=tmp_path)


def test_foreign_tars_do_not_go_by_ssh(params: TrainParams, inputs: Inputs, tmp_path: Path) -> None:
    tars = sorted(inputs.shards.glob("*.tar"))
    foreign = Inputs(inputs.shards, SIZE, inputs.indexes, str(tars[0]))
    with pytest.raises(ClusterError, match="only shards of the pipeline"):
        describe_job(
            params.model_copy(update={"data": str(tars[0])}), inputs=foreign, state=tmp_path
        )


def test_a_container_mounts_what_the_run_reads_and_writes_once(
    make_params: MakeParams, inputs: Inputs, tmp_path: Path
) -> None:
    slurm = {"container": "/torch.sif", "container_mounts": ["/datasets", "/datasets/more"]}
    params = make_params(slurm=SLURM | slurm)
    job = describe_job(params, inputs=inputs, state=tmp_path / "state")
    assert str(job.python) == "python"
    assert job.code is not None
    assert set(job.mounts) == {
        tmp_path / "state",
        tmp_path / "shards",
        tmp_path / "indexes",
        Path("/datasets"),
        job.code,
    }
