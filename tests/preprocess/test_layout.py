"""What is written is read back alike by tarfile, by webdataset and by the index."""

import tarfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from webdataset.tariterators import group_by_keys, tar_file_expander

from preprocess.geometry import place_print
from preprocess.index import Described, read_index, read_samples, to_index, write_index
from preprocess.planning import SampleJob, ShardPlan, Source
from preprocess.samples import Sample, SampleInfo, from_members
from preprocess.shards import write_shard
from preprocess.verify import split_samples, verify_shards

KEYS = st.text("abcxyz0189-_+ =", min_size=1, max_size=22).filter(lambda key: key.strip() == key)
SHARDS = st.lists(
    st.tuples(st.sampled_from(["train", "val", "test", "pairs"]), st.integers(1, 7)),
    min_size=1,
    max_size=4,
)


def draw_samples(split: str, keys: list[str], *, size: int, seed: int) -> list[Sample]:
    rng = np.random.default_rng(seed)
    samples = []
    for key in keys:
        top, left = rng.integers(0, size, 2).tolist()
        bottom, right = int(rng.integers(top, size)) + 1, int(rng.integers(left, size)) + 1
        info = SampleInfo(
            key=key,
            scan_id=key,
            item_id=key,
            view_id=key,
            group_id=key,
            split=split,
            view_split="train" if split == "pairs" else split,
            source_width=900,
            source_height=700,
            valid=(top, left, bottom, right),
            size=size,
            scan_sha256="0" * 64,
        )
        lab = rng.integers(0, 256, (size, size, 3), np.uint8)
        bw = rng.integers(0, 256, (size, size), np.uint8) if split == "pairs" else None
        samples.append(Sample(info, lab, bw))
    return samples


def write(folder: Path, name: str, samples: list[Sample]) -> Described:
    """Write samples as the stage does that makes them from scans."""
    of_key = {sample.info.key: sample for sample in samples}
    size = samples[0].info.size
    nowhere = Source("", ())
    job = SampleJob(
        samples[0].info, "", "", nowhere, None, 9, 7, place_print(9, 7, size=size, fit="pad")
    )
    jobs = tuple(replace(job, info=sample.info) for sample in samples)
    plan = ShardPlan(name, samples[0].info.split, size, jobs)
    with patch("preprocess.shards.make_sample", lambda job, data: of_key[job.info.key]):
        described = write_shard(plan, data=folder, out=folder).described
    assert described is not None
    return described


def same(one: Sample, other: Sample) -> bool:
    pairs = ((one.lab, other.lab), (one.bw, other.bw))
    return one.info == other.info and all(np.array_equal(a, b) for a, b in pairs)  # type: ignore[arg-type]


def read_by_tarfile(path: Path) -> list[Sample]:
    members: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, suffix = member.name.split(".", 1)
            content = tar.extractfile(member)
            assert content is not None
            members.setdefault(key, {})[suffix] = content.read()
    return [from_members(found) for found in members.values()]


def read_by_webdataset(path: Path) -> list[Sample]:
    # By the parts that WebDataset is made of: whole, it leaves the files that it read open.
    with path.open("rb") as stream:
        members = tar_file_expander([{"url": str(path), "stream": stream}])
        return [
            from_members({name: found[name] for name in found if not name.startswith("__")})
            for found in group_by_keys(members)
        ]


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12).map(lambda side: 8 * side), SHARDS, st.integers(0, 2**32), st.data())
def test_what_is_written_is_read_back(
    size: int, shards: list[tuple[str, int]], seed: int, data: st.DataObject
) -> None:
    keys = data.draw(
        st.lists(KEYS, min_size=sum(n for _, n in shards), max_size=30, unique=True), "keys"
    )
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        written, described = {}, []
        for number, (split, count) in enumerate(shards):
            name = f"{split}-{number:06d}.tar"
            mine, keys = keys[:count], keys[count:]
            written[name] = draw_samples(split, mine, size=size, seed=seed + number)
            described.append(write(folder, name, written[name]))
        write_index(folder, *to_index(size, described))
        index = verify_shards(folder)
        assert index == read_index(folder)
        for shard, rows in split_samples(index, read_samples(folder, index)):
            assert rows is not None
            samples = written[shard.name]
            assert all(map(same, read_by_tarfile(folder / shard.name), samples))
            assert all(map(same, read_by_webdataset(folder / shard.name), samples))
            assert [tuple(box) for box in rows["valid"].tolist()] == [
                sample.info.valid for sample in samples
            ]
            for member in shard.members:
                kind = (member.dtype, member.shape)
                layout = {
                    "names": ["it"],
                    "formats": [kind],
                    "offsets": [member.offset],
                    "itemsize": shard.stride,
                }
                found = np.memmap(folder / shard.name, np.dtype(layout), "r", shape=shard.samples)  # type: ignore[call-overload]
                array = member.suffix.removesuffix(".npy")
                expected = np.stack([getattr(sample, array) for sample in samples])
                assert np.array_equal(found["it"], expected)
