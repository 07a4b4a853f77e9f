"""What the Prefect server does by itself: ends dead runs, and tells a webhook of bad ones."""

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.types import SecretDict
from pydantic import SecretStr

from flows.deploying.params import FlowsParams
from flows.errors import DeployError

WEBHOOK = "PHOTOCHROM_WEBHOOK"
"""Address that is told of failed, crashed and stuck runs; a secret, hence no setting."""

BLOCK = "photochrom-webhook"

ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}
ENDS |= {"prefect.flow-run.TimedOut", "prefect.flow-run.Cancelling"}
BAD = {f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")}

MISSED_S = 90
"""Three heartbeats of a run's process, which come every 30 s (flows/deploying/workers.py)."""

UNBORN_S = 300
"""From a worker's taking a run up to the run's first word; seconds, where the worker lives."""

EACH_RUN: dict[str, Any] = {
    "match": {"prefect.resource.id": "prefect.flow-run.*"},
    "for_each": {"prefect.resource.id"},
    # Not of the stages' own runs: those of a terminal have a person, the others a deployed run.
    "match_related": {
        "prefect.resource.id": "prefect.deployment.*",
        "prefect.resource.role": "deployment",
    },
}

DEAD = "Crash a run whose process is gone"
UNBORN = "Crash a run that was taken up and never began"
FAILED = "Tell of a failed or crashed run"
STUCK = "Tell of a stuck run"


def find_webhook() -> str | None:
    """Return the address that PHOTOCHROM_WEBHOOK holds; None where it is not set.

    Raises:
        DeployError: If it is one that nothing could be posted to.
    """
    address = os.environ.get(WEBHOOK)
    if not address:
        return address
    try:
        parts = urlsplit(address)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or any(character.isspace() for character in address):
        # The address itself is a secret, and is not shown.
        raise DeployError(
            f"{WEBHOOK}: expected an http or https address with a host, got {len(address)} "
            "characters that are none; mend it, or leave it empty to tell no webhook"
        )
    return address


def register_automations(client: SyncPrefectClient, params: FlowsParams) -> bool:
    """Make the server's automations be ours; those of a person's own are let be.

    Args:
        client: Of the server.
        params: Settings of the runs.

    Returns:
        Whether a webhook is told. It is the one that PHOTOCHROM_WEBHOOK names; where that is not
        set, the one that was named before; none where it is empty.

    Raises:
        DeployError: If the address is none.
    """
    dead = _crash(DEAD, after="heartbeat", expect="heartbeat", within_s=MISSED_S)
    unborn = _crash(UNBORN, after="Pending", expect="Running", within_s=UNBORN_S)
    _put(client, [dead, unborn])
    address = find_webhook()
    if address:
        headers = SecretDict({"Content-Type": "application/json"})
        saved = Webhook(url=SecretStr(address), headers=headers).save(BLOCK, overwrite=True)
        _put(client, [_tell_failed(saved), _tell_stuck(saved, params.stuck_s)])
    elif address is not None:
        for name in (FAILED, STUCK):
            _remove(client, name)
    return bool(client.read_automations_by_name(FAILED))


def _put(client: SyncPrefectClient, wanted: Sequence[AutomationCore]) -> None:
    for automation in wanted:
        if there := client.read_automations_by_name(automation.name):
            client.update_automation(there[0].id, automation)
        else:
            client.create_automation(automation)


def _remove(client: SyncPrefectClient, name: str) -> None:
    for automation in client.read_automations_by_name(name):
        client.delete_automation(automation.id)


def _crash(name: str, *, after: str, expect: str, within_s: int) -> AutomationCore:
    return AutomationCore(
        name=name,
        description="So that it neither shows as running for good nor holds its queue.",
        trigger=EventTrigger(
            after={f"prefect.flow-run.{after}"},
            expect={f"prefect.flow-run.{expect}", *ENDS},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=within_s),
            **EACH_RUN,
        ),
        actions=[
            ChangeFlowRunState(
                name="Crashed",
                force=False,
                state=StateType.CRASHED,
                message="Its process, or its machine, is gone; what came so far is kept.",
            )
        ],
    )


def _tell_failed(block: Any) -> AutomationCore:
    said = "'Photochrom: ' ~ flow_run.name ~ ' ' ~ flow_run.state.name"
    return AutomationCore(
        name=FAILED,
        description=f"Posts to the address in {WEBHOOK}.",
        trigger=EventTrigger(expect=BAD, posture=Posture.Reactive, threshold=1, **EACH_RUN),
        actions=[CallWebhook(block_document_id=block, payload=_payload(said))],
    )


def _tell_stuck(block: Any, stuck_s: int) -> AutomationCore:
    said = f"'Photochrom: ' ~ flow_run.name ~ ' still runs after {stuck_s} s'"
    return AutomationCore(
        name=STUCK,
        description=f"Posts to the address in {WEBHOOK} when a run goes on for {stuck_s} s.",
        trigger=EventTrigger(
            after={"prefect.flow-run.Running"},
            expect=ENDS,
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=stuck_s),
            **EACH_RUN,
        ),
        actions=[CallWebhook(block_document_id=block, payload=_payload(said))],
    )


def _payload(said: str) -> str:
    """Write the template of a message: JSON with the key `text`, which most chats show."""
    pairs = {
        "text": said,
        "run": "flow_run.name",
        "state": "flow_run.state.name",
        "message": "flow_run.state.message or ''",
        "url": "flow_run | ui_url",
    }
    body = ", ".join(f'"{key}": {{{{ ({value}) | tojson }}}}' for key, value in pairs.items())
    return f"{{{body}}}"
