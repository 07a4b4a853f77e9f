import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.samples import to_layout
from preprocess.shard_names import MAX_BITS, choose_bits, name_shard, to_order

STRIDE = to_layout(256, paired=False).stride
counts = st.dictionaries(
    st.sampled_from(["train", "val", "test", "pairs"]), st.integers(0, 10**8), max_size=4
)


def to_mb(samples: dict[str, int], size: int) -> float:
    """What the fullest split takes."""
    strides = {name: to_layout(size, paired=name == "pairs").stride for name in samples}
    return max((samples[name] * strides[name] for name in samples), default=0) / 1e6


@given(counts, st.integers(32, 512), st.floats(0.01, 1e5))
def test_the_bits_are_the_fewest_that_suffice(
    samples: dict[str, int], size: int, shard_mb: float
) -> None:
    bits = choose_bits(samples, size=size, shard_mb=shard_mb)
    fullest = to_mb(samples, size)
    assert fullest <= shard_mb * 2**bits or bits == MAX_BITS
    assert bits == 0 or fullest > shard_mb * 2 ** (bits - 1)


@pytest.mark.parametrize(
    ("samples", "bits"),
    [({}, 0), ({"train": 200}, 0), ({"train": 6_000}, 3), ({"train": 10**6, "val": 10**5}, 10)],
    ids=["none", "sample", "collection", "million"],
)
def test_shards_of_256_mb(samples: dict[str, int], bits: int) -> None:
    assert choose_bits(samples, size=256, shard_mb=256) == bits


def test_a_pair_takes_more_than_a_print() -> None:
    full = 2 * STRIDE / 1e6
    assert choose_bits({"train": 2}, size=256, shard_mb=full) == 0
    assert choose_bits({"pairs": 2}, size=256, shard_mb=full) == 1


@given(st.text(max_size=20), st.integers(0, MAX_BITS - 1))
def test_one_bit_more_cuts_a_shard_in_two(key: str, bits: int) -> None:
    whole, half = (int(name_shard("val", key, bits=n)[4:-4]) for n in (bits, bits + 1))
    assert half // 2 == whole
    assert len(name_shard("val", key, bits=MAX_BITS)) == len("val-000000.tar")


def test_shards_follow_each_other_in_the_order_of_the_hash() -> None:
    keys = sorted((f"print-{number}" for number in range(2_000)), key=to_order)
    names = [name_shard("train", key, bits=3) for key in keys]
    assert names == sorted(names)
    assert min(Counter(names).values()) > 200
    assert to_order("a") == hashlib.sha256(b"a").digest()
