"""What a run's process could not tell the server before it was ended, told in its place."""

import json
from collections.abc import Mapping
from pathlib import Path

import psutil
import requests

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")
TOLD = {
    "type": "CRASHED",
    "name": "Crashed",
    "message": "Ended by `photochrom down`; what came so far is kept.",
}


def read_notes(folder: Path) -> dict[str, int]:
    """Read which runs go on, and in which process.

    Args:
        folder: Of the notes, .photochrom/runs (flows/predecessors.py).

    Returns:
        Process ids by flow run; torn notes are left to the next command.
    """
    found = {}
    for note in folder.glob("*.json"):
        try:
            found[note.stem] = int(json.loads(note.read_bytes())[0])
        except (OSError, ValueError, TypeError, LookupError):
            continue
    return found


def crash_ended(api: str, runs: Mapping[str, int]) -> int:
    """Mark the runs as crashed whose process is gone, where their state is not final.

    Args:
        api: Address of the server's API.
        runs: Process ids by flow run, as they were before processes were ended.

    Returns:
        How many there were. A server that does not answer is told by the next command.
    """
    told = 0
    for run, process in runs.items():
        if psutil.pid_exists(process):
            continue
        try:
            state = requests.get(f"{api}/flow_runs/{run}", timeout=10).json()["state_type"]
            if state not in FINAL:
                asked = {"state": TOLD, "force": True}
                at = f"{api}/flow_runs/{run}/set_state"
                told += requests.post(at, json=asked, timeout=10).ok
        except (requests.RequestException, ValueError, KeyError):
            continue
    return told
