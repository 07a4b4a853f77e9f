"""Whether a node can feed its GPUs: by numbers made up, without a clock."""

from dataclasses import replace

import pytest

from flows.node.saying import to_json, to_text
from flows.node.verdict import Kind, Measured, Wish, explain, find_residence, judge

SHARDS = Measured(
    kind=Kind.SHARDS,
    path="/data/shards/256",
    cores=64.0,
    threads=8,
    row_bytes=196_608,
    stored_bytes=199_168.0,
    copy_one=22e9,
    copy_all=150e9,
    gather_wall=600_000.0,
    gather_cpu=100_000.0,
    decode_cpu=None,
    disk_ordered=3e9,
    disk_one=1.3e9,
    disk_all=6e9,
    sent=25e9,
    data_bytes=1e12,
    samples=5_000_000,
    memory_free=int(500e9),
    device_free=int(80e9),
)
FOREIGN = replace(
    SHARDS,
    kind=Kind.FOREIGN,
    stored_bytes=32_000.0,
    gather_wall=None,
    gather_cpu=None,
    decode_cpu=3_800.0,
    data_bytes=None,
    samples=None,
)
EIGHT = Wish(gpus=8, rate=2274.0, size=256)


def test_samples_are_held_where_half_of_the_room_is_enough() -> None:
    assert find_residence(SHARDS) == "disk"
    assert find_residence(replace(SHARDS, data_bytes=250e9)) == "memory"
    assert find_residence(replace(SHARDS, data_bytes=251e9)) == "disk"
    few = replace(SHARDS, samples=200_000, data_bytes=40e9)
    assert find_residence(few) == "device"
    assert find_residence(replace(few, device_free=None)) == "memory"
    assert find_residence(FOREIGN) == "disk"


def test_what_is_read_from_memory_is_bound_by_the_narrowest_part() -> None:
    seen = replace(SHARDS, data_bytes=250e9)
    verdict = judge(EIGHT, seen)
    assert verdict.feasible
    assert verdict.bound.name == "gathering"
    assert verdict.headroom == pytest.approx(600_000 / 18_192)
    assert verdict.cores == pytest.approx(0.18192)
    assert verdict.bytes_s == pytest.approx(18_192 * 199_168)


def test_a_disk_that_is_too_slow_is_named_with_its_remedy() -> None:
    seen = replace(SHARDS, disk_all=1.99168e9)
    verdict = judge(EIGHT, seen)
    assert not verdict.feasible
    assert verdict.bound.name == "the disk"
    assert verdict.bound.has == pytest.approx(10_000)
    said = explain(EIGHT, seen, verdict)
    assert said.startswith("no: 8 x 2,274 = 18,192 samples/s of 256 px, and the disk gives 10,000")
    assert "stage to a local one" in said


def test_the_same_disk_matters_to_no_one_once_the_samples_are_in_memory() -> None:
    seen = replace(SHARDS, disk_all=1.99168e9, data_bytes=250e9)
    verdict = judge(EIGHT, seen)
    assert verdict.feasible
    said = explain(EIGHT, seen, verdict)
    assert "The first epoch comes from the disk, at 10,000 samples/s." in said


def test_decoding_is_bound_by_cores_and_packing_is_the_remedy() -> None:
    verdict = judge(EIGHT, replace(FOREIGN, cores=4.0))
    assert not verdict.feasible
    assert verdict.bound.name == "decoding"
    assert verdict.bound.has == pytest.approx(15_200)
    assert "photochrom pack" in verdict.bound.remedy


def test_samples_on_the_device_take_no_core() -> None:
    seen = replace(SHARDS, samples=10_000, data_bytes=2e9, disk_all=1.0, gather_wall=1.0)
    verdict = judge(EIGHT, seen)
    assert verdict.feasible
    assert (verdict.cores, verdict.bytes_s) == (0.0, 0.0)
    assert "held there" in explain(EIGHT, seen, verdict)


def test_a_feed_is_one_thread_for_each_gpu() -> None:
    alone = replace(SHARDS, threads=1, gather_wall=100_000.0, data_bytes=250e9)
    one = judge(Wish(gpus=1, rate=150_000, size=256), replace(alone, copy_all=1e12, sent=1e12))
    assert not one.feasible
    assert one.bound.name == "gathering"


@pytest.mark.parametrize("seen", [SHARDS, FOREIGN, replace(SHARDS, sent=None, threads=1)])
@pytest.mark.parametrize("rate", [1.0, 1e7])
def test_the_table_fits_a_terminal(seen: Measured, rate: float) -> None:
    wish = Wish(gpus=64, rate=rate, size=256)
    lines = to_text(wish, seen, judge(wish, seen)).splitlines()
    assert max(map(len, lines)) <= 80


def test_programs_get_the_same() -> None:
    found = to_json(EIGHT, SHARDS, judge(EIGHT, SHARDS))
    assert found["wanted"]["samples_s"] == 18_192
    assert found["measured"]["kind"] == "shards"
    assert found["verdict"]["feasible"] is True
    assert found["verdict"]["said"].startswith("yes: ")
