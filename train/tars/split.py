"""Edge: any WebDataset as a source of samples: pictures of tars, decoded in threads.

The order is that of the tars and, in each, of its samples, and an index of every tar says where a
picture lies; so a batch is the same at any world size, and a run goes on where it stopped, as with
shards of our own. What differs is the cost: every picture is decoded whenever it is used.

For each sample 18 bytes are held in memory, 8 more for arrays of LAB: 180 MB for 10 million.

Dimensions: N samples of the split, B of a batch, S side in pixels, R bytes of a row.
"""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray
from torch import Tensor

from preprocess.samples import BLOCK
from train.errors import DamagedError, DataError
from train.streaming.readers import find_most_open
from train.tars.colour import to_lab_bytes
from train.tars.decoding import Box, Kind, decode
from train.tars.descriptors import Descriptors
from train.tars.file import AGAIN, REPAIR, TarFile
from train.tars.index import OpenFile, read_keys
from train.tars.names import Tar
from train.tars.places import Places, find_places

_PARTS: Final = 4
"""Parts of a batch for each thread: the threads end together, and hand over seldom."""

_KINDS: Final = tuple(Kind)

_Place = tuple[int, int, int, int]
"""A row of PLACE."""


class _MismatchError(ValueError):
    """What is read is not what was indexed."""


