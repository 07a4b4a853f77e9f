from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.split import Split, find_split


def test_shares_are_80_10_10() -> None:
    counts = Counter(find_split(f"ppmsc.{number:05d}") for number in range(20_000))
    assert counts[Split.TRAIN] == pytest.approx(16_000, abs=200)
    assert counts[Split.VAL] == pytest.approx(2_000, abs=150)
    assert counts[Split.TEST] == pytest.approx(2_000, abs=150)


def test_a_split_never_changes_between_versions() -> None:
    known = {"ppmsc.06712": "train", "ppmsc.00021": "val", "view-0": "test"}
    assert {view: str(find_split(view)) for view in known} == known


@given(st.text(min_size=1))
def test_the_id_alone_decides(view_id: str) -> None:
    assert find_split(view_id) in set(Split)
    assert find_split(view_id) is find_split("".join(list(view_id)))


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        find_split("")
