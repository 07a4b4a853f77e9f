"""How well dedupe tells scans apart: a labelled set of generated and real prints.

Rescans, recolourings, other crops, mirrored scans, copies of one file, copy negatives and
lookalikes; what is true of each pair is known. Run it from the repository:
`python bench/dedupe_truth.py`. It writes bench/results/dedupe_truth.json. The constants were
chosen on seeds 1 to 3.
"""

import argparse
import hashlib
import io
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import _changes as changes
import numpy as np
from _record import write_record
from PIL import Image

from harvest.records import Role
from preprocess.dedupe import compare_scans, hash_scans
from preprocess.groups import group_scans
from preprocess.images import read_rgb
from preprocess.likeness import plan_hashes, propose_pairs
from preprocess.records import Outcome
from replica.catalogue import list_rows
from replica.records import DrawnScan
from replica.scan import draw_scan

HERE = Path(__file__).resolve().parent
PRINTS = HERE.parents[1] / "shared" / "photochroms"
KNOWN = {
    "gb-station-321-torquay": "gb-england-devonshire-torquay",
    "gb-station-322-brixham": "gb-england-devonshire-brixham",
}
"""Two scans of one print each, says ../shared/photochroms/README.md."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is true of a scan; two with one `picture` are one scan, perhaps stored twice."""

    scan_id: str
    item_id: str
    role: str
    kind: str
    picture: str
    sheet: str
    view: str
    turned: bool = False
    number: str = ""


def relation(one: Known, other: Known) -> Outcome:
    """Say what two scans truly are to each other."""
    if one.view != other.view:
        return Outcome.DIFFERENT
    if one.turned != other.turned:
        return Outcome.MIRRORED
    if one.sheet != other.sheet:
        return Outcome.SAME_VIEW
    return Outcome.SAME_SCAN if one.picture == other.picture else Outcome.SAME_PRINT


def make(rgb: np.ndarray, base: Known, seed: int, *, first: bool) -> Iterator[tuple[Known, Any]]:
    """Make further scans of a print, and of the first scan of a sheet other editions of its plate.

    A second scan's editions would be others by the seed and the same by name.
    """
    rng = np.random.default_rng([seed, *hashlib.sha256(base.scan_id.encode()).digest()[:8]])

    def named(kind: str, **other: Any) -> Known:
        scan_id = f"{base.scan_id}-{kind}"
        truth = {"picture": scan_id, "item_id": f"item-{scan_id}", **other}
        return replace(base, scan_id=scan_id, kind=kind, **truth)

    yield named("rescan"), changes.scan_again(rgb, rng)
    chance = rng.random(6)
    if chance[0] < 0.5:
        yield named("rescan2"), changes.scan_again(rgb, rng)
    if chance[1] < 0.4:
        yield named("stored", picture=base.picture), changes.store_again(rgb, rng)
    if chance[2] < 0.5 and first and changes.is_colourful(rgb):
        inks = changes.reink(rgb, rng) if chance[3] < 0.8 else changes.reink_brown(rgb, rng)
        sheet = f"{base.sheet}-inks"
        yield named("inks", sheet=sheet), changes.scan_again(inks, rng)
        if chance[3] < 0.4:
            yield named("inks-rescan", sheet=sheet), changes.scan_again(inks, rng)
    if chance[4] < 0.25 and first:
        sheet, number = f"{base.sheet}-trim", "" if chance[3] < 0.5 else "77"
        trimmed = changes.scan_again(changes.trim(rgb, rng), rng, cut=0.01)
        yield named("trim", sheet=sheet, number=number), trimmed
    if chance[5] < 0.25:
        yield named("mirror", turned=True), changes.scan_again(changes.mirror(rgb), rng)
    elif chance[5] < 0.45:
        negative = named("negative", item_id=base.item_id, role=Role.NEGATIVE)
        yield negative, changes.copy_on_film(rgb, rng)


