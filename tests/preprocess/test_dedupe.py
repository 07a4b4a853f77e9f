import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from harvest.records import Role
from preprocess.dedupe import compare_scans, hash_scans
from preprocess.errors import ScanError
from preprocess.groups import group_scans
from preprocess.lab import to_lab, to_rgb
from preprocess.likeness import Comparison, Pair, ScanHash, ScanJob, propose_pairs
from preprocess.records import Outcome

Scene = Callable[..., np.ndarray]
Store = Callable[[str, np.ndarray], str]

SAME_VIEW = 0.75
RADIUS = 16


LOOKALIKES = (
    *("torquay", "brixham", "netley", "kew", "marseille", "bangor", "chepstow", "richmond"),
    *("tunbridge", "hampton", "barmouth", "shrewsbury", "llanrwst", "alpine", "fantoft"),
)
"""The two known pairs, all other prints whose hashes lie within 16, and some with a mount."""


def make_job(scan_id: str, path: str) -> ScanJob:
    return ScanJob(scan_id, f"item-{scan_id}", Role.COLOUR, path)


def dedupe(jobs: Sequence[ScanJob], data: Path) -> tuple[list[ScanHash], list[Comparison]]:
    scans = hash_scans(jobs, data=data)
    pairs = propose_pairs(scans, radius=RADIUS)
    return scans, compare_scans(pairs, data=data, same_view=SAME_VIEW)


def change_inks(rgb: np.ndarray) -> np.ndarray:
    """Print from the same plate in other inks: hues turned, lightness moved with them."""
    lab = to_lab(rgb)
    a, b = lab[..., 1].copy(), lab[..., 2].copy()
    lab[..., 0] = np.clip(lab[..., 0] + 0.15 * a - 0.1 * b, 0, 100)
    lab[..., 1], lab[..., 2] = -b, a
    return to_rgb(lab)


def mount(rgb: np.ndarray) -> np.ndarray:
    """Lay a print on a dark mount, as the Library scans it."""
    return np.pad(rgb, ((24, 20), (22, 26), (0, 0)), constant_values=22)


def test_copies_variants_and_other_views_are_told_apart(
    scene: Scene, rescan: Scene, store: Store, tmp_path: Path
) -> None:
    first, second = scene(11), scene(12)
    pictures = {
        "a-first": first,
        "b-again": rescan(first),
        "c-mounted": mount(rescan(first, crop=0.02, degrees=0.5)),
        "d-inks": rescan(change_inks(first), degrees=-0.7),
        "e-second": second,
        "f-second": rescan(second, degrees=-1.0, gamma=0.85),
        "g-other": scene(13),
        "h-half": rescan(first[60:330, 120:450], crop=0.0, degrees=-0.3),
        "i-mirror": rescan(first)[:, ::-1],
        "j-stored": cv2.resize(second, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA),
    }
    jobs = [make_job(scan_id, store(scan_id, pictures[scan_id])) for scan_id in pictures]
    rows = group_scans(*dedupe(jobs, tmp_path), {})
    assert {row.scan_id: (row.group_id, row.view_id) for row in rows} == {
        "a-first": ("a-first", "a-first"),
        "b-again": ("a-first", "a-first"),
        "c-mounted": ("a-first", "a-first"),
        "d-inks": ("d-inks", "a-first"),
        "e-second": ("e-second", "e-second"),
        "f-second": ("e-second", "e-second"),
        "g-other": ("g-other", "g-other"),
        "h-half": ("h-half", "a-first"),
        "i-mirror": ("i-mirror", "a-first"),
        "j-stored": ("e-second", "e-second"),
    }
    dropped = [row.scan_id for row in rows if not row.kept]
    assert dropped == ["b-again", "c-mounted", "f-second", "j-stored"]
    told = {row.scan_id: {link.other_id: link for link in row.links} for row in rows}
    assert told["a-first"]["d-inks"].differs == "inks"
    assert "crop" in told["a-first"]["h-half"].differs
    assert told["a-first"]["i-mirror"].outcome == "mirrored"
    assert told["e-second"]["j-stored"].outcome == "same_scan"
    assert told["e-second"]["f-second"].outcome == "same_print"


