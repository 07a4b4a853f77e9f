"""What feeding a node of 8 H100 takes, by arithmetic from the measured CPU seconds.

Cores = rate x CPU seconds of 10,000 samples / 10,000; bytes = rate x bytes of a sample. A sample of
512 px has four times the pixels, and is reckoned at four times the cost and the bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from _stream_peers import JPEG, JPEG_LAB, OURS, WDS_JPEG, WDS_LAB
from _stream_table import SAMPLES


@dataclass(frozen=True, slots=True)
class Network:
    """A network, and how many samples a second eight H100 take of it."""

    name: str
    at_256: int
    at_512: int


NETWORKS: Final = (
    Network("UNet, base 64", 10_981, 2_745),
    Network("photochrom-ai U-Net", 18_191, 4_548),
    Network("pix2pix, G and D", 34_364, 8_481),
    Network("ResNet-50 generator", 42_449, 10_613),
    Network("small 64-512, half size", 42_569, 10_643),
    Network("small 64-512, bins, a quarter", 47_333, 11_833),
    Network("CNN", 69_611, 17_405),
    Network("small 32-256, half size", 169_957, 42_501),
    Network("ResNet18", 252_632, 63_145),
)
"""At 40 % of 990 TFLOP/s, bf16: from floating-point operations counted, not from runs."""

WAYS: Final = ((OURS, "raw"), (JPEG, "jpeg"), (JPEG_LAB, "jpeg"), (WDS_JPEG, ""), (WDS_LAB, ""))
"""Ways, and whose bytes."""


def cores(record: Mapping[str, Any], way: str, rate: float, *, size: int) -> float:
    """Reckon the cores that a way keeps busy at a rate."""
    seconds: float = record["medians"][way]["cpu_s"]
    return rate * seconds / SAMPLES * (size / 256) ** 2


def most_for_a_core(record: Mapping[str, Any], way: str = OURS) -> float:
    """Reckon how many samples of 256 px one core feeds in a second."""
    return SAMPLES / float(record["medians"][way]["cpu_s"])


def to_markdown(record: Mapping[str, Any]) -> str:
    """Lay the arithmetic out as the table of docs/streaming.md."""
    lines = [
        "| network | px | samples/s | constant stride: cores | GB/s | JPEG: cores | GB/s "
        "| JPEG to LAB on the CPU: cores | webdataset, JPEG: cores | with LAB: cores |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in NETWORKS:
        for size, rate in ((256, one.at_256), (512, one.at_512)):
            cells = [one.name, f"{size}", f"{rate:,}"]
            for way, kind in WAYS:
                needed = cores(record, way, rate, size=size)
                cells.append(f"{needed:.2f}" if needed < 10 else f"{needed:,.0f}")
                if way in (OURS, JPEG):
                    bytes_s = rate * record["sizes_bytes"][kind] * (size / 256) ** 2
                    cells.append(f"{bytes_s / 1e9:.1f}")
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def to_sentence(record: Mapping[str, Any]) -> str:
    """Say whether less than a core is enough for a node."""
    needed = [(cores(record, OURS, one.at_256, size=256), one) for one in NETWORKS]
    below = [one.name for cost, one in needed if cost < 1]
    above = [f"{one.name} ({cost:.2f})" for cost, one in needed if cost >= 1]
    said = f"One core feeds {most_for_a_core(record):,.0f} samples a second of 256 px. "
    said += f"Less than one core for a node of 8 H100 is so for {len(below)} of the "
    said += f"{len(needed)} networks"
    if above:
        said += f", and not for {' and '.join(above)}"
    return f"{said}."
