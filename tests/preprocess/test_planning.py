import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess.planning import Plan, Settings, plan_shards
from preprocess.register import map_points
from preprocess.samples import to_layout
from preprocess.shard_names import choose_bits
from preprocess.split import Move, Split, find_split
from tests.preprocess.manifests import (
    ALIGNED,
    Rows,
    make_crop,
    make_group,
    make_manifests,
    make_pair,
)

SETTINGS = Settings(size=64, fit="pad", inset=0.0, caption="keep", shard_mb=256)


STRIDE = to_layout(64, paired=False).stride


def count(made: Plan) -> Counter[str]:
    return Counter(job.info.split for shard in made.shards for job in shard.jobs)


def plan(crops: list[Rows], *pairs: Rows, layout: Settings = SETTINGS) -> Plan:
    return plan_shards(make_manifests(crops, pairs), layout, released={})


ids = st.text("abcdefgh0123", min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(ids, ids, min_size=1, max_size=40))
def test_a_view_never_crosses_splits(view_of: dict[str, str]) -> None:
    crops = [make_crop(scan_id, view_id=view_id) for scan_id, view_id in view_of.items()]
    splits: dict[str, set[str]] = {}
    for shard in plan(crops).shards:
        assert shard.name.startswith(f"{shard.split}-")
        for job in shard.jobs:
            assert job.info.split == job.info.view_split == shard.split
            splits.setdefault(job.info.view_id, set()).add(shard.split)
    assert splits == {view_id: {str(find_split(view_id))} for view_id in view_of.values()}


@settings(max_examples=60, deadline=None)
@given(st.sets(ids, min_size=1, max_size=40), ids, st.floats(1, 50))
def test_one_scan_more_changes_one_shard(scans: set[str], extra: str, strides: float) -> None:
    layout = replace(SETTINGS, shard_mb=strides * STRIDE / 1e6)
    before = plan([make_crop(scan) for scan in scans - {extra}], layout=layout)
    after = plan([make_crop(scan) for scan in scans | {extra}], layout=layout)
    bits = [choose_bits(count(made), size=64, shard_mb=layout.shard_mb) for made in (before, after)]
    if bits[0] != bits[1]:
        # A doubling: every shard that has two halves is written anew, once.
        assert bits[1] == bits[0] + 1
        return
    changed = {shard.name: shard for shard in after.shards if shard not in before.shards}
    assert len(changed) == 1
    assert extra in {job.info.scan_id for job in next(iter(changed.values())).jobs}
    kept = {shard.name for shard in before.shards} - {shard.name for shard in after.shards}
    assert kept == set()


def test_the_hash_of_the_key_gives_shard_and_place() -> None:
    crops = [make_crop(f"ppmsc.{number:05d}") for number in range(200)]
    layout = replace(SETTINGS, shard_mb=60 * STRIDE / 1e6)  # of which train has some 160
    shards = plan(crops, layout=layout).shards
    assert [shard.name for shard in shards] == sorted(shard.name for shard in shards)
    for shard in shards:
        digests = [hashlib.sha256(job.info.key.encode()).hexdigest() for job in shard.jobs]
        assert digests == sorted(digests)
        assert {int(digest[0], 16) >> 2 for digest in digests} == {int(shard.name[-10:-4])}
    assert [shard.name for shard in shards if shard.split == "train"] == [
        f"train-{number:06d}.tar" for number in range(4)
    ]


def test_what_fits_lies_in_one_shard_a_split() -> None:
    shards = plan([make_crop(f"scan{number}") for number in range(100)]).shards
    assert [shard.name for shard in shards] == [
        "test-000000.tar",
        "train-000000.tar",
        "val-000000.tar",
    ]


def test_a_pair_is_cut_like_its_print_and_keeps_its_views_split() -> None:
    whole = [0.0, 0.0, 300.0, 0.0, 300.0, 200.0, 0.0, 200.0]
    negative = make_crop(
        "n.1", role="negative", view_id="c.1", width=300, height=200, corners=whole
    )
    layout = replace(SETTINGS, inset=0.02)
    shards = plan([make_crop("c.1"), negative], make_pair("n.1", "c.1"), layout=layout).shards
    (pair,) = next(shard for shard in shards if shard.split == "pairs").jobs
    (colour,) = next(shard for shard in shards if shard.split != "pairs").jobs
    assert (pair.info.split, pair.info.view_split) == ("pairs", colour.info.split)
    assert (pair.info.source_width, pair.info.source_height) == (300, 200)
    assert pair.colour == colour.colour
    assert pair.placement == colour.placement
    assert pair.negative is not None
    assert pair.negative.path == "scans/n.1.jpg"
    corners = np.reshape(colour.colour.corners, (4, 2))
    moved = map_points(corners, np.reshape(ALIGNED, (3, 3)))
    assert pair.negative.corners == pytest.approx(tuple(moved.ravel()))


def test_a_pair_shows_nothing_of_the_negatives_mount() -> None:
    negative = make_crop("n.1", role="negative", view_id="c.1", width=300, height=200)
    shards = plan([make_crop("c.1"), negative], make_pair("n.1", "c.1")).shards
    (pair,) = next(shard for shard in shards if shard.split == "pairs").jobs
    assert pair.negative is not None
    left, top, right, bottom = (negative["corners"][place] for place in (0, 1, 4, 5))
    x, y = np.reshape(pair.negative.corners, (4, 2)).T
    assert left - 1e-3 <= x.min() and x.max() <= right + 1e-3
    assert top - 1e-3 <= y.min() and y.max() <= bottom + 1e-3


