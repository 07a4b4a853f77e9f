"""The `flows` section of params.yaml."""

from pydantic import BaseModel, Field


class RunParams(BaseModel, frozen=True, extra="forbid"):
    """How patient the runs of one deployed flow are, for each of its steps."""

    retries: int = Field(ge=0, le=20)
    """How often a step that failed is run again."""
    retry_delay_s: float = Field(ge=0)
    """Pause before it is."""
    timeout_s: float = Field(gt=0)
    """A step that takes longer is ended, and counts as failed."""


class FlowsParams(BaseModel, frozen=True, extra="forbid"):
    """What the Prefect server runs for people, and how."""

    workers: int = Field(ge=1, le=16)
    """Worker processes that `photochrom ui` starts."""
    keep_days: int = Field(ge=1, le=36500)
    """Age at which the server forgets a run that has ended, its log and its artifacts."""
    stuck_s: int = Field(ge=10)
    """A deployed run that goes on longer is reported as stuck."""
    harvest: RunParams
    preprocess: RunParams
    train: RunParams
    rebuild: RunParams
