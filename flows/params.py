"""Params: every setting of a run, and the only reader of params.yaml."""

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from colorize.params import ColorizeParams
from flows.deploying.params import FlowsParams
from flows.errors import ParamsError
from harvest.params import HarvestParams
from preprocess.params import PreprocessParams
from replica.params import ReplicaParams
from train.params import TrainParams

NO_YAML = (yaml.YAMLError, ValueError, RecursionError)
"""What the parser raises; a date such as 2026-13-45 and 3,000 brackets are among it."""


RUNNER = "PHOTOCHROM_RUNNER"
"""Set by a deployed run: where its training runs, in place of `train.runner`; nothing else may be
laid over params.yaml from outside, or dvc.lock would not describe what came out."""


LONGEST = 200
"""Characters of a wrong value, in an error."""


class Params(BaseModel, frozen=True, extra="forbid"):
    """All of params.yaml: one section for each package, typed by the package."""

    harvest: HarvestParams
    preprocess: PreprocessParams
    train: TrainParams
    colorize: ColorizeParams
    replica: ReplicaParams
    flows: FlowsParams


def read_params(path: Path, overrides: Sequence[str] = (), *, preset: Path | None = None) -> Params:
    """Read a params file and lay overrides on top of it.

    Args:
        path: A YAML file with every section and every key.
        overrides: `section.key=value` each, the value written as in YAML; they are laid over
            PHOTOCHROM_RUNNER, which is laid over `train.runner`.
        preset: A YAML file with some of the sections and keys, such as those of a cluster; it lies
            between the file and the overrides.

    Raises:
        ParamsError: If a file is missing or is not YAML, or if a key is unknown or
            missing or has a value of the wrong type; every such key is named, with what
            was expected and where it came from.
    """
    tree, laid = _read_tree(path, option="--params"), {}
    if preset is not None:
        laid = dict.fromkeys(_lay(tree, _read_tree(preset, option="--preset")), str(preset))
    runner = os.environ.get(RUNNER)
    launched = [f"train.runner={runner}"] if runner else []
    laid |= dict.fromkeys([_override(tree, text) for text in [*launched, *overrides]], "--set")
    try:
        return Params.model_validate(tree)
    except ValidationError as exc:
        raise ParamsError(explain(exc, path=path, laid=laid)) from exc


def _lay(tree: dict[str, Any], over: dict[Any, Any], above: str = "") -> Iterator[str]:
    """Lay a tree of settings over another, section by section; give each key that was laid."""
    sections = _known_sections()
    for key, value in over.items():
        dotted, under = f"{above}{key}", tree.get(str(key))
        if isinstance(value, dict) and isinstance(under, dict) and dotted in sections:
            yield from _lay(under, value, f"{dotted}.")
        else:
            tree[str(key)] = value
            yield dotted


def _known_sections() -> set[str]:
    keys = _known_keys()
    return {key for key in keys if any(one.startswith(f"{key}.") for one in keys)}


def _read_tree(path: Path, *, option: str) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as exc:
        raise ParamsError(
            f"{path}: expected a params file, could not read it ({exc}); "
            f"name another one with {option}"
        ) from exc
    except NO_YAML as exc:
        raise ParamsError(f"{path}: expected YAML; {exc}") from exc
    if not isinstance(tree, dict):
        raise ParamsError(f"{path}: expected sections of settings, got {type(tree).__name__}")
    return tree


def _override(tree: dict[str, Any], text: str) -> str:
    """Lay one `--set` on the tree, and return its dotted key."""
    dotted, separator, value = text.partition("=")
    keys = dotted.strip().split(".")
    if not separator or not all(keys):
        raise ParamsError(f"--set {text}: expected section.key=value")
    try:
        parsed = yaml.safe_load(value)
    except NO_YAML as exc:
        raise ParamsError(f"--set {text[:200]}: expected a YAML value; {exc}") from exc
    node = tree
    for key in keys[:-1]:
        below = node.setdefault(key, {})
        if not isinstance(below, dict):
            raise ParamsError(f"--set {text}: {key} is a setting, not a section")
        node = below
    node[keys[-1]] = parsed
    return ".".join(keys)


def explain(error: ValidationError, *, path: Path, laid: Mapping[str, str] | None = None) -> str:
    """Say in one line for each fault which key it is, what was expected and where it stands.

    Args:
        error: What pydantic says.
        path: The file that was read.
        laid: Where dotted keys, with all below them, came from instead; the last counts.
    """
    lines = []
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in fault["loc"]) or "the file"
        places = [
            place for one, place in (laid or {}).items() if key == one or key.startswith(f"{one}.")
        ]
        place = places[-1] if places else str(path)
        lines.append(f"{place}: {key}: {_expectation(fault['type'], fault, key)}")
    return "\n".join(lines)


def _expectation(kind: str, fault: Any, key: str) -> str:
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(key, _known_keys(), n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"expected a known setting, and there is none of this name{hint}"
    if kind == "missing":
        return "expected a value, and the key is missing; add it (defaults live in the file alone)"
    if kind == "model_type":
        return f"expected a section of settings, got {_show(fault['input'])}"
    said = fault["msg"]
    return f"{said[:1].lower()}{said[1:]}, got {_show(fault['input'])}"


def _show(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."


def _known_keys(model: type[BaseModel] = Params, above: str = "") -> list[str]:
    """Every key that a params file may hold, dotted, sections included."""
    keys = []
    for name, field in model.model_fields.items():
        keys.append(f"{above}{name}")
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += _known_keys(field.annotation, f"{above}{name}.")
    return keys
