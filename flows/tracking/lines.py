"""Pure: what a training reports, as lines for a log."""

from collections.abc import Callable, Mapping
from typing import Any

Event = Mapping[str, Any]
"""One object of a run's progress.jsonl."""


def say_event(event: Event) -> str:
    """Say what the job reports, such as `step 80 of 640: loss 2.53, 128 images/s`."""
    say = _SAID.get(event["event"], _say_any)
    return say(event)


def say_share(share: float) -> str:
    """Say a share of 0 to 1 in percent."""
    return f"{100 * share:.1f} %"


def _say_step(event: Event) -> str:
    said = [f"loss {event['loss']:.4g}"]
    if (speed := event.get("images_per_s")) is not None:
        said.append(f"{speed:.4g} images/s")
    said.append(f"data wait {say_share(event['data_wait'])}")
    if (memory := event.get("gpu_gb")) is not None:
        said.append(f"{memory:.2f} GB on the GPU")
    return f"step {event['step']} of {event['of']}: {', '.join(said)}"


def _say_validation(event: Event) -> str:
    said = [f"train_loss {event['train_loss']:.4g}"]
    if event["val_loss"] is not None:
        said += [f"val_loss {event['val_loss']:.4g}", f"val_dE00 {event['val_dE00']:.4g}"]
        best = event["best_step"]
        said.append("the best so far" if best == event["step"] else f"the best was of step {best}")
    return f"validation of step {event['step']}: {', '.join(said)}, lr {event['lr']:.3g}"


def _say_start(event: Event) -> str:
    said = f"{event['train']:,} train and {event['val']:,} val samples"
    table = event.get("table_val_dE00")
    alone = "" if table is None else f"; the table alone has val_dE00 {table:.4g}"
    return (
        f"start at step {event['step']} of {event['of']}: {said}, {event['processes']} processes "
        f"on {event['device']}{alone}"
    )


def _say_saved(event: Event) -> str:
    return (
        f"saved step {event['step']}: the training stood still for {event['paused_s']:.3g} s, "
        f"writing took {event['took_s']:.3g} s"
    )


def _say_end(event: Event) -> str:
    said = f"{event['event']} at step {event['step']} of {event['of']}"
    return f"{said}: data wait {say_share(event['data_wait'])}"


def _say_any(event: Event) -> str:
    facts = [
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in event.items()
        if name != "event" and value is not None
    ]
    return f"{event['event']}: {', '.join(facts)}"


_SAID: dict[str, Callable[[Event], str]] = {
    "note": lambda event: str(event["message"]),
    "start": _say_start,
    "step": _say_step,
    "validation": _say_validation,
    "saved": _say_saved,
    "pictures": lambda event: f"pictures of step {event['step']}: {event['path']}",
    "done": _say_end,
    "stopped": _say_end,
}
