"""Edge: a training as a run of Weights & Biases, for those who have the extra `wandb`."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from flows.errors import TrackingError
from flows.tracking.lines import Event
from train.params import TrainParams

PROJECT = "photochrom"
"""Unless the user's WANDB_PROJECT says another."""

LOGGED = {
    "step": ("loss", "images_per_s", "data_wait", "gpu_gb"),
    "validation": ("train_loss", "val_loss", "val_dE00", "lr"),
    "pictures": (),
}
"""Figures of each event, in the order in which events of the same step come."""


def check_wandb(mode: Literal["offline", "online"] | None) -> None:
    """See that what `train.wandb` asks for is there, before anything runs; nobody is asked.

    Raises:
        TrackingError: If the package is missing, or there is no login for `online`.
    """
    if mode is None:
        return
    if find_spec("wandb") is None:
        raise TrackingError(
            f"train.wandb is {mode}: expected the package wandb, and it is not installed; install "
            "it with `pip install -e '.[wandb]'`, or set train.wandb to null"
        )
    if mode == "online" and not _has_login():
        raise TrackingError(
            "train.wandb is online: expected a login to Weights & Biases, and found none; set "
            "WANDB_API_KEY or run `wandb login`, or set train.wandb to offline"
        )


def _has_login() -> bool:
    import wandb

    _be_quiet()
    # Looks for a key in the environment and in .netrc, and does not hold it against the server.
    return bool(wandb.login(prompt=False, verify=False))


def _be_quiet() -> None:
    """Send no report of wandb's own errors and use to anyone."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")


class WandbRun:
    """A run of Weights & Biases that has the run's own key, so that a later try goes on in it."""

    def __init__(self, params: TrainParams, *, key: str, run: Path, state: Path) -> None:
        """Begin, or go on.

        Args:
            params: Settings; `wandb` is set.
            key: Of the run.
            run: The run folder, in which pictures lie.
            state: The checkout's .photochrom; wandb writes into its `wandb/`.

        Raises:
            wandb.errors.Error: If wandb does not start.
        """
        _be_quiet()
        import wandb

        state.mkdir(parents=True, exist_ok=True)
        self._wandb, self._folder = wandb, run
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=key,
            name=key,
            resume="allow" if params.wandb == "online" else None,
            mode=params.wandb,
            dir=str(state),
            config=params.model_dump(mode="json", exclude={"slurm", "remote"}),
            settings=wandb.Settings(
                console="off",
                disable_code=True,
                disable_git=True,
                disable_job_creation=True,
                save_code=False,
                silent=True,
                x_disable_machine_info=True,
                x_disable_meta=True,
                x_disable_stats=True,
            ),
        )
        # wandb takes no step that lies behind its last: a run that goes on knows where it was.
        self._last = (self._run.step - 1, len(LOGGED))

    def take(self, event: Event) -> None:
        """Take an event; one whose step has been is passed over."""
        kind = event["event"]
        if kind not in LOGGED or (here := (event["step"], list(LOGGED).index(kind))) <= self._last:
            return
        self._last = here
        found = {name: event.get(name) for name in LOGGED[kind]}
        known: dict[str, Any] = {name: value for name, value in found.items() if value is not None}
        if kind == "pictures" and (self._folder / event["path"]).is_file():  # it may come later
            known["pictures"] = self._wandb.Image(str(self._folder / event["path"]))
        self._run.log(known, step=event["step"])

    def close(self) -> None:
        """End in order, and the process that wandb has started too."""
        self._run.finish()
        self._wandb.teardown()
