from typing import Any

import numpy as np

from harvest.records import Role
from preprocess.features import Features
from preprocess.likeness import (
    CROWD,
    Print,
    ScanHash,
    ScanJob,
    find_copies,
    plan_hashes,
    propose_pairs,
)
from preprocess.records import Outcome

NO_FEATURES = Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))
FAR = 2**64 - 1
ALONE = 0x0F0F0F0F0F0F0F0F


def make_scan(
    scan_id: str,
    *,
    item_id: str = "",
    role: Role = Role.COLOUR,
    phash: int = 0,
    turned: int = ALONE,
    sha256: str = "",
    readable: bool = True,
) -> ScanHash:
    found = Print((phash,) * 3 + (turned,) * 3, NO_FEATURES, (0.0,) * 8, (350, 512), 100.0)
    job = ScanJob(
        scan_id, item_id or f"item-{scan_id}", role, f"scans/{scan_id}.jpg", sha256=sha256
    )
    return ScanHash(job, found if readable else None)


def name_pairs(scans: list[ScanHash], radius: int = 3) -> list[tuple[str, str]]:
    pairs = propose_pairs(scans, radius=radius)
    return [(pair.one.job.scan_id, pair.other.job.scan_id) for pair in pairs]


def test_one_item_is_proposed_whatever_the_hash_says() -> None:
    scans = [
        make_scan("c", item_id="one", phash=FAR),
        make_scan("a", item_id="one"),
        make_scan("b", phash=0b111),
        make_scan("n", item_id="one", role=Role.NEGATIVE),
        make_scan("u", item_id="one", readable=False),
    ]
    assert name_pairs(scans) == [("a", "b"), ("a", "c")]
    assert name_pairs(scans[3:], radius=64) == []


def test_an_item_of_very_many_scans_is_proposed_by_hash_alone() -> None:
    rng = np.random.default_rng(0)
    scans = [
        make_scan(f"{n:02d}", item_id="all", phash=int(value))
        for n, value in enumerate(rng.integers(0, 2**64, 40, np.uint64, endpoint=False))
    ]
    assert name_pairs(scans) == []


def test_a_mirrored_print_is_proposed_turned_over_alone() -> None:
    scans = [make_scan("a", phash=0), make_scan("b", phash=FAR, turned=0b1)]
    (pair,) = propose_pairs(scans, radius=3)
    assert (pair.straight, pair.turned, pair.distance) == (False, True, 1)


def test_files_with_the_same_bytes_are_one_scan_and_compared_once() -> None:
    scans = [
        make_scan("b", sha256="x"),
        make_scan("a", sha256="x"),
        make_scan("c", sha256="x"),
        make_scan("d", sha256="y"),
        make_scan("n", sha256="x", role=Role.NEGATIVE),
    ]
    copies = find_copies(scans)
    assert [(copy.scan_id, copy.other_id) for copy in copies] == [("a", "b"), ("a", "c")]
    assert {(copy.outcome, copy.score) for copy in copies} == {(Outcome.SAME_SCAN, 1.0)}
    assert name_pairs(scans) == [("a", "d")]


def test_five_thousand_scans_all_alike_are_not_compared_two_by_two() -> None:
    rng = np.random.default_rng(0)
    scans = [
        make_scan(f"{n:04d}", phash=1 << int(bit))
        for n, bit in enumerate(rng.integers(0, 64, 5000))
    ]
    outside = make_scan("z", phash=0b111110)
    pairs = name_pairs([*scans, outside], radius=18)
    assert len(pairs) < 5 * len(scans)
    assert {scan.job.scan_id for scan in scans} <= {name for pair in pairs for name in pair}
    assert [one for one, other in pairs if other == "z"] == ["0000", "0001", "0002"]


def test_a_few_scans_alike_are_compared_two_by_two() -> None:
    few = CROWD // 2
    scans = [make_scan(f"{n:02d}") for n in range(few)]
    assert len(name_pairs(scans)) == few * (few - 1) // 2


def test_stored_scans_are_hashed_with_the_number_of_their_item() -> None:
    def row(scan_id: str, item_id: str, state: str = "stored") -> dict[str, Any]:
        about = {"role": "colour", "path": f"scans/{scan_id}.jpg", "sha256": "00", "size_bytes": 7}
        return {"scan_id": scan_id, "item_id": item_id, "state": state, **about}

    scans = [row("a", "one"), row("b", "two"), row("c", "two", state="missing")]
    catalog = [
        {"item_id": "one", "print_number": " 8335 "},
        {"item_id": "one", "print_number": " 8335 "},
        {"item_id": "three", "print_number": "9"},
    ]
    jobs = plan_hashes(scans, catalog)
    assert [(job.scan_id, job.number, job.sha256, job.size_bytes) for job in jobs] == [
        ("a", "8335", "00", 7),
        ("b", "", "00", 7),
    ]
