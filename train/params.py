"""Settings of training: the `train` section of params.yaml."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,:@+/-]*$")]
"""A word that SLURM or `module` takes: no space, quote or line break can slip in with it."""

Folder = Annotated[str, Field(pattern=r"^/[^\x00-\x1f\x7f]*$")]
"""An absolute path, on one line."""

Image = Annotated[str, Field(pattern=r"^[A-Za-z0-9_/][A-Za-z0-9_.:@/+#-]*$")]
"""A container's image: a file, or `docker://` and the like, as Apptainer or pyxis takes it."""

Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]*$")]
"""A host as ssh takes it, or `user@host`; port and key stand in one's own ssh configuration."""


def _not_the_shells(name: str) -> str:
    if name.startswith(("BASH", "SLURM_")) or name in {"EUID", "PPID", "SHELLOPTS", "UID"}:
        raise ValueError(f"{name} is the shell's, or SLURM's, own; leave it out")
    return name


Variable = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), AfterValidator(_not_the_shells)
]
"""Name of an environment variable."""

Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Any text on one line; it is quoted where a shell reads it."""

OURS = frozenset(
    {
        *("array", "chdir", "dependency", "error", "export", "job-name", "no-requeue", "nodes"),
        *("ntasks", "ntasks-per-node", "open-mode", "output", "parsable", "requeue", "signal"),
        *("test-only", "wait", "wrap"),
    }
)
"""Options of sbatch that the runner sets, or could not do its work with."""


def _not_ours(line: str) -> str:
    name = line[2:].partition("=")[0]
    if name in OURS:
        raise ValueError(f"--{name} is set by the runner; leave it out")
    # sbatch takes what an option begins with for the option, as getopt_long(3) does.
    whole = min((one for one in OURS if one.startswith(name)), default=None)
    if whole is not None:
        raise ValueError(f"--{name} may be read as --{whole}, set by the runner; leave it out")
    return line


Option = Annotated[
    str, Field(pattern=r"^--[a-z][a-z-]*(=[^\s\x00-\x1f\x7f#]+)?$"), AfterValidator(_not_ours)
]
"""A long option of sbatch, as it stands after `#SBATCH `."""


class SlurmParams(BaseModel, frozen=True, extra="forbid"):
    """The `train.slurm` record: what to ask of a SLURM cluster; null is left to the site."""

    partition: Name | None
    """Partition, or several with commas."""

    account: Name | None
    """Account that pays."""

    qos: Name | None
    """Quality of service."""

    constraint: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\[(][A-Za-z0-9_.:&|*,()\[\]-]*$")] | None
    """Features that the nodes must have, such as `a100&nvlink`."""

    nodes: int = Field(ge=1, le=1024)
    """Machines."""

    gpus_per_node: int | None = Field(ge=1, le=64)
    """GPUs of each machine, one process for each; null asks for none and starts one process."""

    gpu_type: Name | None
    """Kind of GPU, as the site calls it."""

    cpus_per_gpu: int | None = Field(ge=1, le=512)
    """Processor cores of each process."""

    memory_per_gpu: str | None = Field(pattern=r"^[1-9][0-9]{0,8}[MGT]$")
    """Memory for each process, such as 32G."""

    time_limit_min: int | None = Field(ge=1, le=525_600)
    """Longest time of the job, in minutes; a year at most."""

    signal_lead_s: int | None = Field(ge=1, le=65535)
    """So long before the limit the processes are told to save and end."""

    requeue_limit: int = Field(ge=0, le=1000)
    """So often at most the job queues itself again, having saved its state; 0 is never."""

    modules: tuple[Name, ...]
    """Environment modules to load, in order."""

    venv: Folder | None
    """Virtual environment with the `train` extra; null is that of the submitting process, or in a
    container its own `python`."""

    container: Image | None
    """Image to run in; null runs on the node itself."""

    container_runtime: Literal["apptainer", "pyxis"]
    """What opens the image: Apptainer's command, or the plugin of srun."""

    container_mounts: tuple[Folder, ...]
    """Folders to mount besides those that the run reads and writes."""

    environment: dict[Variable, Line]
    """Variables for every process, such as NCCL_SOCKET_IFNAME; the script's own win over them."""

    ssh: Host | None
    """Login node from which to submit, by ssh; null submits from here."""

    scratch: Folder | None
    """Folder, of this checkout alone, for the run and its checkpoints; null is .photochrom."""

    extra: tuple[Option, ...]
    """Further options of sbatch, such as --exclusive."""

    poll_s: float = Field(gt=0, le=600)
    """Seconds between two looks at the job."""


