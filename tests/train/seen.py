"""What the ranks of a run read: `python -m tests.train.seen OUT RUN...`, started as training is.

Everything up to the network is training's own: the place among the ranks, the process group, the
opened shards, the order, the feed. Each rank writes what it got, and trains nothing.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

import torch
import xxhash

from train.partition import make_partition
from train.run import Run, read_run
from train.streaming.opening import open_inputs
from train.streaming.residence import choose, measure_room
from train.streaming.samples import hold
from train.world import World, connected, read_world

EPOCHS = 2


def main() -> None:
    """Read two epochs of each run, and write OUT/<name of the run's folder>-<rank>.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    world = read_world()
    with connected(world, world.device(), wait_s=60):
        for folder in arguments.runs:
            seen = read_epochs(read_run(folder), world)
            path = arguments.out / f"{folder.name}-{world.rank}.json"
            path.write_text(json.dumps(seen))


def read_epochs(run: Run, world: World) -> dict[str, Any]:
    """Read as `train.loop.fit` does, and return each step's samples with sums of their bytes."""
    params, device = run.params, world.device()
    with open_inputs(run.inputs, params, tell=print) as opened:
        room = measure_room(device, processes=world.local_size)
        residence, _ = choose(params.residence, (opened.train,), room=room)
        samples = hold(opened.train, residence, device=device, ahead=params.ahead)
        partition = make_partition(
            len(samples),
            batch=params.batch,
            seed=params.seed,
            window=params.window,
            starts=samples.starts,
        )
        steps, met = [], torch.ones(1)
        asked = range(EPOCHS * partition.steps_per_epoch)
        with samples.read_steps(partition, asked, rank=world.rank, world_size=world.size) as feed:
            for gathered in feed:
                sums = [
                    xxhash.xxh3_64_hexdigest(one.numpy().tobytes()) for one in gathered.lab_BSS3
                ]
                steps.append(list(zip(gathered.samples_B.tolist(), sums, strict=True)))
                # As in training all meet at every step: one that has more of them waits in vain.
                world.add(met.fill_(1))
                assert met.item() == world.size
        return {"node": os.environ["SLURMD_NODENAME"], "world": world.size, "steps": steps}


if __name__ == "__main__":
    main()
