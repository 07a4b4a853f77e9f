"""Sample: one training example, and the bytes it has in a shard.

A sample is two or three members: `json`, exactly 1,024 bytes; `lab.npy`, uint8 (S, S, 3); in
shards of real pairs also `bw.npy`, uint8 (S, S), the lightness of the registered negative. Every
member has a length that the size alone decides, so samples lie at a constant stride.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

VERSION: Final = 1
JSON_BYTES: Final = 1024
NPY_HEADER_BYTES: Final = 128
"""Length of a version 1.0 header for every size we allow; the writer checks it."""

BLOCK: Final = 512
"""Tar pads a member to whole blocks, and gives it a header of one."""

MAX_NAME_BYTES: Final = 90
"""Longest key or id: a longer one would need a second tar header, or overflow the JSON."""


@dataclass(frozen=True, slots=True)
class SampleInfo:
    """What a shard says of a sample; short, never null, and nothing else."""

    key: str
    scan_id: str
    item_id: str
    view_id: str
    group_id: str
    split: str
    """`train`, `val`, `test` or `pairs`."""
    view_split: str
    """`train`, `val` or `test`."""
    source_width: int
    source_height: int
    """Size in pixels of the scan as stored."""
    valid: tuple[int, int, int, int]
    """Top, left, bottom, right (exclusive) of the picture within the square."""
    size: int
    scan_sha256: str


_NAMES: Final = tuple(field.name for field in fields(SampleInfo))


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One training example."""

    info: SampleInfo
    lab: Bytes
    """Shape (S, S, 3): L*255/100, a+128, b+128, rounded."""
    bw: Bytes | None = None
    """Shape (S, S): L*255/100 of the registered negative; None but in pairs."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie in each sample of a shard, in bytes from the sample's start."""

    stride: int
    json_offset: int
    arrays: tuple[tuple[str, int, tuple[int, ...]], ...]
    """Suffix, offset of the array's data, shape; all uint8."""


def to_key(scan_id: str) -> str:
    """Turn a scan's id into a key; WebDataset ends a key at its first dot.

    Args:
        scan_id: Such as "ppmsc.06712".

    Returns:
        Such as "ppmsc-06712".
    """
    return scan_id.replace(".", "-")


