"""The inks: found where they are, the same every time, each sample counting the same."""

import numpy as np
import pytest
from numpy.typing import NDArray

from flows.page.collection import gather_inks, say_years
from flows.page.palette import PIXELS, count_chroma, find_inks, take_pixels
from preprocess.lab import to_bytes, to_lab
from preprocess.samples import Sample, SampleInfo
from tests.showing import to_row

RED, SKY, PAPER = (178, 60, 44), (120, 160, 190), (240, 228, 200)


def paint(colour: tuple[int, int, int], *, spread: int = 0, count: int = 400) -> NDArray[np.uint8]:
    noise = np.random.default_rng(count).integers(-spread, spread + 1, (1, count, 3))
    rgb = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    pixels: NDArray[np.uint8] = to_bytes(to_lab(rgb))[0]
    return pixels


def test_the_colours_that_were_printed_are_found_with_their_shares() -> None:
    pixels = np.concatenate(
        [paint(PAPER, spread=6, count=600), paint(SKY, spread=6, count=300), paint(RED, count=100)]
    )
    inks = find_inks([pixels], count=3)
    assert [round(ink.share, 2) for ink in inks] == [0.6, 0.3, 0.1]
    for ink, colour in zip(inks, (PAPER, SKY, RED), strict=True):
        found = tuple(int(ink.hex[place : place + 2], 16) for place in (1, 3, 5))
        assert np.abs(np.subtract(found, colour)).max() <= 4


def test_a_large_sample_counts_no_more_than_a_small_one() -> None:
    inks = find_inks([paint(RED, count=2000), paint(SKY, count=20)], count=2)
    assert [ink.share for ink in inks] == pytest.approx([0.5, 0.5])


def test_inks_are_the_same_again() -> None:
    pixels = [paint(colour, spread=25) for colour in (RED, SKY, PAPER)]
    assert find_inks(pixels, count=12) == find_inks(pixels, count=12)


@pytest.mark.parametrize(("colours", "found"), [((), 0), ((RED,), 1), ((RED, RED), 1)])
def test_fewer_colours_than_asked_for_are_no_trouble(
    colours: tuple[tuple[int, int, int], ...], found: int
) -> None:
    assert len(find_inks([paint(colour) for colour in colours], count=12)) == found


def test_pixels_are_taken_within_the_picture_alone() -> None:
    lab = np.zeros((256, 256, 3), np.uint8)
    lab[10:250, 20:200] = 77
    info = SampleInfo("k", "s", "i", "v", "g", "train", "train", 1, 1, (10, 20, 250, 200), 256, "")
    taken = take_pixels(Sample(info, lab))
    assert (taken == 77).all()
    assert PIXELS / 4 < len(taken) <= PIXELS


def test_chroma_is_counted_where_it_lies() -> None:
    counts = count_chroma([np.array([(128, 128 + 20, 128 - 11)], np.uint8)])
    assert counts.sum() == 1
    assert counts[(64 - 11) // 2, (64 + 20) // 2] == 1


def test_parts_are_shown_where_there_are_several_and_each_has_enough() -> None:
    rows, pixels = [], {}
    for number in range(30):
        row = to_row("Italy") | {"resource_id": f"r{number}"}
        row["publisher"] = "Detroit" if number < 9 else "Zürich" if number < 28 else ""
        rows.append(row)
        pixels[f"r{number}"] = paint(RED if number < 9 else SKY)
    parts = gather_inks(pixels, rows, of=30)["ink_parts"]
    assert [(part["name"], part["samples"]) for part in parts] == [("Zürich", 19), ("Detroit", 9)]
    assert parts[1]["inks"][0]["hex"] != parts[0]["inks"][0]["hex"]


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [(1890, 1900, "1890 to 1900"), (1905, 1905, "1905"), (None, None, "date not said"),
     (1890, None, "from 1890"), (None, 1900, "to 1900")],
)  # fmt: skip
def test_years_are_said(first: int | None, last: int | None, said: str) -> None:
    assert say_years(first, last) == said