def real_scans(seed: int) -> Iterator[tuple[Known, np.ndarray]]:
    """Read the real prints, and make further scans of them, without the mounts of four."""
    lines = [line.split("\t") for line in (PRINTS / "crops.tsv").read_text().splitlines()[1:]]
    corners = {name: np.array(numbers, float) for name, *numbers in lines}
    for path in sorted(PRINTS.glob("*.jpg")):
        sheet = KNOWN.get(path.stem, path.stem)
        rgb = read_rgb(path)
        base = Known(path.stem, f"item-{path.stem}", Role.COLOUR, "real", path.stem, sheet, sheet)
        yield base, rgb
        if path.name in corners:
            x, y = np.sort(corners[path.name].reshape(4, 2), axis=0).T.round().astype(int)
            rgb = np.ascontiguousarray(rgb[y[1] : y[2], x[1] : x[2]])
        yield from make(rgb, base, seed, first=path.stem not in KNOWN)


def generated_scans(items: int, seed: int) -> Iterator[tuple[Known, np.ndarray]]:
    """Draw the replica's scans as the Library serves them, with its numbers and negatives."""
    made: set[str] = set()
    for row in list_rows(items, seed):
        for resource in row.resources:
            scan = resource.scan
            if not isinstance(scan, DrawnScan):
                continue
            picture = Image.fromarray(draw_scan(scan, 1280)).convert("RGB")
            picture.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
            known = Known(
                resource.digital_id,
                row.item_id,
                str(resource.role),
                "generated",
                resource.digital_id,
                scan.sheet.print_id,
                scan.sheet.view.view_id,
                number=str(scan.sheet.number),
            )
            yield known, np.array(picture)
            if resource.role == Role.COLOUR and int(row.item_id) % 4 == 0:
                base = replace(known, number="")
                yield from make(np.array(picture), base, seed, first=known.sheet not in made)
                made.add(known.sheet)


def write_set(folder: Path, *, seed: int, items: int) -> list[Known]:
    """Write the labelled set as JPEG below a folder; what is there stays."""
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    for source in (real_scans(seed), generated_scans(items, seed)):
        for known, rgb in source:
            path = folder / f"{known.scan_id}.jpg"
            made.append(known)
            if not path.exists():
                packed = io.BytesIO()
                Image.fromarray(rgb).save(packed, "JPEG", quality=92)
                path.write_bytes(packed.getvalue())
    return made


def to_jobs(made: list[Known], folder: Path) -> list[Any]:
    """Plan the hashing of a set as the flow does from its manifests."""
    rows = []
    for known in made:
        content = (folder / f"{known.scan_id}.jpg").read_bytes()
        rows.append(
            {
                "scan_id": known.scan_id,
                "item_id": known.item_id,
                "role": known.role,
                "path": f"{known.scan_id}.jpg",
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_bytes": len(content),
                "state": "stored",
            }
        )
    return plan_hashes(rows, [{"item_id": k.item_id, "print_number": k.number} for k in made])


def run_stage(made: list[Known], folder: Path, *, radius: int, same_view: float) -> dict[str, Any]:
    """Run dedupe on a set, in this process, and time its steps in CPU seconds."""
    began = time.process_time()
    scans = hash_scans(to_jobs(made, folder), data=folder)
    hashed = time.process_time()
    pairs = propose_pairs(scans, radius=radius)
    proposed = time.process_time()
    comparisons = compare_scans(pairs, data=folder, same_view=same_view)
    compared = time.process_time()
    rows = group_scans(scans, comparisons, {})
    return {
        "rows": {row.scan_id: row for row in rows},
        "comparisons": {(one.scan_id, one.other_id): one for one in comparisons},
        "hash_ms_a_scan": 1e3 * (hashed - began) / len(scans),
        "propose_s": proposed - hashed,
        "compare_ms_a_pair": 1e3 * (compared - proposed) / max(1, len(pairs)),
        "proposals": len(pairs),
    }