class RemoteParams(BaseModel, frozen=True, extra="forbid"):
    """The `train.remote` record: shards that each node stages from afar to a disk of its own."""

    url: Annotated[str, Field(pattern=r"^(s3|https?|file|memory)://[^\s\x00-\x1f\x7f]+$")] | None
    """Folder of the same shards, by S3 or HTTP; null reads them where the stage finds them."""

    folder: Folder | None
    """Folder of a disk of the node; null is `photochrom-shards-<uid>` of its temporary folder."""

    gb: float = Field(gt=0)
    """Most that the folder may hold, in 10^9 bytes; what was used longest ago goes first."""

    wait_s: float = Field(ge=0, le=86_400)
    """So long a node that lost the network waits for it."""


class TrainParams(BaseModel, frozen=True, extra="forbid"):
    """The `train` section of params.yaml."""

    model: Literal["small"]
    """Network: `small` is the U-Net of train/model.py."""

    input: int = Field(ge=32, le=1024, multiple_of=16)
    """Side of the training crops, and short side of a picture before the network, in pixels."""

    steps: int = Field(ge=1)
    """Length of a run, in optimiser steps."""

    batch: int = Field(ge=1)
    """Samples in a step, over all processes together."""

    lr: float = Field(gt=0)
    """Highest learning rate of AdamW, reached after the warm-up."""

    weight_decay: float = Field(ge=0)
    """Weight decay of AdamW, on convolution and linear weights alone."""

    warmup: float = Field(ge=0, lt=1)
    """Share of the steps over which the rate rises from zero; it then falls as a cosine."""

    ema: float = Field(ge=0, lt=1)
    """Decay of the moving average of the weights, per step; the average is what is exported."""

    huber_beta: float = Field(gt=0)
    """Error at which the loss turns from squared to linear, in Lab units."""

    dropout: float = Field(ge=0, lt=1)
    """Share of the deepest channels set to zero in training."""

    degrade: float = Field(ge=0, le=1)
    """Strength of the contrast, blur and noise put on the input lightness; 0 is none."""

    precision: Literal["fp32", "bf16"]
    """Arithmetic of the network's forward and backward pass; weights stay fp32."""

    data: Annotated[str, Field(min_length=1)] | None
    """WebDataset to train on: a folder, or tars as `path/{000000..000012}.tar`; null is the shards
    of the pipeline."""

    window: int | None = Field(ge=1)
    """Samples among which the order is random; null is the whole split."""

    seed: int = Field(ge=0, lt=2**32)
    """Seed of the weights, of the order of samples and of the augmentation."""

    validate_every: int = Field(ge=1)
    """Steps between two looks at the validation split; a checkpoint is saved at each."""

    keep: int = Field(ge=2, le=1000)
    """Checkpoints kept: the last, and those before it to fall back on."""

    runner: Literal["local", "slurm"]
    """Where the job runs: here, or on the cluster that `slurm` describes."""

    processes: int = Field(ge=1, le=64)
    """Processes of a local run; one per GPU where there are any."""

    threads: int = Field(ge=1, le=256)
    """CPU threads of each process."""

    residence: Literal["auto", "device", "host", "stream"]
    """Where the split is held: on the device, in memory, or nowhere, a few batches apart."""

    read: Literal["auto", "map", "pread"]
    """How shards are read: mapped, or copied by the kernel; auto maps those of a local disk."""

    ahead: int = Field(ge=1, le=64)
    """Batches gathered ahead of the step."""

    wandb: Literal["offline", "online"] | None
    """Weights & Biases: `offline` keeps its files here, `online` sends them; null does without."""

    remote: RemoteParams
    """Shards that nodes stage from S3 or HTTP."""

    slurm: SlurmParams
    """What a cluster is asked for, when the runner is `slurm`."""
