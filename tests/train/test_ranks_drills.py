"""Drills: 1 to 8 ranks on a SLURM cluster see each sample as is documented, and learn the same."""

import csv
import json
import os
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash

from tests.cluster import Cluster, Layout, borrow_cluster
from tests.cluster.processes import find_ports
from tests.pipeline import ROOT
from tests.train.conftest import MakeParams, to_inputs, write_shards
from tests.train.seen import EPOCHS
from train.partition import make_partition
from train.run import RESULT, prepare_run

pytestmark = [pytest.mark.drill, pytest.mark.slurm]

BATCH = 24
LIMIT_S = 300
TOLERANCE = 1e-4
"""Largest relative difference of a curve's figure to that of one process."""

SPREADS = {1: (1,), 2: (1, 1), 3: (1, 1, 1), 4: (2, 2), 5: (2, 2, 1), 6: (2, 2, 2), 7: (3, 3, 1)}
SPREADS[8] = (3, 3, 2)
"""Ranks on each node, by world size."""

Seen = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """A split, and how it is read."""

    name: str
    shards: tuple[int, ...]
    window: int | None = None

    @property
    def samples(self) -> int:
        return sum(self.shards)


CASES = (
    Case("divides", (20, 17, 11)),
    Case("rest", (20, 17, 16)),
    Case("windows", (20, 17, 16), window=16),
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with borrow_cluster(Layout(nodes=3, gpus=2)) as running:
        yield running


def launch(cluster: Cluster, spread: Sequence[int], *words: object) -> None:
    """Run a module on so many ranks of each node by plain srun, as the batch script does."""
    (port,) = find_ports(1)
    environ = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    # Left to itself, srun fills a node before it goes on to the next.
    hosts = [name for name, ranks in zip(cluster.names, spread, strict=False) for _ in range(ranks)]
    asked = ["--distribution=arbitrary", f"--nodelist={','.join(hosts)}", f"--ntasks={len(hosts)}"]
    done = subprocess.run(
        ["srun", *asked, "--kill-on-bad-exit=1", sys.executable, "-m", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, **cluster.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def read_sums(shards: Path) -> list[str]:
    """Sum the pixels of each sample of the train split, by Python's own reader of tars."""
    sums = []
    for path in sorted(shards.glob("train-*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".lab.npy"):
                    stream = tar.extractfile(member)
                    assert stream is not None
                    lab = np.load(BytesIO(stream.read()))
                    sums.append(xxhash.xxh3_64_hexdigest(lab.tobytes()))
    return sums


def check(case: Case, seen: Seen, *, sums: Sequence[str], seed: int) -> tuple[int, int]:
    """Hold what all ranks read against the documented order.

    Returns:
        Samples of an epoch that were seen once, and those that were left out.
    """
    starts = np.concatenate(([0], np.cumsum(case.shards)))
    order = make_partition(case.samples, batch=BATCH, seed=seed, window=case.window, starts=starts)
    each = case.samples // BATCH
    assert [len(rank["steps"]) for rank in seen] == [EPOCHS * each] * len(seen)
    steps = [[pair for rank in seen for pair in rank["steps"][at]] for at in range(EPOCHS * each)]
    for at, step in enumerate(steps):
        # The same samples whatever the number of ranks, and none of them twice.
        assert sorted(sample for sample, _ in step) == order.global_batch(at).tolist()
        assert all(sums[sample] == found for sample, found in step)
    epochs = [steps[at * each : (at + 1) * each] for at in range(EPOCHS)]
    assert epochs[0] != epochs[1]
    counts = [Counter(sample for step in epoch for sample, _ in step) for epoch in epochs]
    for count in counts:
        assert set(count.values()) == {1}
        assert case.samples - len(count) == case.samples % BATCH < BATCH
    return len(counts[0]), case.samples - len(counts[0])


def describe(spread: Sequence[int], seen: Seen, found: Sequence[tuple[int, int]]) -> str:
    """Write a row of the table in docs/cluster.md."""
    shares = Counter(len(step) for rank in seen for step in rank["steps"])
    sizes = " or ".join(str(size) for size in sorted(shares))
    cells = [
        str(len(seen)),
        " + ".join(map(str, spread)),
        sizes,
        str(len(seen[0]["steps"]) // EPOCHS),
    ]
    return f"| {' | '.join(cells + [f'{once}, {out}' for once, out in found])} |"


def test_one_to_eight_ranks_see_every_sample_at_most_once_in_equal_steps(
    cluster: Cluster, tmp_path: Path, make_params: MakeParams
) -> None:
    runs, sums = [], []
    for case in CASES:
        shards = write_shards(tmp_path / "shards" / case.name, train=case.shards, val=[3])
        params = make_params(batch=BATCH, window=case.window, residence="stream")
        run = tmp_path / case.name
        prepare_run(run, params, inputs=to_inputs(shards), checkpoints_root=tmp_path / "saved")
        runs.append(run)
        sums.append(read_sums(shards))
    rows = []
    for world, spread in SPREADS.items():
        out = tmp_path / f"seen-{world}"
        out.mkdir()
        launch(cluster, spread, "tests.train.seen", out, *runs)
        found = []
        for case, sum_of in zip(CASES, sums, strict=True):
            seen = [json.loads((out / f"{case.name}-{at}.json").read_text()) for at in range(world)]
            assert tuple(Counter(rank["node"] for rank in seen).values()) == spread
            assert {rank["world"] for rank in seen} == {world}
            found.append(check(case, seen, sums=sum_of, seed=params.seed))
        rows.append(describe(spread, seen, found))
    table = "\n".join(rows)
    sys.stdout.write(f"{table}\n")
    assert table in (ROOT / "docs" / "cluster.md").read_text("utf-8")


def test_the_curve_of_any_number_of_ranks_is_that_of_one(
    cluster: Cluster, tmp_path: Path, make_params: MakeParams
) -> None:
    shards = write_shards(tmp_path / "shards", train=CASES[1].shards, val=[9])
    params = make_params(batch=BATCH, steps=12, validate_every=3, residence="stream")
    curves = {}
    for spread in ((1,), (1, 1), (2, 2), (4, 4)):
        run = tmp_path / f"run-{sum(spread)}"
        saved = tmp_path / f"saved-{sum(spread)}"
        prepare_run(run, params, inputs=to_inputs(shards), checkpoints_root=saved)
        launch(cluster, spread, "train", run)
        with (run / RESULT / "curve.csv").open(encoding="utf-8") as stream:
            curves[sum(spread)] = list(csv.DictReader(stream))
    largest = {}
    for world, curve in curves.items():
        assert [row["step"] for row in curve] == ["3", "6", "9", "12"]
        pairs = [
            (float(row[name]), float(alone[name]))
            for row, alone in zip(curve, curves[1], strict=True)
            for name in ("train_loss", "val_loss", "val_dE00", "lr")
        ]
        largest[world] = max(abs(one - other) / other for one, other in pairs if other)
    sys.stdout.write(f"largest relative difference to one process: {largest}\n")
    assert max(largest.values()) <= TOLERANCE
