"""What the turns came to: medians, spreads, the floors, and tables of them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from _stream_peers import (
    ARROW,
    COPY,
    DECODE,
    FFCV_RAW,
    FIRST,
    GATHER,
    JPEG,
    JPEG_LAB,
    LITDATA,
    MDS,
    MDS_FIXED,
    MEMMAP,
    MEMMAP_HELD,
    OURS,
    PREAD,
    WDS_DECODED,
    WDS_JPEG,
    WDS_LAB,
    WDS_RAW,
)

SAMPLES: Final = 10_000
"""CPU seconds are told for so many."""

FIRST_BATCH_S: Final = 0.1
ANON_MB: Final = 250

FLOORS: Final = (
    (OURS, COPY, 0.85),
    (OURS, WDS_JPEG, 45.0),
    (OURS, WDS_RAW, 10.0),
    (OURS, LITDATA, 8.0),
    (OURS, MDS, 20.0),
    (OURS, FFCV_RAW, 1.4),
    (OURS, MEMMAP, 0.95),
    (JPEG, DECODE, 0.95),
)
"""How many times as fast the first is to be as the second, in CPU seconds. Level with a memmap
is within the twentieth that rounds differ by."""

COMPARED: Final = (
    (OURS, MEMMAP_HELD),
    (GATHER, COPY),
    (GATHER, MEMMAP),
    (GATHER, WDS_RAW),
    (FIRST, COPY),
    (PREAD, COPY),
    (OURS, ARROW),
    (OURS, MDS_FIXED),
    (OURS, WDS_DECODED),
    (OURS, WDS_LAB),
    (JPEG, WDS_JPEG),
    (JPEG_LAB, WDS_LAB),
)
"""What else is set against what."""

Runs = dict[str, list[dict[str, float]]]
"""Of every way, for every round: `cpu_s` and `wall_s` for 10,000 samples, and so on."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as fast one way is as another, within rounds."""

    of: str
    to: str
    median: float
    least: float
    most: float
    limit: float | None
    """How many times as fast copying alone is, or decoding alone of JPEG, as the other way."""
    floor: float | None
    met: bool | None


def find_ratios(runs: Runs) -> list[Ratio]:
    """Set ways against each other, round by round."""
    wanted: Iterable[tuple[str, str, float | None]] = (
        *FLOORS,
        *((of, to, None) for of, to in COMPARED),
    )
    return [_compare(runs, of, to, floor) for of, to, floor in wanted if of in runs and to in runs]


def _compare(runs: Runs, of: str, to: str, floor: float | None) -> Ratio:
    each = _divide(runs, of, to)
    median = statistics.median(each)
    met = None if floor is None else median >= floor
    limit = DECODE if of in (JPEG, JPEG_LAB) else COPY
    bounded = to != limit and limit in runs
    return Ratio(
        of=of,
        to=to,
        median=round(median, 3),
        least=round(min(each), 3),
        most=round(max(each), 3),
        limit=round(statistics.median(_divide(runs, limit, to)), 3) if bounded else None,
        floor=floor,
        met=met,
    )


def _divide(runs: Runs, of: str, to: str) -> list[float]:
    return [b["cpu_s"] / a["cpu_s"] for a, b in zip(runs[of], runs[to], strict=True)]


def find_bounds(runs: Runs) -> list[dict[str, Any]]:
    """Hold the first batch and the memory of our loader against what they may be."""
    found = []
    for name, key, most in ((OURS, "first_batch_s", FIRST_BATCH_S), (OURS, "anon_mb", ANON_MB)):
        if name in runs:
            worst = max(run[key] for run in runs[name])
            middle = statistics.median(run[key] for run in runs[name])
            bound = {"of": name, "what": key, "median": middle, "most": worst, "bound": most}
            found.append(bound | {"met": middle <= most})
    return found


def find_medians(runs: Runs) -> dict[str, dict[str, float]]:
    """Take medians and spreads over the rounds."""
    found = {}
    for name, rounds in runs.items():
        keys = rounds[0]
        middle = {key: statistics.median(run[key] for run in rounds) for key in keys}
        spent = [run["cpu_s"] for run in rounds]
        middle["cpu_s_spread"] = (max(spent) - min(spent)) / statistics.median(spent)
        found[name] = {key: round(value, 4) for key, value in middle.items()}
    return found


