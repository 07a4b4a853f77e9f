"""Where a project's files lie, all of them below the folder that holds its params file."""

from dataclasses import dataclass
from pathlib import Path

from flows.errors import ParamsError


@dataclass(frozen=True, slots=True)
class Project:
    """One checkout, or another folder with a params.yaml of its own."""

    root: Path

    @property
    def data(self) -> Path:
        """What DVC tracks."""
        return self.root / "data"

    @property
    def state(self) -> Path:
        """What must survive a stage and lies outside every out: ledger, checkpoints, server."""
        return self.root / ".photochrom"

    def splits(self, source: str) -> Path:
        """The splits of a source's last release, which Git holds; missing before the first."""
        return self.root / "splits" / f"{source}.parquet"

    def overrides(self, source: str) -> Path:
        """A person's corrections of a source's crops and pairs, which Git holds."""
        return self.root / "overrides" / source

    def shards(self, size: int) -> Path:
        """The shards of one sample size, in pixels."""
        return self.data / "shards" / str(size)


def find_project(start: Path) -> Project:
    """Find the project that a folder belongs to.

    Args:
        start: Any folder at or below the project's root.

    Raises:
        ParamsError: If neither `start` nor a folder above it holds a params.yaml.
    """
    folder = start.resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / "params.yaml").is_file():
            return Project(root=candidate)
    raise ParamsError(
        f"{folder}: expected a params.yaml here or in a folder above, found none; "
        "go to the checkout, or copy its params.yaml here"
    )
