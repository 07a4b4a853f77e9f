"""Edge: a training in the Prefect UI: artifacts of its run, brought up to date in place."""

import base64
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.runtime import flow_run

from flows.deploying.steps import RUN_ID
from flows.page.thumbnails import read_data_uri
from flows.tracking.lines import Event, say_share
from train.rows import Row, find_best, to_row

EVERY_S = 3.0
"""Between two updates: each is a request for each artifact that has changed, and each run."""

WIDTH = 960
"""Of the sheet of prints in the UI, in pixels."""

TABLE, CURVE, PICTURES = "training", "live-curve", "live-pictures"
SAID = {
    TABLE: "Where the training stands",
    CURVE: "Loss and colour difference so far",
    PICTURES: "Prints of the training and validation splits, and what the model makes of them",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What was heard last of a run."""

    steps: int
    batch: int
    """Samples in a step, as the settings say."""
    start: Event | None = None
    step: Event | None = None
    validation: Event | None = None
    saved: Event | None = None
    end: Event | None = None

    @property
    def done(self) -> int:
        """Steps done, as far as it was heard."""
        heard = (self.start, self.step, self.validation, self.saved, self.end)
        return max((event["step"] for event in heard if event is not None), default=0)


class Board:
    """Shows a run in the flow run that watches it, and in the deployed run that started that.

    Events are taken at any time and ask the server for nothing; `publish` does, from the thread
    of `flows.watch`, which tries again where the server is away.
    """

    def __init__(self, *, steps: int, batch: int, run: Path) -> None:
        """Begin within a flow.

        Args:
            steps: Length of the run.
            batch: Samples in a step.
            run: The run folder, in which pictures lie.
        """
        self._standing = Standing(steps=steps, batch=batch)
        self._facts: dict[str, str] = {}
        self._rows: dict[int, Row] = {}
        self._sheet: Path | None = None
        self._run = run
        self._runs = [UUID(str(one)) for one in (flow_run.id, os.environ.get(RUN_ID)) if one]
        self._artifacts: dict[tuple[str, UUID], UUID] = {}
        self._wanted: dict[str, int] = {TABLE: 1}
        """How often each artifact has changed."""
        self._shown: dict[tuple[str, UUID], int] = {}
        self._next = 0.0
        self._lock = threading.Lock()

    @property
    def share(self) -> float:
        """Part of the steps that is done, 0 to 1."""
        return min(1.0, self._standing.done / self._standing.steps)

    def tell(self, facts: Mapping[str, str]) -> None:
        """Say more that the table shall show, such as the job's number and why it waits.

        Args:
            facts: Words by name, above the figures and in the order in which they first came; ""
                takes one away.
        """
        with self._lock:
            self._facts.update(facts)
            self._want(TABLE)

    def take(self, event: Event) -> None:
        """Take an event of the run."""
        kind = event["event"]
        kept = {"done": "end", "stopped": "end"}.get(kind, kind)
        with self._lock:
            if kept in ("start", "step", "validation", "saved", "end"):
                self._standing = _replace(self._standing, kept, event)
                self._want(TABLE)
            if kind == "start":
                # What came after the checkpoint that it goes on from did not happen.
                self._rows = {at: row for at, row in self._rows.items() if at <= event["step"]}
            if kind == "validation":
                self._rows[event["step"]] = to_row(event)
                self._want(CURVE)
            if kind == "pictures":
                self._sheet = self._run / event["path"]
                self._want(PICTURES)

    def close(self) -> None:
        """Have the next call of `publish` show the last of it."""
        self._next = 0.0

    def publish(self) -> None:
        """Bring the artifacts up to date, if it is time.

        Raises:
            httpx.HTTPError, PrefectException: If the server is away; call again.
        """
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_S
        with self._lock:
            wanted = dict(self._wanted)
        pending = {
            key: [run for run in self._runs if self._shown.get((key, run)) != number]
            for key, number in wanted.items()
        }
        if not any(pending.values()):
            return
        with get_client(sync_client=True) as client:
            for key, runs in pending.items():
                content = self._draw(key) if runs else ""
                for run in runs:
                    self._put(client, key, run, content)
                    self._shown[key, run] = wanted[key]

    def _want(self, key: str) -> None:
        self._wanted[key] = self._wanted.get(key, 0) + 1

    def _draw(self, key: str) -> str:
        with self._lock:
            rows = [self._rows[step] for step in sorted(self._rows)]
            standing, facts, sheet = self._standing, dict(self._facts), self._sheet
        if key == TABLE:
            return to_table(standing, facts)
        if key == CURVE:
            from train.curve import draw_plot  # matplotlib takes a second to load

            drawn = draw_plot(rows, best_step=find_best(rows))
            return f"data:image/png;base64,{base64.b64encode(drawn).decode('ascii')}"
        assert sheet is not None
        return read_data_uri(sheet, width=WIDTH)

    def _put(self, client: SyncPrefectClient, key: str, run: UUID, content: str) -> None:
        """Create an artifact, or put new content into it."""
        known = self._artifacts.get((key, run)) or _find(client, key, run)
        if known is None:
            kind = "markdown" if key == TABLE else "image"
            artifact = ArtifactCreate(
                key=key, type=kind, description=SAID[key], data=content, flow_run_id=run
            )
            known = client.create_artifact(artifact).id
        else:
            # Not by `update_artifact`: it keeps a copy of each picture in an event besides.
            client.request(
                "PATCH", "/artifacts/{id}", path_params={"id": known}, json={"data": content}
            )
        self._artifacts[key, run] = known


def _find(client: SyncPrefectClient, key: str, run: UUID) -> UUID | None:
    """Find the artifact that an earlier try of the stage has left in the same run."""
    found = client.read_artifacts(
        artifact_filter=ArtifactFilter(
            key=ArtifactFilterKey(any_=[key]), flow_run_id=ArtifactFilterFlowRunId(any_=[run])
        )
    )
    return found[0].id if found else None


def _replace(standing: Standing, name: str, event: Event) -> Standing:
    """Put what was just heard into what was heard before."""
    heard: dict[str, Any] = {
        "start": standing.start,
        "step": standing.step,
        "validation": standing.validation,
        "saved": standing.saved,
        "end": None,  # whatever comes after an end, the run goes on
    }
    if name == "start":  # from a checkpoint: what came behind that will come again
        heard = {kind: one for kind, one in heard.items() if one and one["step"] <= event["step"]}
    heard[name] = event
    return Standing(steps=standing.steps, batch=standing.batch, **heard)


def to_table(standing: Standing, facts: Mapping[str, str]) -> str:
    """Say in Markdown where a run stands.

    Args:
        standing: What was heard of it.
        facts: What is known besides, by name.
    """
    rows = [(name, said) for name, said in facts.items() if said]
    rows += [("step", f"{standing.done:,} of {standing.steps:,}")]
    rows += [("time left", _say_left(standing))]
    if (step := standing.step) is not None:
        rows += [("loss", f"{step['loss']:.4g}")]
    if (found := standing.validation) is not None:
        rows += [("loss in validation", _say(found["val_loss"]))]
        best = f" (best at step {found['best_step']:,})" if found["val_dE00"] is not None else ""
        rows += [("val_dE00", _say(found["val_dE00"]) + best)]
    if step is not None:
        memory = step.get("gpu_gb")
        rows += [("images/s", _say(step.get("images_per_s")))]
        rows += [("data wait", say_share(step["data_wait"]))]
        rows += [("GPU memory", "no GPU" if memory is None else f"{memory:.2f} GB at most")]
    if (saved := standing.saved) is not None:
        rows += [("last checkpoint", f"step {saved['step']:,}")]
    lines = [f"| {name} | {_escape(said)} |" for name, said in rows]
    return "\n".join(["| training | |", "|---|---|", *lines])


def _say(value: float | None) -> str:
    return "not known" if value is None else f"{value:.4g}"


def _say_left(standing: Standing) -> str:
    if standing.end is not None:
        return str(standing.end["event"])
    speed = None if standing.step is None else standing.step.get("images_per_s")
    if not speed:
        return "not known"
    batch = standing.batch
    if standing.start is not None:
        batch = min(batch, standing.start["train"])
    left = timedelta(seconds=round((standing.steps - standing.done) * batch / speed))
    return f"about {left}"


def _escape(said: str) -> str:
    return " ".join(said.replace("|", "\\|").split())