def test_the_print_is_measured_and_placed() -> None:
    (shard,) = plan([make_crop("c.1")]).shards
    (job,) = shard.jobs
    assert (job.print_width, job.print_height) == (100, 60)
    assert job.info.valid == (13, 0, 51, 64)
    assert (job.title, job.rights, job.info.item_id) == ("Title of c.1", "none known", "item-c.1")


def test_every_crop_is_accounted_for() -> None:
    crops = [
        make_crop("a"),
        make_crop("b", state="unreadable", reason="unreadable", corners=[]),
        make_crop("c.d"),
        make_crop("folded", corners=[0.0, 0, 0, 50, 50, 50, 50, 0]),
        make_crop("c-d"),
        make_crop("x" * 91),
        make_crop("n", role="negative"),
    ]
    lost = make_pair("n", None, state="rejected", reason="no_colour_scan", homography=[])
    made = plan(crops, lost)
    written = [job.info.scan_id for shard in made.shards for job in shard.jobs]
    rejected = {row.scan_id: (row.state, row.reason, row.shard) for row in made.rejected}
    assert sorted(written) == ["a", "c-d"]
    assert rejected == {
        "b": ("rejected", "unreadable", None),
        "c.d": ("rejected", "key_taken", None),
        "folded": ("rejected", "bad_corners", None),
        "x" * 91: ("rejected", "bad_name", None),
        "n": ("rejected", "no_colour_scan", None),
    }
    assert next(row.split for row in made.rejected if row.scan_id == "n") == "pairs"


def test_manifests_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="run the pairs stage again"):
        plan([make_crop("n", role="negative")])
    whole = make_manifests([make_crop("a")])
    with pytest.raises(ValueError, match="run the crop stage again"):
        plan_shards(replace(whole, scans=[]), SETTINGS, released={})
    for groups in ([], [make_group("a", "another")]):
        with pytest.raises(ValueError, match="a: cropped in view a, but grouped in"):
            plan_shards(replace(whole, groups=groups), SETTINGS, released={})


def test_a_released_view_keeps_its_split_under_another_name_and_by_a_duplicate() -> None:
    new = find_split("a")
    kept = next(split for split in Split if split is not new)
    manifests = make_manifests(
        [make_crop("a"), make_crop("n", role="negative", view_id="a")],
        [make_pair("n", "a")],
        duplicates=[make_group("copy", "a", state="duplicate")],
    )
    made = plan_shards(manifests, SETTINGS, released={"copy": ("copy", kept)})
    jobs = [job.info for shard in made.shards for job in shard.jobs]
    assert {(info.split, info.view_split) for info in jobs} == {(kept, kept), ("pairs", kept)}
    assert made.split_of == {"a": kept}
    assert made.moved == ()


def test_a_merge_moves_a_released_view_into_train_and_the_plan_names_it() -> None:
    manifests = make_manifests([make_crop("a"), make_crop("b", view_id="a")])
    released = {"a": ("a", Split.TEST), "b": ("b", Split.VAL)}
    made = plan_shards(manifests, SETTINGS, released=released)
    assert {shard.split for shard in made.shards} == {"train"}
    assert made.moved == (
        Move("a", "a", Split.TEST, Split.TRAIN),
        Move("b", "a", Split.VAL, Split.TRAIN),
    )


def test_a_rejected_sample_has_its_views_released_split() -> None:
    manifests = make_manifests([make_crop("a", state="unreadable", corners=[])])
    (row,) = plan_shards(manifests, SETTINGS, released={"a": ("z", Split.VAL)}).rejected
    assert (row.split, row.view_split) == ("val", "val")


CAPTION = [0.1, 0.9, 0.5, 0.95]


def test_a_caption_is_kept_or_trimmed_by_the_setting_alone() -> None:
    crops = [make_crop("with", caption=CAPTION), make_crop("without")]
    heights = {
        (word, job.info.scan_id): job.print_height
        for word in ("keep", "trim")
        for shard in plan(crops, layout=replace(SETTINGS, caption=word)).shards
        for job in shard.jobs
    }
    assert heights[("keep", "with")] == heights[("keep", "without")] == 60
    assert heights[("trim", "without")] == 60
    assert 48 <= heights[("trim", "with")] <= 54


def test_the_inset_is_taken_after_the_caption_is_trimmed() -> None:
    layout = replace(SETTINGS, caption="trim", inset=0.02)
    (shard,) = plan([make_crop("a", caption=CAPTION)], layout=layout).shards
    (untrimmed,) = plan([make_crop("a", caption=CAPTION)], layout=replace(layout, inset=0.0)).shards
    inner, outer = (np.reshape(one.jobs[0].colour.corners, (4, 2)) for one in (shard, untrimmed))
    away = 0.02 * (outer[3, 1] - outer[0, 1])
    assert np.abs(inner - outer) == pytest.approx(np.full((4, 2), away), abs=1e-3)


def test_a_pair_shows_the_print_without_its_caption_too() -> None:
    whole = [0.0, 0.0, 300.0, 0.0, 300.0, 200.0, 0.0, 200.0]
    negative = make_crop("n", role="negative", view_id="c", corners=whole)
    crops = [make_crop("c", caption=CAPTION), negative]
    shards = plan(crops, make_pair("n", "c"), layout=replace(SETTINGS, caption="trim")).shards
    (pair,) = next(shard for shard in shards if shard.split == "pairs").jobs
    (colour,) = next(shard for shard in shards if shard.split != "pairs").jobs
    assert pair.colour == colour.colour
    assert pair.placement == colour.placement
