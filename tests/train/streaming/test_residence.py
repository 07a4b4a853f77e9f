from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.train.streaming.fakes import FakeSource
from train.errors import DataError
from train.streaming import residence
from train.streaming.residence import Room, choose, measure_room

CPU = torch.device("cpu")
GPU_ROOM = Room(device_bytes=10**9, host_bytes=4 * 10**9, processes=2, shared=False)
CPU_ROOM = Room(device_bytes=10**9, host_bytes=10**9, processes=2, shared=True)


class Sized(FakeSource):
    """Samples of 100 px, 30,000 bytes each and 1,000 more in a row; nobody reads them."""

    row_bytes = 31_000

    def __init__(self, count: int) -> None:
        super().__init__([count], size=100)


def test_what_fits_is_held_on_the_device_and_the_line_says_why() -> None:
    found, said = choose("auto", [Sized(180), Sized(26)], room=replace(CPU_ROOM, processes=1))
    assert found == "device"
    assert said == (
        "samples: 206 of 100 px are 0.01 GB, held on the device: within half of 1.0 GB free"
    )


@pytest.mark.parametrize(
    ("room", "count", "expected"),
    [
        # Two processes share the memory of the CPU, and not that of two GPUs.
        (CPU_ROOM, 8_333, "device"),
        (CPU_ROOM, 8_334, "stream"),
        (GPU_ROOM, 16_666, "device"),
        (GPU_ROOM, 16_667, "host"),
        # In memory rows are held with their headers, by each process.
        (GPU_ROOM, 32_258, "host"),
        (GPU_ROOM, 32_259, "stream"),
    ],
)
def test_half_of_what_is_free_is_the_limit(room: Room, count: int, expected: str) -> None:
    found, said = choose("auto", [Sized(count), Sized(0)], room=room)
    assert found == expected
    assert said.startswith(f"samples: {count:,} of 100 px are ")
    assert "for each of 2 processes" in said
    words = {"device": "held on the device", "host": "held in memory", "stream": "streamed"}
    assert words[expected] in said


def test_a_place_that_is_named_is_taken_up_to_all_of_it() -> None:
    source = [Sized(30_000)]
    assert choose("device", source, room=GPU_ROOM)[0] == "device"
    assert choose("host", source, room=GPU_ROOM)[0] == "host"
    assert choose("stream", source, room=CPU_ROOM)[0] == "stream"
    with pytest.raises(
        DataError, match=r"is device.* 1\.80 GB are needed there, 1\.00 GB are free"
    ):
        choose("device", source, room=CPU_ROOM)
    with pytest.raises(DataError, match=r"is host.* 2\.79 GB .* 1\.00 GB are free; set train"):
        choose("host", [Sized(45_000)], room=replace(GPU_ROOM, host_bytes=10**9))


def test_the_limit_of_the_job_counts_where_the_machine_has_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(residence, "_OWN_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(residence, "_CGROUPS", tmp_path)
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    whole = measure_room(CPU, processes=3)
    assert whole.device_bytes == whole.host_bytes > 0
    assert (whole.processes, whole.shared) == (3, True)
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "64")
    assert measure_room(CPU, processes=1).host_bytes == 64 << 20
    (tmp_path / "cgroup").write_text("0::/job/step\n")
    (tmp_path / "job" / "step").mkdir(parents=True)
    (tmp_path / "job" / "memory.max").write_text(f"{32 << 20}\n")
    assert measure_room(CPU, processes=1).host_bytes == 32 << 20
    (tmp_path / "job" / "memory.max").write_text("max\n")
    assert measure_room(CPU, processes=1).host_bytes == 64 << 20
