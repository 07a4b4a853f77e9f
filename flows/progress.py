"""How far the requests to one host are: an artifact in the UI, a bar on the terminal."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from flows.terminal import bar
from flows.watch import watch_run
from harvest.client import Client
from harvest.pace import Usage
from harvest.params import HarvestParams
from harvest.plan import find_floor_s


@dataclass(slots=True)
class Tally:
    """What has come from one host so far. Threads may share it."""

    host: str
    total: int
    done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """What did not come, by reason; a part of `done`."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, reason: str = "", *, items: int = 1) -> None:
        """Count what came; a `reason` says that it is of no use."""
        with self.lock:
            self.done += items
            if reason:
                self.failed[reason] += items

    def set(self, done: int, total: int) -> None:
        """Say how much has come of how much."""
        with self.lock:
            self.done, self.total = done, total

    @property
    def share(self) -> float:
        """Part that is done, 0 to 1; 0 while the whole is not known."""
        return min(1.0, self.done / self.total) if self.total else 0.0


def describe(tally: Tally, usage: Usage, *, limits: Sequence[str]) -> str:
    """Say in Markdown how far a host is, how fast it is asked, and how long it will take.

    Args:
        tally: What has come.
        usage: How often the host was asked of late.
        limits: Its limits, such as ["1/3", "20/60"]; none for a replica of our own.
    """
    failed, left = tally.failed.total(), tally.total - tally.done
    head = f"**{tally.host}**: {tally.done:,} of {tally.total:,} done, {failed:,} of no use"
    if left and limits:
        least = timedelta(seconds=round(find_floor_s(left, limits)))
        head += f", about {least} left"
    most = usage.allowed_per_minute
    allowed = "no limit" if most is None else f"{most:g} allowed"
    lines = [head, f"- {usage.sent_last_minute} requests in the last minute, {allowed}"]
    if usage.not_before is not None:
        lines.append(f"- asked to wait until {usage.not_before:%Y-%m-%d %H:%M:%S %Z}")
    lines += [f"- of no use: {count:,} {reason}" for reason, count in sorted(tally.failed.items())]
    return "\n".join(lines)


@contextmanager
def show_progress(tally: Tally, say: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """Show a tally as a progress artifact and, on a terminal, as a bar.

    Args:
        tally: What has come.
        say: Gives the artifact's text, in Markdown.

    Yields:
        A function that brings both up to date; it asks the server for nothing when
        nothing has changed.
    """
    key = f"progress-{tally.host.replace('.', '-')}"
    artifact = create_progress_artifact(progress=0.0, key=key, description=say())
    assert isinstance(artifact, UUID)  # a coroutine only where there is an event loop
    shown = ""
    with bar(tally.host) as draw:

        def publish() -> None:
            nonlocal shown
            draw(tally.share)
            text = say()
            if text != shown:
                shown = text
                update_progress_artifact(artifact, progress=100 * tally.share, description=text)

        yield publish


@contextmanager
def attend(
    tally: Tally, *, client: Client, params: HarvestParams, stop: Callable[[], None]
) -> Iterator[None]:
    """Show how far a host is, and heed a Cancel in the UI, while the block asks it.

    Args:
        tally: Counted by the block.
        client: Which asks.
        params: The `harvest` section.
        stop: Ends what the block does, soon.

    Raises:
        CancelledRun: If the run was cancelled.
    """
    limits = params.limits.get(params.source, {}).get(tally.host, [])
    get_run_logger().info(
        "%s: %s; Cancel, or Ctrl-C, keeps what came",
        tally.host,
        " and ".join("at most {} in {} s".format(*one.split("/")) for one in limits) or "no limit",
    )

    def say() -> str:
        return describe(tally, client.usage()[tally.host], limits=limits)

    with show_progress(tally, say) as publish, watch_run(stop=stop, publish=publish):
        yield
