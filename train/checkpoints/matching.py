"""Pure: in what two runs differ, of all that decides what a run learns.

What decides is `train.run.read_identity`: the settings, the shards, their size, and the code.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

_SHOWN = 3
"""Shards that are named, at most."""

_LONGEST = 60
"""Characters of a value that is shown."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which a checkpoint's run and the present one differ."""

    key: str
    """As `--allow` takes it."""
    said: str
    """What was saved, and what is now."""

    def __str__(self) -> str:
        return f"{self.key}: {self.said}"


def list_keys(identity: Mapping[str, Any]) -> set[str]:
    """List what can differ, as `--allow` takes it: `train.lr`, ..., `code`, `shards`, `size`."""
    return {f"train.{name}" for name in identity["params"]} | {"code", "shards", "size"}


def compare(saved: Mapping[str, Any], present: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Find in what two runs differ.

    Args:
        saved: What decided the run of a checkpoint, from `train.run.read_identity`.
        present: What decides this one.

    Returns:
        One entry for each key that differs, by key; a setting that only one of them has differs.

    Raises:
        KeyError, TypeError, ValueError: If one of them is not of that form.
    """
    found = {}
    before, now = saved["params"], present["params"]
    for name in before.keys() | now.keys():
        old, new = (_show(params, name) for params in (before, now))
        if old != new:
            found[f"train.{name}"] = f"{_cut(old)} saved, {_cut(new)} now"
    if saved["code"] != present["code"]:
        found["code"] = f"{saved['code'][:8]} saved, {present['code'][:8]} now"
    if saved["size"] != present["size"]:
        found["size"] = f"{saved['size']} saved, {present['size']} now"
    if said := _compare_shards(saved["shards"], present["shards"]):
        found["shards"] = said
    return tuple(Difference(key, found[key]) for key in sorted(found))


def refused(
    differences: Collection[Difference], allowed: Collection[str]
) -> tuple[Difference, ...]:
    """Return the differences that nobody allowed."""
    return tuple(one for one in differences if one.key not in allowed)


def _show(params: Mapping[str, Any], name: str) -> str:
    return json.dumps(params[name]) if name in params else "nothing"


def _cut(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."


def _compare_shards(saved: Collection[list[str]], present: Collection[list[str]]) -> str:
    """Say which shards differ; "" if none does and their order is the same."""
    before, now = (dict(shards) for shards in (saved, present))
    parts = (
        ("changed", [name for name in before if name in now and before[name] != now[name]]),
        ("only saved", [name for name in before if name not in now]),
        ("only now", [name for name in now if name not in before]),
    )
    said = [f"{word} {_name(names)}" for word, names in parts if names]
    if not said and list(before) != list(now):
        return "the same, in another order"
    return "; ".join(said)


def _name(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
