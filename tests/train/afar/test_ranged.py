"""Files read in ranges, whatever fails in between."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.index import Shard
from train.afar import ranged
from train.afar.ranged import Answer, Pull, RangedShard

CONTENT = np.random.default_rng(1).integers(0, 256, 5000, np.uint8).tobytes()


def answer(start: int, stop: int, fate: str) -> Answer:
    if fate == "error":
        return ConnectionResetError("gone")
    return CONTENT[start : stop - 1] if fate == "short" else CONTENT[start:stop]


@given(
    fates=st.lists(st.sampled_from(["whole", "error", "short"]), max_size=40),
    size=st.integers(0, len(CONTENT)),
)
def test_a_file_comes_whole_and_in_order_whatever_fails(fates: list[str], size: int) -> None:
    coming = iter(fates)

    def read(starts: list[int], stops: list[int]) -> list[Answer]:
        pairs = zip(starts, stops, strict=True)
        return [answer(start, stop, next(coming, "whole")) for start, stop in pairs]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranged, "RANGE", 256)
        patch.setattr(ranged, "LEAST_RANGE", 64)
        pull = Pull(read, size_bytes=size)
        came = []
        while pull:
            try:
                came += pull.read()
            except ConnectionError:
                continue
    assert b"".join(came) == CONTENT[:size]


def test_requests_shrink_while_they_break_and_grow_again() -> None:
    asked = []
    broken = True

    def read(starts: list[int], stops: list[int]) -> list[Answer]:
        asked.append(stops[0] - starts[0])
        return [OSError() if broken else bytes(e - s) for s, e in zip(starts, stops, strict=True)]

    pull = Pull(read, size_bytes=1 << 40)
    for _ in range(9):
        with pytest.raises(OSError):
            pull.read()
    broken = False
    for _ in range(9):
        pull.read()
    assert asked[0] == asked[-1] == ranged.RANGE
    assert asked[9] == ranged.LEAST_RANGE


@given(places=st.lists(st.integers(0, 49), min_size=1, max_size=60))
def test_samples_come_in_the_order_asked_for_neighbours_in_one_range(places: list[int]) -> None:
    asked: list[int] = []

    def read(starts: list[int], stops: list[int]) -> list[bytes]:
        asked.append(len(starts))
        return [CONTENT[start:stop] for start, stop in zip(starts, stops, strict=True)]

    entry = Shard("train-000000.tar", "train", 50, 100, (), 0, 5000, "0" * 64)
    reader = RangedShard(Path("afar"), entry, read)
    rows = np.empty((len(places), 100), np.uint8)
    reader.take(np.array(places), rows)
    assert np.array_equal(rows, np.frombuffer(CONTENT, np.uint8).reshape(50, 100)[places])
    assert asked == [1 + sum(b - a != 1 for a, b in pairwise(places))]
