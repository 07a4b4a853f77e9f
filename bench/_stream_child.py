"""One way of streaming, in a process of its own, on one core; in any environment that has NumPy.

`python -P bench/_stream_child.py MODULE FUNCTION DATA CORE` opens the way, says how long the first
batch took, and then does what it is told by lines on standard input; see `main`.
`python -P bench/_stream_child.py MODULE write DATA` writes a peer's own format.

A way is a function of the data folder that returns a function of the epoch that yields batches:
arrays, NumPy's or torch's, whose first axis is the sample. This module is loaded without its
folder on the path, for `bench/streaming.py` would hide mosaicml's `streaming`.
"""

import hashlib
import importlib.util
import itertools
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

Epochs = Callable[[int], Iterable[Any]]


def main() -> None:
    """Open the way and serve.

    `run SECONDS SAMPLES`: whole epochs, or so many samples of them, again and again for so many
    CPU seconds. `check SAMPLES`: digests of the pictures of so many samples of an epoch. `quit`.
    """
    module, function, data = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if function == "write":
        load(module).write(data)
        return
    os.sched_setaffinity(0, {int(sys.argv[4])})
    way = getattr(load(module), function)
    began, spent = time.perf_counter(), read_cpu_s()
    epochs: Epochs = way(data)
    next(iter(epochs(0)))
    took = time.perf_counter() - began
    answer({"first_batch_s": took, "first_batch_cpu_s": read_cpu_s() - spent})
    numbers = itertools.count(1)
    for line in sys.stdin:
        verb, *values = line.split()
        if verb == "run":
            answer(run(epochs, numbers, seconds=float(values[0]), most=int(values[1])))
        elif verb == "check":
            for _ in epochs(next(numbers)):  # to the end of the epoch that a run broke off
                pass
            answer({"digests": take_digests(epochs(next(numbers)), most=int(values[0]))})
        else:
            break
    # Peers leave threads and processes behind; nothing of theirs is to be waited for.
    os._exit(0)


def load(name: str) -> ModuleType:
    """Import a module that lies beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def answer(content: dict[str, Any]) -> None:
    """Tell the parent."""
    sys.__stdout__.write(json.dumps(content) + "\n")
    sys.__stdout__.flush()


def run(
    epochs: Epochs, numbers: "itertools.count[int]", *, seconds: float, most: int
) -> dict[str, float]:
    """Take batches for so long; return samples, CPU and wall seconds."""
    samples, began, spent = 0, time.perf_counter(), read_cpu_s()
    while True:
        stop = samples + most
        for batch in epochs(next(numbers)):
            samples += len(batch)
            if samples >= stop:
                break
        used = read_cpu_s() - spent
        if used >= seconds:
            return {"samples": samples, "cpu_s": used, "wall_s": time.perf_counter() - began}


def take_digests(batches: Iterable[Any], *, most: int) -> list[str]:
    """Hash every picture, so that the parent sees whether each is one of the array's."""
    digests: list[str] = []
    for batch in batches:
        digests += [hashlib.sha1(bytes(sample)).hexdigest() for sample in to_bytes(batch)]
        if len(digests) >= most:
            break
    return digests


def to_bytes(batch: Any) -> Iterable[Any]:
    """Give each picture of a batch as contiguous bytes."""
    import numpy as np

    for sample in batch:
        yield np.ascontiguousarray(sample).reshape(-1)


def read_cpu_s() -> float:
    """Return user and system CPU seconds of this process and all that it started."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses) + sum(map(_ticks, _living("self")))


def _living(pid: str) -> list[str]:
    """List the processes that one has started and that still run."""
    found: list[str] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += [child, *_living(child)]
    return found


def _ticks(pid: str) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
