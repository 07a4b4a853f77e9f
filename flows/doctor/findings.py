"""What this machine has and lacks: every check on its own, and none waited for too long."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from flows.errors import ParamsError
from flows.params import Params, read_params
from flows.project import Project

LIMIT_S = 4.0
"""So long a check may take; with the start of the command, all of it stays below 5 s."""


class State(StrEnum):
    """How a check turned out."""

    OK = "ok"
    NOTE = "worth knowing"
    MISSING = "missing"


COLOURS = {State.OK: "green", State.NOTE: "yellow", State.MISSING: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    state: State
    said: str
    remedy: str = ""
    """What to do about it; "" where there is nothing to do."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at."""

    project: Project
    params: Params | None
    """All settings; None when params.yaml cannot be read."""


Check = Callable[[Patient], Finding]


def ok(name: str, said: str) -> Finding:
    """All is well."""
    return Finding(name, State.OK, said)


def note(name: str, said: str, remedy: str = "") -> Finding:
    """Nothing is broken, and yet it is worth knowing."""
    return Finding(name, State.NOTE, said, remedy)


def missing(name: str, said: str, remedy: str) -> Finding:
    """Something that the pipeline needs is not there."""
    return Finding(name, State.MISSING, said, remedy)


def examine(project: Project, path: Path, overrides: Sequence[str]) -> list[Finding]:
    """Check everything; a check that fails, or hangs, says so and ends no other.

    Args:
        project: The checkout.
        path: The params file.
        overrides: `section.key=value` each.

    Returns:
        A finding for each check, in a fixed order.
    """
    from flows.doctor.machine import CHECKS as OF_THE_MACHINE
    from flows.doctor.services import CHECKS as OF_SERVICES

    first, params = _check_settings(path, overrides)
    checks = {**OF_THE_MACHINE, **OF_SERVICES}
    return [first, *run_checks(checks, Patient(project, params), limit_s=LIMIT_S)]


def _check_settings(path: Path, overrides: Sequence[str]) -> tuple[Finding, Params | None]:
    try:
        params = read_params(path, overrides)
    except ParamsError as exc:
        return missing("settings", str(exc), "mend them; docs/settings.md lists all"), None
    source, runner = params.harvest.source, params.train.runner
    if source == "loc" and params.harvest.contact is None:
        said = "harvest.source is loc, and harvest.contact is not set"
        return missing("settings", said, "`photochrom plan` asks for your contact"), params
    return ok("settings", f"source {source}, training {runner}"), params


def run_checks(checks: dict[str, Check], patient: Patient, *, limit_s: float) -> list[Finding]:
    """Run checks beside each other.

    Args:
        checks: By name.
        patient: What they look at.
        limit_s: How long they may take together.
    """
    done: queue.SimpleQueue[Finding] = queue.SimpleQueue()

    def run(name: str, check: Check) -> None:
        try:
            done.put(check(patient))
        except Exception as exc:  # whatever it is, the others go on, and it is told
            said = f"could not be checked: {type(exc).__name__}: {exc}"
            done.put(note(name, said, "tell us, with this line"))

    for name, check in checks.items():
        # Daemons: one that hangs does not keep the command.
        threading.Thread(target=run, args=(name, check), daemon=True).start()
    deadline, found = time.monotonic() + limit_s, dict[str, Finding]()
    while len(found) < len(checks):
        try:
            finding = done.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[finding.name] = finding
    late = f"no answer within {limit_s:g} s"
    return [found.get(name) or note(name, late, "run this again") for name in checks]


def to_text(findings: Sequence[Finding]) -> Group:
    """Lay findings out for a terminal of 80 columns: what was found, and below it the remedy."""
    parts: list[RenderableType] = []
    for finding in findings:
        line = Table.grid(padding=(0, 2))
        line.add_column(width=14)
        line.add_column(width=13)
        line.add_column(overflow="fold")
        state = Text(finding.state.value, style=COLOURS[finding.state])
        line.add_row(finding.name, state, Text(finding.said))
        parts.append(line)
        if finding.remedy:
            parts.append(Padding(Text(f"→ {finding.remedy}", style="bold"), (0, 0, 0, 4)))
    return Group(*parts)


def to_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Lay findings out for programs."""
    return [asdict(finding) for finding in findings]
