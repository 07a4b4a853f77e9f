"""More shards than a process may have open files."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xxhash

from preprocess.index import SAMPLE_DTYPE, Described, Member, Shard, to_index, write_index
from preprocess.samples import to_layout
from tests.train.faults import READS
from train.streaming.shard import Read

MANY = """
import os, resource, sys
import numpy as np
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256))
from train.data import open_split
from train.partition import make_partition
split = open_split(Path(sys.argv[1]), "train", read=sys.argv[2])
order = make_partition(len(split), batch=500, seed=0, starts=split.starts)
rows = np.empty((500, split.row_bytes), np.uint8)
boxes = np.empty((500, 4), np.int64)
for step in range(2 * order.steps_per_epoch):
    rows[:] = 1
    split.gather(order.rank_batch(step, rank=0, world_size=1), rows, boxes)
    assert not rows.any()
print(len(os.listdir("/proc/self/fd")))
"""


def write_sparse(folder: Path, *, shards: int, size: int) -> None:
    """Write shards of holes, a sample each; the index says that they hold zeros."""
    folder.mkdir()
    layout = to_layout(size, paired=False)
    rows = np.zeros(1, SAMPLE_DTYPE)
    rows["xxh3"] = xxhash.xxh3_64_intdigest(bytes(layout.stride))
    rows["valid"] = (0, 0, size, size)
    made = []
    for number in range(shards):
        made.append(Described(_to_sparse(f"train-{number:06d}.tar", size), rows))
        path = folder / made[-1].shard.name
        path.touch()
        os.truncate(path, made[-1].shard.size_bytes)
    index, samples = to_index(size, made)
    write_index(folder, index, samples)


def _to_sparse(name: str, size: int) -> Shard:
    layout = to_layout(size, paired=False)
    return Shard(
        name=name,
        split="train",
        samples=1,
        stride=layout.stride,
        members=tuple(Member(suffix, at, shape, "uint8") for suffix, at, shape in layout.arrays),
        json_offset=layout.json_offset,
        size_bytes=-(-(layout.stride + 1024) // 10240) * 10240,
        sha256="0" * 64,
    )


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sparse") / "many"
    write_sparse(folder, shards=10_000, size=8)
    return folder


@READS
def test_10_000_shards_are_read_with_256_open_files(many: Path, read: Read) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY, many, read], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 128
