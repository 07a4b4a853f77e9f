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
from preprocess.inks import measure_inks
from preprocess.lab import to_lab, to_rgb
from preprocess.likeness import Comparison, Outcome, ScanHash, ScanJob, propose_pairs

Scene = Callable[..., np.ndarray]
Store = Callable[[str, np.ndarray], str]

SAME_VIEW = 0.75
RADIUS = 18


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
    }
    jobs = [make_job(scan_id, store(scan_id, pictures[scan_id])) for scan_id in pictures]
    rows = group_scans(*dedupe(jobs, tmp_path))
    assert {row.scan_id: (row.group_id, row.view_id) for row in rows} == {
        "a-first": ("a-first", "a-first"),
        "b-again": ("a-first", "a-first"),
        "c-mounted": ("a-first", "a-first"),
        "d-inks": ("d-inks", "a-first"),
        "e-second": ("e-second", "e-second"),
        "f-second": ("e-second", "e-second"),
        "g-other": ("g-other", "g-other"),
    }
    assert [row.scan_id for row in rows if row.kept] == ["a-first", "d-inks", "e-second", "g-other"]


def test_an_unreadable_scan_is_a_scan_without_a_print(
    scene: Scene, store: Store, tmp_path: Path
) -> None:
    good = make_job("good", store("good", scene(1)))
    (tmp_path / "scans" / "bad.jpg").write_bytes(b"no picture")
    jobs = [make_job("bad", "scans/bad.jpg"), good, make_job("none", "scans/none.jpg")]
    scans = hash_scans(jobs, data=tmp_path)
    assert [scan.found is None for scan in scans] == [True, False, True]
    assert [row.state for row in group_scans(scans, [])] == ["unreadable", "kept", "unreadable"]


def test_a_scan_lost_while_comparing_stops_the_stage(
    scene: Scene, store: Store, tmp_path: Path
) -> None:
    jobs = [make_job(scan_id, store(scan_id, scene(1))) for scan_id in ("a", "b")]
    scans = hash_scans(jobs, data=tmp_path)
    (tmp_path / jobs[0].path).unlink()
    with pytest.raises(ScanError):
        compare_scans([(scans[0], scans[1])], data=tmp_path, same_view=SAME_VIEW)


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


def test_a_tint_and_fading_are_not_other_inks(scene: Scene) -> None:
    ab = np.ascontiguousarray(to_lab(scene(5))[..., 1:])
    faded = (0.7 * ab + np.array([4, -6])).astype(np.float32)
    turned = np.ascontiguousarray(ab[..., ::-1])
    assert measure_inks(ab, faded, np.eye(3)) < 0.01
    assert measure_inks(ab, turned, np.eye(3)) > 0.6
    assert measure_inks(np.zeros_like(ab), np.zeros_like(ab), np.eye(3)) == 0.0
    aside = np.array([[1.0, 0, 9999], [0, 1, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="overlap"):
        measure_inks(ab, ab, aside)


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
        ("gb-england-devonshire-torquay", "gb-station-321-torquay"): Outcome.SAME_PRINT,
        ("gb-england-devonshire-brixham", "gb-station-322-brixham"): Outcome.SAME_PRINT,
    }
    rows = {row.scan_id: row for row in group_scans(scans, comparisons)}
    assert [row.scan_id for row in rows.values() if not row.kept] == [
        "gb-station-321-torquay",
        "gb-station-322-brixham",
    ]
