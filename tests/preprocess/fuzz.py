"""Fuzz the decoder: damaged files of every kind, each within limits of time and memory.

`python -m tests.preprocess.fuzz FOLDER SEED` damages files, one after the other and the same for
the same seed, writes each to FOLDER/scan, says its number, and reads it as the crop stage does.
It must end in a picture or in a ScanError (ValueError for what is too small), and nothing else.
`fuzz` below watches such processes, and keeps the bytes of what ended otherwise.
"""

import os
import random
import select
import struct
import subprocess
import sys
import time
import traceback
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from preprocess.border import find_border
from preprocess.errors import ScanError
from preprocess.images import read_scan
from tests.preprocess import hostile
from tests.preprocess.through import limit_memory

REPOSITORY = Path(__file__).resolve().parents[2]
EXTRA_BYTES = 512 << 20
"""Memory that one file may take; the pictures are of 192 x 140 px, and may say they are larger."""

HANG_S = 30.0
"""Time after which a file counts as a hang: thousands of times what a sound one takes."""

PICTURE, REFUSED, FOREIGN = b"+", b"-", b"!"
"""What a process says of each file."""

ODD_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What fuzzing saw."""

    files: int
    pictures: int
    """How many of them were read as pictures, for all their damage; the others were refused."""
    faults: tuple[str, ...]
    """One line for each crash, hang or foreign exception, with where its bytes are kept."""


def fuzz(folder: Path, *, seconds: float, seed: int) -> Fuzzed:
    """Fuzz for a time; a process that crashes or hangs is replaced, its file kept.

    Args:
        folder: Where the offending bytes and their tracebacks are kept.
        seconds: How long.
        seed: The first process's; each further one has the next.

    Returns:
        How many files there were, how many were pictures, and the faults.
    """
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + seconds
    ends, faults = b"", list[str]()
    while time.monotonic() < end:
        work = folder / f"seed-{seed}"
        work.mkdir(exist_ok=True)
        seen, fault = _watch(work, seed=seed, end=end)
        ends += seen
        faults += [fault] if fault else []
        faults += [f"{kept}: {kept.read_text()[-300:]}" for kept in sorted(work.glob("*.txt"))]
        seed += 1
    return Fuzzed(len(ends), ends.count(PICTURE), tuple(faults))


def _watch(work: Path, *, seed: int, end: float) -> tuple[bytes, str]:
    """Watch one process until the time is up, it crashes or it hangs; a byte for each file."""
    command = [sys.executable, "-m", "tests.preprocess.fuzz", str(work), str(seed)]
    limits = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    seen = b""
    with (work / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=os.environ | limits, stdout=subprocess.PIPE, stderr=log
        )
        assert process.stdout is not None
        try:
            while time.monotonic() < end:
                ready, _, _ = select.select([process.stdout], [], [], HANG_S)
                if not ready:
                    return seen, _keep(work, f"file {len(seen)} of seed {seed} hangs")
                more = os.read(process.stdout.fileno(), 4096)
                if not more:
                    code = process.wait()
                    return seen, _keep(work, f"file {len(seen)} of seed {seed} ends it: {code}")
                seen += more
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
    return seen, ""


def _keep(work: Path, fault: str) -> str:
    said = f"{fault}; {(work / 'log').read_bytes()[-300:]!r}"
    if not (work / "scan").exists():  # it ended before its first file
        return said
    return f"{said}; {(work / 'scan').rename(work / f'fault-{time.monotonic_ns()}.bin')}"


def damage(sound: list[bytes], chance: random.Random) -> bytes:
    """Damage one of some files, in one to three ways."""
    content = bytearray(chance.choice(sound))
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        way = chance.choice((_flip, _flip_head, _cut, _splice, _set_number, _set_number, _drop))
        way(content, sound, chance)
    return _seal(bytes(content)) if chance.random() < 0.7 else bytes(content)


def _flip(content: bytearray, _: list[bytes], chance: random.Random) -> None:
    for _flipped in range(chance.choice((1, 2, 8, 64))):
        if content:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _flip_head(content: bytearray, _: list[bytes], chance: random.Random) -> None:
    for _set in range(chance.choice((1, 2, 4))):
        if content:
            content[chance.randrange(min(len(content), 512))] = chance.randrange(256)


def _cut(content: bytearray, _: list[bytes], chance: random.Random) -> None:
    del content[chance.randrange(len(content) + 1) :]


def _splice(content: bytearray, sound: list[bytes], chance: random.Random) -> None:
    other = chance.choice(sound)
    start = chance.randrange(len(other))
    piece = other[start : start + chance.choice((4, 64, 1024, 65536))]
    at = chance.randrange(len(content) + 1)
    content[at : at + chance.choice((0, len(piece)))] = piece


def _set_number(content: bytearray, _: list[bytes], chance: random.Random) -> None:
    """Set a field to a number that lengths, counts and offsets trip over; heads more often."""
    form = chance.choice(("B", "<H", ">H", "<I", ">I", "<Q"))
    reach = min(len(content), chance.choice((128, 1024, len(content) + 1)))
    at = chance.randrange(max(1, reach))
    number = chance.choice((*ODD_NUMBERS, len(content), chance.getrandbits(32)))
    packed = struct.pack(form, number & ((1 << (8 * struct.calcsize(form))) - 1))
    content[at : at + len(packed)] = packed


def _drop(content: bytearray, _: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(content) + 1)
    del content[at : at + chance.choice((1, 2, 16, 512))]


def _seal(content: bytes) -> bytes:
    """Correct the checksums of a PNG's chunks, so that the damage is read and not refused."""
    if not content.startswith(b"\x89PNG"):
        return content
    sealed, at = bytearray(content), 8
    while at + 12 <= len(sealed):
        length = int.from_bytes(sealed[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(sealed):
            break
        sealed[end : end + 4] = struct.pack(">I", zlib.crc32(sealed[at + 4 : end]))
        at = end + 4
    return bytes(sealed)


def scans(seed: int) -> Iterator[bytes]:
    """Give damaged files without end; the same for the same seed."""
    made = hostile.valid_files() | hostile.profiled_files() | hostile.odd_files()
    made |= hostile.turned_files()
    sound = [content for content in made.values() if len(content) < 1 << 20]
    chance = random.Random(seed)
    while True:
        yield damage(sound, chance)


def read(path: Path) -> bytes:
    """Read a scan as the crop stage does; what it may raise is caught."""
    try:
        scan = read_scan(path, least=768)
        find_border(scan.rgb, min_confidence=0.8)
    except (ScanError, ValueError):
        return REFUSED
    return PICTURE


def main() -> None:
    """Damage and read until killed; say of each file how it ended."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    path = folder / "scan"
    path.write_bytes(hostile.pack(hostile.draw(), "png"))
    read(path)
    limit_memory(EXTRA_BYTES)
    for number, content in enumerate(scans(seed)):
        path.write_bytes(content)
        try:
            end = read(path)
        except BaseException:  # whatever it is, it would have ended a batch
            (folder / f"foreign-{number}.bin").write_bytes(content)
            (folder / f"foreign-{number}.txt").write_text(traceback.format_exc())
            end = FOREIGN
        sys.stdout.buffer.write(end)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
