import resource
from types import SimpleNamespace

import pytest

from train.streaming.readers import find_most_open


@pytest.mark.parametrize(
    ("shards", "soft", "hard", "most", "raised"),
    [
        (8, 1024, 4096, 8, None),
        (1000, 1024, 1 << 20, 1000, 6064),
        (1000, 1024, -1, 1000, 6064),
        (10_000, 64, 256, 32, 256),
        (10_000, 1024, 4096, 672, 4096),
        (10_000, 256, 256, 32, None),
        (50_000, 1024, 1 << 20, 10_000, 60_064),
        (50_000, -1, -1, 10_000, None),
        (10, 16, 16, 1, None),
        (0, 1024, 4096, 1, None),
    ],
)
def test_as_many_shards_are_open_as_a_third_of_the_limit_allows(
    monkeypatch: pytest.MonkeyPatch,
    shards: int,
    soft: int,
    hard: int,
    most: int,
    raised: int | None,
) -> None:
    set_to: list[tuple[int, int]] = []
    fake = SimpleNamespace(
        RLIMIT_NOFILE=resource.RLIMIT_NOFILE,
        RLIM_INFINITY=-1,
        getrlimit=lambda _: (soft, hard),
        setrlimit=lambda _, limits: set_to.append(limits),
    )
    monkeypatch.setattr("train.streaming.readers.resource", fake)
    assert find_most_open(shards) == most
    assert set_to == ([] if raised is None else [(raised, hard)])