def test_an_unreadable_scan_is_a_scan_without_a_print(
    scene: Scene, store: Store, tmp_path: Path
) -> None:
    good = make_job("good", store("good", scene(1)))
    (tmp_path / "scans" / "bad.jpg").write_bytes(b"no picture")
    jobs = [make_job("bad", "scans/bad.jpg"), good, make_job("none", "scans/none.jpg")]
    scans = hash_scans(jobs, data=tmp_path)
    assert [scan.found is None for scan in scans] == [True, False, True]
    rows = group_scans(scans, [], {})
    assert [row.state for row in rows] == ["unreadable", "kept", "unreadable"]


def test_a_scan_lost_while_comparing_stops_the_stage(
    scene: Scene, store: Store, tmp_path: Path
) -> None:
    jobs = [make_job(scan_id, store(scan_id, scene(1))) for scan_id in ("a", "b")]
    scans = hash_scans(jobs, data=tmp_path)
    (tmp_path / jobs[0].path).unlink()
    with pytest.raises(ScanError):
        pair = Pair(scans[0], scans[1], distance=0, straight=True, turned=False)
        compare_scans([pair], data=tmp_path, same_view=SAME_VIEW)


def test_batches_change_nothing(scene: Scene, rescan: Scene, store: Store, tmp_path: Path) -> None:
    pictures = [scene(1), rescan(scene(1)), scene(2)]
    jobs = [make_job(f"s{n}", store(f"s{n}", picture)) for n, picture in enumerate(pictures)]
    scans, here = dedupe(jobs, tmp_path)
    one_by_one = [hash_scans(pickle.loads(pickle.dumps([job])), data=tmp_path) for job in jobs]
    sent = pickle.loads(
        pickle.dumps(propose_pairs([scan for (scan,) in one_by_one], radius=RADIUS))
    )
    there = [compare_scans([pair], data=tmp_path, same_view=SAME_VIEW)[0] for pair in sent]
    assert there == here
    assert [scan.job for scan in scans] == jobs


def test_corners_count_in_pixels_of_the_scan_as_stored(
    scene: Scene, store: Store, tmp_path: Path
) -> None:
    large = cv2.resize(mount(scene(1)), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    (scan,) = hash_scans([make_job("a", store("a", large))], data=tmp_path)
    assert scan.found is not None
    inner = [88, 96, 2008, 96, 2008, 1496, 88, 1496]
    assert scan.found.corners == pytest.approx(inner, abs=12)
    assert scan.found.area == pytest.approx(1920 * 1400, rel=0.02)


def test_blank_scans_are_compared_with_nothing(store: Store, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    blank = [
        np.full((200, 300, 3), 240, np.uint8) + rng.integers(0, 2, (200, 300, 1), np.uint8)
        for _ in range(3)
    ]
    jobs = [make_job(f"s{n}", store(f"s{n}", picture)) for n, picture in enumerate(blank)]
    scans = hash_scans(jobs, data=tmp_path)
    pairs = [Pair(scans[0], scans[1], 0, True, True), Pair(scans[1], scans[2], 0, True, True)]
    for job in jobs:
        (tmp_path / job.path).unlink()
    found = compare_scans(pairs, data=tmp_path, same_view=SAME_VIEW)
    assert [one.outcome for one in found] == [Outcome.DIFFERENT] * 2


@pytest.mark.shared
def test_the_real_prints_hold_two_pairs_and_no_more(shared: Path) -> None:
    cv2.setNumThreads(1)
    prints = [
        path
        for path in sorted((shared / "photochroms").glob("*.jpg"))
        if any(name in path.stem for name in LOOKALIKES)
    ]
    jobs = [make_job(path.stem, f"photochroms/{path.name}") for path in prints]
    scans, comparisons = dedupe(jobs, shared)
    proposed = {(found.scan_id, found.other_id) for found in comparisons}
    assert ("gb-england-hampshire-netley-abbey", "gb-england-surrey-kew") in proposed
    assert len(proposed) >= 7
    found = {
        (comparison.scan_id, comparison.other_id): comparison.outcome
        for comparison in comparisons
        if comparison.outcome is not Outcome.DIFFERENT
    }
    assert found == {
        ("gb-england-devonshire-torquay", "gb-station-321-torquay"): Outcome.SAME_SCAN,
        ("gb-england-devonshire-brixham", "gb-station-322-brixham"): Outcome.SAME_SCAN,
    }
    rows = {row.scan_id: row for row in group_scans(scans, comparisons, {})}
    assert [row.scan_id for row in rows.values() if not row.kept] == [
        "gb-station-321-torquay",
        "gb-station-322-brixham",
    ]