def to_lines(record: Mapping[str, Any]) -> list[str]:
    """Lay a record out for a terminal of 80 columns."""
    lines = [f"{record['data']}, one core, batch 64", ""]
    lines += [f"{'warm':31s}{'CPU s':>9s}{'spread':>8s}{'samples':>10s}{'first':>9s}{'anon':>7s}"]
    lines += [f"{'':31s}{'/ 10,000':>9s}{'%':>8s}{'/ s':>10s}{'batch s':>9s}{'MB':>7s}"]
    for name, one in record["medians"].items():
        lines.append(
            f"{name:31s}{one['cpu_s']:9.3f}{100 * one['cpu_s_spread']:8.0f}"
            f"{one['samples_s']:10,.0f}{one['first_batch_s']:9.3f}{one['anon_mb']:7.0f}"
        )
    lines += ["", f"{'times as fast, per CPU second':48s}{'median':>8s}{'limit':>8s}{'floor':>7s}"]
    lines += [_say_ratio(one) for one in record["ratios"]]
    for one in record["bounds"]:
        said = "met" if one["met"] else "MISSED"
        what = "first batch, s" if one["what"] == "first_batch_s" else "anonymous memory, MB"
        lines.append(f"{what:48s}{one['median']:8.3g}{one['bound']:15g} {said}")
    if record["cold"]:
        lines += ["", f"{'cold':31s}{'CPU s / 10,000':>15s}{'samples / s':>13s}"]
        for name, one in record["cold"].items():
            lines.append(f"{name:31s}{one['cpu_s']:15.3f}{one['samples_s']:13,.0f}")
    for one in record["skipped"]:
        lines.append(f"skipped: {one[:70]}")
    return lines


def _say_ratio(one: Mapping[str, Any]) -> str:
    said = f"{one['of']} : {one['to']}"[:48]
    limit = "" if one["limit"] is None else f"{one['limit']:.2f}"
    line = f"{said:48s}{one['median']:8.2f}{limit:>8s}"
    if one["floor"] is None:
        return line
    short = one["median"] / one["floor"] - 1
    return f"{line}{one['floor']:7g} " + ("met" if one["met"] else f"{100 * short:.0f} %")


def to_markdown(record: Mapping[str, Any]) -> str:
    """Lay a record out as the tables of docs/streaming.md."""
    lines = ["| way | CPU s / 10,000 | samples/s | first batch, s | anonymous MB |"]
    lines += ["|---|---:|---:|---:|---:|"]
    for name, one in record["medians"].items():
        limit = name in (COPY, DECODE) or name.startswith("cat")
        first = "" if limit else f"{one['first_batch_s']:.3f}"
        anon = "" if limit else f"{one['anon_mb']:.0f}"
        cells = (name, f"{one['cpu_s']:.3f}", f"{one['samples_s']:,.0f}", first, anon)
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| times as fast, per CPU second | median | least to most | limit | floor | |"]
    lines += ["|---|---:|---:|---:|---:|---|"]
    for one in record["ratios"]:
        floor = "" if one["floor"] is None else f"{one['floor']:g}"
        met = "met" if one["met"] else "" if one["floor"] is None else f"missed, {_share(one)}"
        limit = "" if one["limit"] is None else f"{one['limit']:.2f}"
        span = f"{one['least']:.2f} to {one['most']:.2f}"
        lines.append(
            f"| {one['of']} : {one['to']} | {one['median']:.2f} | {span} | {floor} | {met} |"
        )
    if record["cold"]:
        lines += ["", "| cold | CPU s / 10,000 | samples/s |", "|---|---:|---:|"]
        for name, one in record["cold"].items():
            lines.append(f"| {name} | {one['cpu_s']:.3f} | {one['samples_s']:,.0f} |")
    return "\n".join(lines)


def _share(one: Mapping[str, Any]) -> str:
    return f"{100 * (one['median'] / one['floor'] - 1):.0f} %"


def as_records(ratios: Sequence[Ratio]) -> list[dict[str, Any]]:
    """Turn ratios into what JSON holds."""
    return [asdict(one) for one in ratios]
