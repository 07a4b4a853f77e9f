"""Edge: a transfer that was interrupted, and what is needed to go on with it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, Field, ValidationError


class _Note(BaseModel, frozen=True, extra="forbid"):
    """What the part beside it is of."""

    url: str
    validator: str = Field(min_length=1)
    size_bytes: int = Field(gt=0)


@dataclass(frozen=True, slots=True)
class Rest:
    """What is missing of a file.

    Attributes:
        offset: Bytes that are there, from the beginning.
        size_bytes: Of the whole file.
        validator: Value for If-Range; the bytes that are there are of this version.
    """

    offset: int
    size_bytes: int
    validator: str


class Partial:
    """The part of one file, `.NAME.part` beside its target, and `.NAME.part.json` about it.

    A process may be killed at any instruction: the note is written after the part was begun
    and removed before the part gets its name, so that a part with a note is a true beginning
    of what the note names. A part without one, or a note without one, is thrown away. What
    the disk keeps when the power fails is the caller's care: see `finish`.
    """

    def __init__(self, target: Path, *, url: str) -> None:
        """Look at nothing yet.

        Args:
            target: Where the file shall stand; no two at a time may download it.
            url: Canonical.
        """
        self._target, self._url = target, url
        self._part = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.json")

    def keep_rest(self) -> Rest | None:
        """Keep what one can go on with, and throw away all else.

        Returns:
            What is missing, at least one byte; None where all is.

        Raises:
            OSError: If the disk refuses.
        """
        try:
            note = _Note.model_validate_json(self._note.read_bytes())
            came = self._part.stat().st_size
        except (FileNotFoundError, ValidationError):
            self.discard()
            return None
        if note.url != self._url or not 0 < came <= note.size_bytes:
            self.discard()
            return None
        # Of a part that is whole the last byte is asked for again: it proves the version.
        offset = min(came, note.size_bytes - 1)
        if offset == 0:
            return None
        return Rest(offset, note.size_bytes, note.validator)

    @contextmanager
    def begin(self, *, validator: str, size_bytes: int | None) -> Iterator["Sink"]:
        """Write the file from its beginning.

        Args:
            validator: Under which the rest may be asked for later; "" if it may not.
            size_bytes: Of the whole file, if the server said it.

        Yields:
            Where its bytes go.

        Raises:
            OSError: If the disk refuses.
        """
        self._part.parent.mkdir(parents=True, exist_ok=True)
        self._note.unlink(missing_ok=True)
        with self._part.open("wb") as file:
            if validator and size_bytes:
                note = _Note(url=self._url, validator=validator, size_bytes=size_bytes)
                self._note.write_text(note.model_dump_json())
            yield Sink(file)

    @contextmanager
    def go_on(self, rest: Rest) -> Iterator["Sink"]:
        """Write the rest of the file.

        Args:
            rest: From `keep_rest`.

        Yields:
            Where its bytes go; what is there already counts.

        Raises:
            OSError: If the disk refuses.
        """
        with self._part.open("r+b") as file:
            file.truncate(rest.offset)
            sink = Sink(file)
            sink.take_up()
            yield sink

    def finish(self) -> None:
        """Give the whole file its name.

        It is not flushed: a caller that keeps it lets `files.put_in_place` do that, once.

        Raises:
            OSError: If the disk refuses.
        """
        self._note.unlink(missing_ok=True)
        self._part.replace(self._target)

    def discard(self) -> None:
        """Throw away what is there."""
        self._note.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)


class Sink:
    """A file that is being written, its size and its hash."""

    def __init__(self, file: BinaryIO) -> None:
        """Start with what `file` has before its position, which is nothing."""
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """The hash of all that was written, in hex."""
        return self._digest.hexdigest()

    def take_up(self) -> None:
        """Count what the file has already."""
        while chunk := self._file.read(1 << 20):
            self._count(chunk)

    def write(self, chunk: bytes) -> None:
        """Write some bytes."""
        self._file.write(chunk)
        self._count(chunk)

    def _count(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.size_bytes += len(chunk)