def to_layout(size: int, *, paired: bool) -> Layout:
    """Say where the members of a sample lie.

    Args:
        size: Side of a sample, in pixels.
        paired: Whether there is a `bw.npy`.

    Returns:
        The layout that every shard of this kind has.
    """
    offset = BLOCK + JSON_BYTES
    arrays: list[tuple[str, int, tuple[int, ...]]] = []
    shapes = {"lab.npy": (size, size, 3)} | ({"bw.npy": (size, size)} if paired else {})
    for suffix, shape in shapes.items():
        arrays.append((suffix, offset + BLOCK + NPY_HEADER_BYTES, shape))
        data = NPY_HEADER_BYTES + int(np.prod(shape))
        offset += BLOCK + -(-data // BLOCK) * BLOCK
    return Layout(stride=offset, json_offset=BLOCK, arrays=tuple(arrays))


def to_members(sample: Sample) -> list[tuple[str, bytes]]:
    """Write a sample as the members of a shard.

    Args:
        sample: The sample; its arrays are of the size its info names.

    Returns:
        Suffix and content of each member, in the order they have in a shard.

    Raises:
        ValueError: If an array is not uint8 of its shape, or a name is too long.
    """
    size = sample.info.size
    members = [("json", to_json(sample.info)), ("lab.npy", _to_npy(sample.lab, (size, size, 3)))]
    if sample.bw is not None:
        members.append(("bw.npy", _to_npy(sample.bw, (size, size))))
    return members


def from_members(members: Mapping[str, bytes]) -> Sample:
    """Read a sample from its members; the inverse of `to_members`.

    Args:
        members: Content by suffix: `json`, `lab.npy` and, in pairs, `bw.npy`.

    Returns:
        The sample.

    Raises:
        ValueError: If a member is missing or foreign, or not what `to_members` writes.
    """
    if not {"json", "lab.npy"} <= set(members) <= {"json", "lab.npy", "bw.npy"}:
        raise ValueError(f"expected json, lab.npy and perhaps bw.npy, got {sorted(members)}")
    info = from_json(members["json"])
    bw = members.get("bw.npy")
    return Sample(
        info=info,
        lab=_from_npy(members["lab.npy"], (info.size, info.size, 3)),
        bw=None if bw is None else _from_npy(bw, (info.size, info.size)),
    )


def to_json(info: SampleInfo) -> bytes:
    """Write a sample's info as exactly 1,024 bytes of JSON, padded with spaces.

    Args:
        info: Key and ids of at most 90 bytes each.

    Returns:
        UTF-8.

    Raises:
        ValueError: If a name is empty or too long, the key has a dot, a slash or what is not
            ASCII, or a value is null.
    """
    record = {"version": VERSION} | {name: getattr(info, name) for name in _NAMES}
    empty = [name for name, value in record.items() if value is None or value == ""]
    if empty:
        raise ValueError(f"{info.key}: expected a value in every field, got none in {empty}")
    for name in ("key", "scan_id", "item_id", "view_id", "group_id"):
        if len(str(record[name]).encode()) > MAX_NAME_BYTES:
            raise ValueError(
                f"{name} {record[name]!r}: expected at most {MAX_NAME_BYTES} bytes; rename the scan"
            )
    if "." in info.key or "/" in info.key or not info.key.isascii():
        # For a name that is not ASCII tar writes a header more: the stride would not be constant.
        raise ValueError(f"key {info.key!r}: expected ASCII with neither dot nor slash")
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > JSON_BYTES:
        raise ValueError(
            f"{info.key}: expected {JSON_BYTES} bytes of JSON at most, got {len(text)}"
        )
    return text.ljust(JSON_BYTES)


def from_json(text: bytes) -> SampleInfo:
    """Read a sample's info; the inverse of `to_json`.

    Args:
        text: Exactly 1,024 bytes.

    Returns:
        The info.

    Raises:
        ValueError: If the length, the version, the fields or a field's type is another.
    """
    if len(text) != JSON_BYTES:
        raise ValueError(f"expected {JSON_BYTES} bytes of JSON, got {len(text)}")
    record = json.loads(text)
    if not isinstance(record, dict) or set(record) != {"version", *_NAMES}:
        raise ValueError(f"expected JSON with version and {list(_NAMES)}, got {text[:80]!r}")
    if record["version"] != VERSION:
        raise ValueError(f"expected a sample of version {VERSION}, got {record['version']!r}")
    for field in fields(SampleInfo):
        if field.name != "valid" and type(record[field.name]) is not field.type:
            raise ValueError(f"{field.name}: expected {field.type}, got {record[field.name]!r}")
    return SampleInfo(**{name: record[name] for name in _NAMES} | {"valid": _to_box(record)})


def _to_box(record: Mapping[str, Any]) -> tuple[int, int, int, int]:
    box, size = record["valid"], record["size"]
    if isinstance(box, list) and len(box) == 4 and all(type(edge) is int for edge in box):
        top, left, bottom, right = box
        if 0 <= top < bottom <= size and 0 <= left < right <= size:
            return top, left, bottom, right
    raise ValueError(f"valid: expected top, left, bottom, right within {size} px, got {box!r}")


def _to_npy(array: Bytes, shape: tuple[int, ...]) -> bytes:
    if array.dtype != np.uint8 or array.shape != shape:
        raise ValueError(f"expected uint8 of shape {shape}, got {array.dtype} of {array.shape}")
    return b"".join((_npy_header(shape), np.ascontiguousarray(array).data))


@lru_cache(maxsize=8)
def _npy_header(shape: tuple[int, ...]) -> bytes:
    """Write the header of a version 1.0 file once for all samples; NumPy's own copies the array."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    content = header.getvalue()
    if len(content) != NPY_HEADER_BYTES:
        raise ValueError(
            f"expected an npy header of {NPY_HEADER_BYTES} bytes for shape {shape}, "
            f"got {len(content)}; another NumPy wrote it"
        )
    return content


def _from_npy(content: bytes, shape: tuple[int, ...]) -> Bytes:
    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    if array.dtype != np.uint8 or array.shape != shape:
        raise ValueError(f"expected uint8 of shape {shape}, got {array.dtype} of {array.shape}")
    return np.asarray(array, np.uint8)
