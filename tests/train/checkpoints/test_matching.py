from typing import Any

import pytest

from train.checkpoints.matching import compare, list_keys, refused

RUN: dict[str, Any] = {
    "params": {"steps": 6, "lr": 0.002, "data": None},
    "code": "c" * 64,
    "size": 256,
    "shards": [["train-000000.tar", "a"], ["train-000001.tar", "b"], ["val-000000.tar", "c"]],
}


def say(**changed: Any) -> list[str]:
    return [str(one) for one in compare(RUN, RUN | changed)]


def test_a_run_differs_from_itself_in_nothing() -> None:
    assert compare(RUN, RUN) == ()


def test_every_key_that_differs_is_named_with_both_values() -> None:
    assert say(params={"steps": 8, "lr": 0.002, "data": "tars"}, size=128, code="d" * 64) == [
        "code: cccccccc saved, dddddddd now",
        "size: 256 saved, 128 now",
        'train.data: null saved, "tars" now',
        "train.steps: 6 saved, 8 now",
    ]


def test_a_setting_that_one_of_them_lacks_differs() -> None:
    assert say(params={"steps": 6, "data": None, "new": None}) == [
        "train.lr: 0.002 saved, nothing now",
        "train.new: nothing saved, null now",
    ]


@pytest.mark.parametrize(
    ("shards", "said"),
    [
        ([["train-000000.tar", "x"], *RUN["shards"][1:]], "changed train-000000.tar"),
        (RUN["shards"][1:], "only saved train-000000.tar"),
        ([*RUN["shards"], ["val-000001.tar", "d"]], "only now val-000001.tar"),
        (RUN["shards"][::-1], "the same, in another order"),
        (
            [[name, "x"] for name, _ in RUN["shards"]] + [[f"{n}.tar", "y"] for n in range(5)],
            "changed train-000000.tar, train-000001.tar, val-000000.tar; "
            "only now 0.tar, 1.tar, 2.tar and 2 more",
        ),
    ],
)
def test_of_shards_it_is_said_which(shards: list[list[str]], said: str) -> None:
    assert say(shards=shards) == [f"shards: {said}"]


def test_a_long_value_is_cut() -> None:
    (said,) = say(params=RUN["params"] | {"data": "x" * 500})
    assert len(said) < 120


def test_what_is_not_allowed_is_refused() -> None:
    found = compare(RUN, RUN | {"size": 128, "code": "d" * 64})
    assert [one.key for one in refused(found, {"size", "train.lr"})] == ["code"]
    assert refused(found, {"size", "code"}) == ()


def test_every_key_can_be_allowed() -> None:
    assert list_keys(RUN) == {"train.steps", "train.lr", "train.data", "code", "shards", "size"}
