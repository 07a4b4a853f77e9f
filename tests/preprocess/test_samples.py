import dataclasses
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.samples import (
    JSON_BYTES,
    Sample,
    SampleInfo,
    from_json,
    from_members,
    to_json,
    to_key,
    to_layout,
    to_members,
)

INFO = SampleInfo(
    key="ppmsc-06712",
    scan_id="ppmsc.06712",
    item_id="2001697641",
    view_id="ppmsc.06712",
    group_id="ppmsc.06712",
    split="train",
    view_split="train",
    source_width=3500,
    source_height=2600,
    valid=(4, 0, 28, 32),
    size=32,
    scan_sha256="ab" * 32,
)


def make_sample(*, paired: bool, info: SampleInfo = INFO) -> Sample:
    rng = np.random.default_rng(0)
    lab = rng.integers(0, 256, (info.size, info.size, 3), np.uint8)
    return Sample(info, lab, rng.integers(0, 256, lab.shape[:2], np.uint8) if paired else None)


@pytest.mark.parametrize("paired", [False, True])
def test_a_sample_comes_back_from_its_members(paired: bool) -> None:
    sample = make_sample(paired=paired)
    again = from_members(dict(to_members(sample)))
    assert again.info == sample.info
    assert np.array_equal(again.lab, sample.lab)
    assert (again.bw is None) is not paired
    assert not paired or np.array_equal(np.asarray(again.bw), np.asarray(sample.bw))


name = st.text(st.characters(exclude_characters="./", exclude_categories=["Cs"]), min_size=1)


@given(st.builds(dataclasses.replace, st.just(INFO), key=name, scan_id=name, item_id=name))
def test_info_takes_1024_bytes_or_is_refused(info: SampleInfo) -> None:
    try:
        text = to_json(info)
    except ValueError as exc:
        said = ("at most", "expected 1024 bytes", "expected ASCII")
        assert any(words in str(exc) for words in said)
        return
    assert len(text) == JSON_BYTES
    assert from_json(text) == info


@pytest.mark.parametrize("size", [32, 128, 256, 512, 1024, 4096])
@pytest.mark.parametrize("paired", [False, True])
def test_arrays_are_plain_npy_of_version_1(size: int, paired: bool) -> None:
    layout = to_layout(size, paired=paired)
    assert layout.stride % 512 == 0
    for suffix, offset, shape in layout.arrays:
        header = io.BytesIO()
        record = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, record)
        assert len(header.getvalue()) == 128, suffix
        assert offset + int(np.prod(shape)) <= layout.stride


def test_numpy_reads_a_member() -> None:
    sample = make_sample(paired=True)
    members = dict(to_members(sample))
    assert np.array_equal(np.load(io.BytesIO(members["lab.npy"])), sample.lab)
    assert np.array_equal(np.load(io.BytesIO(members["bw.npy"])), np.asarray(sample.bw))


def test_a_key_has_no_dot() -> None:
    assert to_key("ppmsc.06712") == "ppmsc-06712"


@pytest.mark.parametrize("key", ["a.b", "a/b", "ä"], ids=ascii)
def test_a_key_is_ascii_without_dot_or_slash(key: str) -> None:
    with pytest.raises(ValueError, match="expected ASCII with neither dot nor slash"):
        to_json(dataclasses.replace(INFO, key=key))


@pytest.mark.parametrize(
    "change", [{"item_id": ""}, {"scan_sha256": None}, {"view_id": "x" * 91}, {"key": "ü" * 46}]
)
def test_empty_and_long_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        to_json(dataclasses.replace(INFO, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"extra": 1},
        {"size": "32"},
        {"size": 32.0},
        {"key": None},
        {"valid": [0, 0, 33, 32]},
        {"valid": [0, 0, 32]},
        {"valid": [5, 0, 5, 32]},
        {"valid": [0, 0, True, 32]},
    ],
)
def test_other_fields_are_refused(change: dict[str, Any]) -> None:
    record = json.loads(to_json(INFO)) | change
    with pytest.raises(ValueError, match="expected"):
        from_json(json.dumps(record).encode().ljust(JSON_BYTES))


def test_broken_members_are_refused() -> None:
    members = dict(to_members(make_sample(paired=False)))
    with pytest.raises(ValueError, match=r"expected json, lab\.npy"):
        from_members({"json": members["json"]})
    with pytest.raises(ValueError, match="expected 1024 bytes"):
        from_members(members | {"json": members["json"].rstrip()})
    with pytest.raises(ValueError, match="expected JSON"):
        from_members(members | {"json": b"[]".ljust(JSON_BYTES)})
    grey = io.BytesIO()
    np.save(grey, np.zeros((32, 32), np.uint8))
    with pytest.raises(ValueError, match="expected uint8 of shape"):
        from_members(members | {"lab.npy": grey.getvalue()})


@pytest.mark.parametrize("lab", [np.zeros((32, 32), np.uint8), np.zeros((32, 32, 3), np.float32)])
def test_other_arrays_are_refused(lab: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8 of shape"):
        to_members(Sample(INFO, lab))
