"""Pure: one job of training, as its batch script needs it described."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LOG = "job-%j.log"
"""Output of the job within the run folder; sbatch puts the job's number in place of %j."""

ARRAY_LOG = "job-%A_%a.log"
"""The same of one job of an array: number of the array, and place in it."""

RUNS = "runs"
"""In the folder of an array: the run folders of its jobs, one a line."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run of training, or several that differ in their seed, as an array.

    Every path is as the nodes see it.
    """

    key: str
    """Of the run, from `train.run.run_key`; of an array, from the keys of its runs."""
    home: Path
    """Folder of the runs and their checkpoints, absolute, on a file system of all nodes."""
    python: PurePosixPath
    """Interpreter of the environment that holds what `train` needs, or its name in a container."""
    code: Path | None = None
    """Folder that holds `train`, where it is not installed in that environment."""
    mounts: tuple[Path, ...] = ()
    """Folders that a container must see."""
    runs: tuple[str, ...] = ()
    """Keys of the runs of an array; none where the job is one run."""

    def __post_init__(self) -> None:
        """Refuse a path that a script cannot hold.

        Raises:
            ValueError: If a path does not print, or has a %, which sbatch reads as a pattern, or a
                backslash, which it drops whatever the quotes; or if a folder to mount has one of
                the signs between which runtimes cut their lists.
        """
        for path in (self.home, self.python, *filter(None, (self.code,))):
            if not str(path).isprintable() or set("%\\") & set(str(path)):
                raise ValueError(
                    f"expected a path that prints and has no % or backslash, got {str(path)!r}"
                )
        if not self.home.is_absolute():
            raise ValueError(f"expected an absolute path, got {str(self.home)!r}")
        for path in self.mounts:
            if not str(path).isprintable() or set(",:") & set(str(path)):
                raise ValueError(
                    f"expected a folder to mount that prints and has no comma or colon, got "
                    f"{str(path)!r}"
                )

    @property
    def name(self) -> str:
        """What SLURM calls it; the same run has the same name again."""
        return f"photochrom-{'seeds-' if self.runs else ''}{self.key}"

    @property
    def run(self) -> Path:
        """The run folder, or that of the array."""
        return self.home / ("seeds" if self.runs else "runs") / self.key

    @property
    def checkpoints(self) -> Path:
        """Where runs keep their checkpoints, each below its own key."""
        return self.home / "checkpoints"

    @property
    def log(self) -> str:
        """Name of its log in the run folder, with sbatch's patterns."""
        return ARRAY_LOG if self.runs else LOG