def count_pairs(made: list[Known], ran: dict[str, Any]) -> dict[str, Any]:
    """Hold what dedupe said of every pair of colour scans against the truth."""
    table: dict[str, Counter[str]] = {outcome: Counter() for outcome in Outcome}
    sums = {"print": Counter(), "view": Counter(), "compared": Counter()}
    wrong = []
    colour = sorted((one for one in made if one.role == Role.COLOUR), key=lambda k: k.scan_id)
    one_print = (Outcome.SAME_SCAN, Outcome.SAME_PRINT)
    for one, other in combinations(colour, 2):
        true = relation(one, other)
        found = ran["comparisons"].get((one.scan_id, other.scan_id))
        table[true][found.outcome if found else "not proposed"] += 1
        row1, row2 = ran["rows"][one.scan_id], ran["rows"][other.scan_id]
        joined = row1.group_id == row2.group_id, row1.view_id == row2.view_id
        told = found is not None and found.outcome in one_print
        sums["print"][true in one_print, joined[0]] += 1
        sums["view"][true is not Outcome.DIFFERENT, joined[1]] += 1
        sums["compared"][true in one_print, told] += found is not None
        if joined[0] != (true in one_print) or joined[1] != (true is not Outcome.DIFFERENT):
            figures = None if found is None else [found.outcome, round(found.score, 3), found.inks]
            wrong.append([one.scan_id, other.scan_id, true, joined, figures])
    return {
        "confusion": {true: dict(sorted(said.items())) for true, said in table.items()},
        **{name: to_rates(counts) for name, counts in sums.items()},
        "wrong": wrong[:40],
    }


def to_rates(counts: Counter[tuple[bool, bool]]) -> dict[str, float]:
    """Work out precision and recall from counts of (true, said)."""
    hits, false, missed = counts[True, True], counts[False, True], counts[True, False]
    return {
        "true": hits + missed,
        "found": hits,
        "false": false,
        "precision": round(hits / max(1, hits + false), 5),
        "recall": round(hits / max(1, hits + missed), 5),
    }


def check_negatives(made: list[Known], ran: dict[str, Any]) -> dict[str, int]:
    """Count the negatives that carry the view of their item, and those merged."""
    rows = ran["rows"]
    colour = {one.item_id: rows[one.scan_id] for one in made if one.role == Role.COLOUR}
    negatives = [one for one in made if one.role == Role.NEGATIVE]
    right = [rows[one.scan_id].view_id == colour[one.item_id].view_id for one in negatives]
    merged = [rows[one.scan_id].group_id != one.scan_id for one in negatives]
    return {"negatives": len(negatives), "with_their_view": sum(right), "merged": sum(merged)}


def check_real(ran: dict[str, Any]) -> dict[str, Any]:
    """Say what was found of the pairs that are known among the real prints."""
    known = {**KNOWN, "gb-england-surrey-kew": "gb-england-hampshire-netley-abbey"}
    said = {}
    for pair in known.items():
        found = ran["comparisons"].get((min(pair), max(pair)))
        said[" / ".join(sorted(pair))] = found.outcome if found else "not proposed"
    return said


def main() -> None:
    """Make the set, run dedupe on it, and write what it got right and wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--items", type=int, default=240)
    parser.add_argument("--radius", type=int, default=16)
    parser.add_argument("--same-view", type=float, default=0.75)
    parser.add_argument("--folder", type=Path, help="keep the pictures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        made = write_set(folder, seed=arguments.seed, items=arguments.items)
        ran = run_stage(made, folder, radius=arguments.radius, same_view=arguments.same_view)
    content = {
        "settings": {name: value for name, value in vars(arguments).items() if name != "folder"},
        "scans": dict(Counter(one.kind for one in made)),
        **{name: value for name, value in ran.items() if name not in ("rows", "comparisons")},
        **count_pairs(made, ran),
        **check_negatives(made, ran),
        "real": check_real(ran),
    }
    path = write_record("dedupe_truth", packages=("opencv-python-headless", "numpy"), **content)
    sys.stdout.write(path.read_text())


if __name__ == "__main__":
    main()
