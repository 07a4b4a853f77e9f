from dataclasses import replace

from preprocess.composition import Composition, Manifests, count_composition, group_views
from preprocess.split import Split
from tests.preprocess.manifests import (
    make_crop,
    make_group,
    make_link,
    make_manifests,
    make_pair,
    make_record,
)


def make_set() -> Manifests:
    """Two views: one of a print, its duplicate and two negatives; one of a print beside it."""
    crops = [
        make_crop("a", mount="white", caption=[0.1, 0.9, 0.2, 0.95]),
        make_crop("d", flagged=True, reason="low_confidence"),
        make_crop("n1", role="negative", view_id="a"),
        make_crop("n2", role="negative", view_id="a", reason="corrected"),
    ]
    pairs = [
        make_pair("n1", "a"),
        make_pair("n2", "a", state="rejected", reason="poor_fit", homography=[]),
    ]
    near, far = make_link("d", score=0.71), make_link("b", outcome="same_print", by="person")
    other = [make_link("a", score=0.71), make_link("x", score=0.4)]
    duplicates = [
        make_group("b", "a", state="duplicate", links=[make_link("a", by="person")]),
        make_group("x", "x", state="unreadable", reason="unreadable"),
    ]
    made = make_manifests(crops, pairs, duplicates=duplicates)
    links = {"a": [far, near], "d": other}
    groups = [dict(row) | {"links": links.get(row["scan_id"], row["links"])} for row in made.groups]
    catalog = [
        *made.catalog,
        make_record("elsewhere", modified="2025-01-01T00:00:00Z", date_to=1990),
        make_record("d", modified="2019-11-20", date_from=None, date_to=None),
    ]
    return replace(made, groups=groups, catalog=catalog)


SPLITS = {"a": Split.TRAIN, "d": Split.TEST, "x": Split.TRAIN}


def test_a_set_is_counted() -> None:
    assert count_composition(make_set(), source="loc", splits=SPLITS) == Composition(
        source="loc",
        newest="2019-11-20",
        first_year=1890,
        last_year=1900,
        colour=3,
        negatives=2,
        unreadable=1,
        prints=2,
        duplicates=1,
        views=2,
        largest_view=4,
        by_person=1,
        near=2,
        nearest=0.71,
        mounts=(("black", 3), ("white", 1)),
        captions=1,
        flagged=1,
        corrected=1,
        aligned=1,
        not_aligned=(("poor_fit", 1),),
    )


def test_order_does_not_matter() -> None:
    made = make_set()
    turned = Manifests(
        catalog=made.catalog[::-1],
        scans=made.scans[::-1],
        groups=made.groups[::-1],
        crops=made.crops[::-1],
        pairs=made.pairs[::-1],
    )
    counts = [count_composition(one, source="", splits=SPLITS) for one in (made, turned)]
    assert counts[0] == counts[1]


def test_comparisons_within_a_split_are_no_leak() -> None:
    within = dict.fromkeys(SPLITS, Split.VAL)
    counted = count_composition(make_set(), source="", splits=within)
    assert (counted.near, counted.nearest) == (0, 0.0)


def test_pictures_of_ones_own_bear_no_date() -> None:
    made = make_set()
    own = [dict(row) | {"modified": "sha256:2f7c", "date_from": None} for row in made.catalog]
    counted = count_composition(replace(made, catalog=own), source="folder", splits=SPLITS)
    assert counted.newest == ""


def test_no_scans_are_counted_as_none() -> None:
    nothing = Manifests(catalog=[], scans=[], groups=[], crops=[], pairs=[])
    assert count_composition(nothing, source="folder", splits={}) == Composition(source="folder")


def test_a_view_has_all_its_scans() -> None:
    views = group_views(make_set().groups)
    assert {view: sorted(scans) for view, scans in views.items()} == {
        "a": ["a", "b", "n1", "n2"],
        "d": ["d"],
        "x": ["x"],
    }
