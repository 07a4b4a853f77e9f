"""Names of the colorized copies."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colorize.outputs import plan_outputs

OUT = Path("/out")


def names(*photos: str) -> list[str]:
    return [path.name for path in plan_outputs([Path(photo) for photo in photos], OUT).values()]


@pytest.mark.parametrize(
    ("photo", "expected"),
    [
        ("/a/quay.jpg", "quay-colorized.jpg"),
        ("/a/quay.JPEG", "quay-colorized.JPEG"),
        ("/a/quay.tif", "quay-colorized.tif"),
        ("/a/quay.bmp", "quay-colorized.png"),
        ("/a/quay", "quay-colorized.png"),
        ("/a/old.quay.webp", "old.quay-colorized.webp"),
    ],
)
def test_a_copy_is_named_after_its_photograph(photo: str, expected: str) -> None:
    assert names(photo) == [expected]


def test_folders_tell_photographs_of_one_name_apart() -> None:
    assert names("/p/rome/a.jpg", "/p/paris/a.jpg", "/p/paris/b.jpg") == [
        "rome-a-colorized.jpg",
        "paris-a-colorized.jpg",
        "b-colorized.jpg",
    ]
    assert names("/one/x/a.jpg", "/two/x/a.jpg") == [
        "one-x-a-colorized.jpg",
        "two-x-a-colorized.jpg",
    ]


def test_names_do_not_depend_on_the_order_where_folders_tell_them_apart() -> None:
    assert set(names("/p/rome/a.jpg", "/p/paris/a.jpg")) == set(
        names("/p/paris/a.jpg", "/p/rome/a.jpg")
    )


def test_letters_case_alone_does_not_tell_names_apart() -> None:
    assert names("/p/A.jpg", "/p/a.jpg") == ["p-A-colorized.jpg", "p-a-colorized-2.jpg"]


def test_suffixes_that_become_png_do_not_clash() -> None:
    found = names("/p/a.gif", "/p/a.png")
    assert len(set(found)) == 2


def test_a_copy_never_takes_the_place_of_another_photograph_of_the_call() -> None:
    photos = [Path("/out/a.jpg"), Path("/out/a-colorized.jpg")]
    assert [path.name for path in plan_outputs(photos, OUT).values()] == [
        "a-colorized-2.jpg",
        "a-colorized-colorized.jpg",
    ]


def test_a_photograph_given_twice_counts_once() -> None:
    assert names("/p/a.jpg", "/p/a.jpg") == ["a-colorized.jpg"]


@settings(deadline=None)
@given(
    st.lists(st.from_regex(r"/([abAB]-?/){0,3}[abA]\.(png|gif|JPG)", fullmatch=True), max_size=9)
)
def test_no_two_photographs_share_a_copy_and_none_is_overwritten(photos: list[str]) -> None:
    given_photos = [Path(photo) for photo in photos]
    plan = plan_outputs(given_photos, Path("/a"))
    folded = [str(path).casefold() for path in plan.values()]
    assert len(set(folded)) == len(folded) == len(set(given_photos))
    assert not set(folded) & {str(photo).casefold() for photo in given_photos}
