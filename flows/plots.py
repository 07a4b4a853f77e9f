"""Edge: the plots of dvc.yaml as SVG and PNG, which need no browser and no network.

`dvc plots` writes a page that loads its drawing script from the network; here DVC says what to
draw, and vl-convert, which carries that script, draws it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final

import yaml

from flows.errors import PlotsError
from flows.programs import call_dvc
from harvest.files import write_bytes

WIDTH: Final = 560
HEIGHT: Final = 320
"""Of the axes, in pixels; DVC's own 300 by 300 is small for a curve."""

SCALE: Final = 2.0
"""Pixels of the PNG for one of the SVG."""

SYMBOL: Final = 1600
"""Area of a line in the legend, its length squared: long enough to show its dashes."""


def draw_plots(root: Path, revisions: Sequence[str], *, out: Path) -> list[Path]:
    """Draw every plot that dvc.yaml names.

    Args:
        root: The checkout.
        revisions: Git revisions or experiments to lay over each other; one alone is compared
            with the workspace, none is the workspace alone.
        out: Folder for the files; made if it is not there.

    Returns:
        The files: an SVG and a PNG for each curve, a copy of each picture and revision.

    Raises:
        PlotsError: If a revision is none, DVC cannot say what to draw, there is nothing to draw,
            or a plot that should be there is empty.
        OSError: If the disk refuses.
    """
    for revision in revisions:
        if not revision or revision.startswith("-"):
            raise PlotsError(
                f"{revision!r}: expected a commit, a tag or an experiment; name one that `git log` "
                "or `dvc exp list` shows"
            )
    with TemporaryDirectory(prefix="photochrom-plots-") as folder:
        plots = _ask_dvc(root, revisions, Path(folder))
        if undrawn := find_undrawn(root, plots, here=len(revisions) < 2):
            raise PlotsError(
                f"{root}: expected data for {', '.join(undrawn)}, found none in what dvc.yaml "
                "names for it; run `dvc repro`, or `dvc checkout` where it was made already"
            )
        written: list[Path] = []
        for name, parts in plots.items():
            for part in parts:
                picture = part["type"] == "image"
                # Revisions whose dvc.yaml defines a curve otherwise come as parts of their own.
                apart = bool(revisions) if picture else len(parts) > 1
                label = to_label(name, part["revisions"] if apart else ())
                if picture:
                    written.append(out / f"{label}{PurePosixPath(name).suffix}")
                    write_bytes(written[-1], Path(part["url"]).read_bytes())
                else:
                    written += _draw(part["content"], out / label)
    if not written:
        raise PlotsError(
            f"{root}: expected plots to draw, found none; run `dvc repro` or `dvc pull` for what "
            "`plots:` in dvc.yaml names"
        )
    return written


def find_undrawn(root: Path, plots: Mapping[str, Any], *, here: bool) -> list[str]:
    """Find curves that DVC says nothing of, as it does where their file is empty.

    Args:
        root: The checkout.
        plots: As DVC gives them: for each name its parts.
        here: Whether the workspace is to be drawn, in which each curve of dvc.yaml must be.

    Returns:
        Their titles, sorted.
    """
    undrawn = {name for name, parts in plots.items() if not parts and not (root / name).is_dir()}
    path = root / "dvc.yaml"
    if here and path.is_file():
        listed = (yaml.safe_load(path.read_bytes()) or {}).get("plots", ())
        for title in [title for entry in listed if isinstance(entry, dict) for title in entry]:
            parts = plots.get(title, ())
            if not any("workspace" in part["revisions"] for part in parts):
                undrawn.add(title)
    return sorted(undrawn)


def to_label(name: str, revisions: Sequence[str]) -> str:
    """Name a file after a plot and, where needed, its revisions.

    Args:
        name: A title, or a path such as `data/model/curve.png`.
        revisions: To be named too; may be empty.

    Returns:
        Such as `model-curve@HEAD~1`, without a suffix.
    """
    path = PurePosixPath(name)
    short = path.with_suffix("").as_posix().removeprefix("data/") if path.suffix else name
    label = "@".join([short, *revisions])
    return re.sub(r"[^\w.@~^-]+", "-", label).strip("-.") or "plot"


def to_drawing(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Turn DVC's Vega-Lite of a curve into one for paper.

    Args:
        spec: As `dvc plots --json` gives it, its data within.

    Returns:
        The same, wider, on white, and with each line's name readable in the legend.
    """
    drawing = {**spec, "width": WIDTH, "height": HEIGHT, "background": "white"}
    encoding = dict(spec.get("encoding", {}))
    for channel, title in (("color", "revision"), ("strokeDash", "line")):
        if encoding.get(channel):
            legend = {**encoding[channel].get("legend", {}), "symbolSize": SYMBOL}
            encoding[channel] = {**encoding[channel], "title": title, "legend": legend}
    drawing["encoding"] = encoding
    return drawing


def _ask_dvc(root: Path, revisions: Sequence[str], folder: Path) -> dict[str, Any]:
    """Have DVC collect the plots; it puts pictures into the folder."""
    verb = "diff" if revisions else "show"
    done = call_dvc(root, "plots", verb, "--json", "-o", str(folder), *revisions)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise PlotsError(
            f"{root}: expected the plots of {' and '.join(revisions) or 'the workspace'} from "
            f"`dvc plots {verb}`, which said: {said[-1]}; name commits, tags or experiments that "
            "`git log` and `dvc exp list` show"
        )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as exc:
        raise PlotsError(
            f"{root}: expected JSON from `dvc plots {verb}`, got {done.stdout[:80]!r}; see that "
            "DVC is the version of requirements.lock"
        ) from exc
    for error in answer.get("errors", ()):
        what = error.get("name") or "dvc.yaml"
        raise PlotsError(
            f"{root}: expected {what} of {error.get('rev')} to draw, which DVC could not read: "
            f"{error.get('msg') or error.get('type')}; run `dvc repro`, or `dvc pull` where it "
            "was shared"
        )
    found: dict[str, Any] = answer.get("data", {})
    return found


def _draw(spec: Mapping[str, Any], path: Path) -> list[Path]:
    import vl_convert

    svg = vl_convert.vegalite_to_svg(to_drawing(spec), allowed_base_urls=[])
    png = vl_convert.svg_to_png(svg, scale=SCALE)
    files = [path.with_name(f"{path.name}.{kind}") for kind in ("svg", "png")]
    write_bytes(files[0], svg.encode())
    write_bytes(files[1], png)
    return files