class TarSplit:
    """One split of a WebDataset."""

    def __init__(
        self, places: Places, *, name: str, size: int, threads: int, open_file: OpenFile | None
    ) -> None:
        """Take what `open_tars` found; nothing is opened yet."""
        self._name, self._size = name, size
        self._places = places
        self._seen = bytearray(len(places.rows))
        self._pool = ThreadPoolExecutor(threads, "decode") if threads > 1 else None
        self._parts = _PARTS * threads
        self._open_file = open_file
        self._files = Descriptors(self._open, most=find_most_open(len(places.tars)))

    @property
    def name(self) -> str:
        """Of the split."""
        return self._name

    @property
    def size(self) -> int:
        """Side of a sample in pixels, S."""
        return self._size

    @property
    def row_bytes(self) -> int:
        """Bytes of a sample in the buffer: its pixels alone."""
        return 3 * self._size**2

    @property
    def starts(self) -> NDArray[np.int64]:
        """Number of each tar's first sample, and N at the end."""
        return self._places.starts

    def __len__(self) -> int:
        return len(self._places.rows)

    @property
    def tars(self) -> tuple[Tar, ...]:
        """The tars that the split has samples in, in order: what `starts` counts."""
        return tuple(one.tar for one in self._places.tars)

    @property
    def notice(self) -> str:
        """What to tell a user once, in a line: what this costs, and what would not."""
        return (
            f"{self.name}: {len(self):,} samples of {len(self.tars):,} tars are read one by one "
            "and decoded anew in every epoch: 2.6 cores for 10,000 JPEGs of 256 px a second; "
            f"`photochrom pack SPEC OUT --size {self.size}` makes shards of them that take 0.1"
        )

    @property
    def left_out(self) -> str:
        """What the tars hold that is no sample, in a line; "" where there is nothing."""
        return self._places.left_out

    def keys(self, number: int) -> list[str]:
        """Read the keys of one tar's samples of the split, in order.

        Args:
            number: Which of `tars`.

        Raises:
            DataError: If its index is no longer there.
        """
        keys = read_keys(self._places.tars[number].index)
        start, stop = self.starts[number : number + 2]
        return [keys[block] for block in self._places.rows["block"][start:stop].tolist()]

    def read(self, index: int) -> tuple[Kind, bytes]:
        """Read one sample's picture, not decoded.

        Raises:
            DataError: If it cannot be read.
        """
        number = int(np.searchsorted(self.starts, index, side="right")) - 1
        _, block, length, kind = self._places.rows[index].item()
        with self._files.use([number]) as files:
            file = files[number]
            try:
                return Kind(kind), file.read(block, length)
            except (ValueError, OSError) as exc:
                raise DataError(f"{file.tar.source}, byte {block * BLOCK}: {exc}; {AGAIN}") from exc

    def gather(
        self,
        indices: NDArray[np.int64],
        rows_BR: NDArray[np.uint8],
        valid_B4: NDArray[np.int64],
    ) -> None:
        """Decode samples into a buffer; see `Source.gather`.

        A picture's bytes are held against the index's XXH3 the first time that they are used; and
        after every batch its tars are held against size and time of change.

        Args:
            indices: Which samples, (B,), each 0 to N - 1.
            rows_BR: Takes the squares, contiguous: RGB, or LAB where the split is arrays of LAB.
            valid_B4: Takes the valid boxes.

        Raises:
            ValueError: If an index lies outside the split, or a buffer is of another shape.
            DataError: If a sample cannot be read or decoded, or is not what it was.
        """
        self._check(indices, rows_BR, valid_B4)
        owners = np.searchsorted(self.starts, indices, side="right") - 1
        rows_BSS3 = rows_BR.reshape(-1, self.size, self.size, 3)
        left = np.unique(owners).tolist()
        whole = (0, 0, self.size, self.size)
        valid_B4[:] = whole

        def work(part: NDArray[np.int64], files: dict[int, TarFile]) -> None:
            wanted = indices[part]
            places = self._places.rows[wanted].tolist()
            numbers = (part.tolist(), wanted.tolist(), owners[part].tolist(), places)
            for row, index, owner, place in zip(*numbers, strict=True):
                box = self._decode(index, place, files[owner], rows_BSS3[row])
                if box != whole:
                    valid_B4[row] = box

        while left:
            with self._files.use(left) as files:
                mine = np.flatnonzero((owners >= left[0]) & (owners <= left[len(files) - 1]))
                parts = np.array_split(mine, min(self._parts, len(mine)))
                self._run(functools.partial(work, files=files), parts)
                for file in files.values():
                    file.check()
            del left[: len(files)]

    def to_lab(self, rows_BR: Tensor) -> Tensor:
        """Turn gathered rows, on any device, into samples: (B, S, S, 3), uint8."""
        pixels_BSS3 = rows_BR[:, : self.row_bytes].view(-1, self.size, self.size, 3)
        return pixels_BSS3 if self._places.valid_N4 is not None else to_lab_bytes(pixels_BSS3)

    def expect(self, shards: NDArray[np.int64]) -> None:
        """Let go of tars that are not read next: one behind a URL that is open is not evicted."""
        self._files.keep(shards.tolist())

    def share_room(self, other: "TarSplit") -> None:
        """Close another split's tars too where there is no room; they take turns from now on."""
        self._files.join(other._files)

    def close(self) -> None:
        """Let go of every file."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._files.close()

    def _open(self, number: int) -> TarFile:
        return TarFile(self._places.tars[number], self._open_file)

    def _decode(self, index: int, place: _Place, file: TarFile, out_SS3: NDArray[np.uint8]) -> Box:
        """Read and decode one sample; its bytes are checked the first time."""
        xxh3, block, length, kind = place
        remedy = AGAIN
        try:
            content = file.read(block, length)
            if not self._seen[index]:
                found = xxhash.xxh3_64_intdigest(content)
                if found != xxh3:
                    file.forget()
                    raise _MismatchError(
                        f"expected XXH3 {xxh3:016x} by the index, got {found:016x}"
                    )
                self._seen[index] = 1
            remedy = REPAIR
            return decode(_KINDS[kind], content, out_SS3, within=self._find_valid(index))
        except (ValueError, OSError) as exc:
            file.check()
            number = int(np.searchsorted(self.starts, index, side="right")) - 1
            key = read_keys(self._places.tars[number].index).get(block, "?")
            kind_of_error = DamagedError if isinstance(exc, _MismatchError) else DataError
            raise kind_of_error(
                f"{file.tar.source}: {key}, byte {block * BLOCK}: {exc}; {remedy}, or leave the "
                "sample out"
            ) from exc

    def _find_valid(self, index: int) -> Box | None:
        """Find the valid box that a shard of ours gave a sample."""
        if self._places.valid_N4 is None:
            return None
        top, left, bottom, right = self._places.valid_N4[index].tolist()
        return (top, left, bottom, right) if bottom else None

    def _run(
        self, work: Callable[[NDArray[np.int64]], None], parts: Sequence[NDArray[np.int64]]
    ) -> None:
        """Do all parts, in threads where there are some; then raise the first one's error."""
        if self._pool is None:
            for part in parts:
                work(part)
            return
        futures = [self._pool.submit(work, part) for part in parts]
        wait(futures)  # nothing may write into the buffers once this returns
        for future in futures:
            future.result()

    def _check(
        self, indices: NDArray[np.int64], rows_BR: NDArray[np.uint8], valid_B4: NDArray[np.int64]
    ) -> None:
        count = len(indices)
        if count and not (indices.min() >= 0 and indices.max() < len(self)):
            raise ValueError(f"expected indices 0 to {len(self) - 1}, got {indices}")
        shapes = (rows_BR.shape, valid_B4.shape)
        if shapes != ((count, self.row_bytes), (count, 4)) or not rows_BR.flags.c_contiguous:
            raise ValueError(
                f"expected contiguous buffers of ({count}, {self.row_bytes}) and ({count}, 4), "
                f"got {shapes[0]} and {shapes[1]}"
            )


def open_tars(
    spec: str,
    *,
    size: int,
    split: str,
    cache: Path,
    threads: int,
    open_file: OpenFile | None = None,
) -> TarSplit:
    """Open one split of a WebDataset; what has no index yet is streamed once to make one.

    Where every tar's name begins with `train-`, `val-`, `test-` or `pairs-`, that is the split of
    its samples; else a sample's is that of its key, by `preprocess.split.find_split`.

    Args:
        spec: A folder of tars, one tar, or tars as `path/{000000..000012}.tar`; perhaps URLs.
        size: Side of a sample in pixels, S.
        split: `train`, `val`, `test` or `pairs`.
        cache: Folder of the indexes, such as the checkout's `.photochrom/indexes`.
        threads: That index and decode.
        open_file: Opens a tar behind a URL; the file has a descriptor.

    Returns:
        The split, which has no sample where the tars hold none of it.

    Raises:
        DataError: If a tar is missing, compressed or broken, or some samples are LAB and others
            are not.
    """
    places = find_places(spec, split=split, cache=cache, threads=threads, open_file=open_file)
    return TarSplit(places, name=split, size=size, threads=threads, open_file=open_file)
