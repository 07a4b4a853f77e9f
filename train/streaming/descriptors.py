"""Files kept open, several in use at once, no more than the system lets a process have."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """What holds a file open."""

    def close(self) -> None:
        """Let go of it."""


F = TypeVar("F", bound=Closable)


class Descriptors(Generic[F]):
    """Files by number, opened when they are asked for; those used longest ago are closed first."""

    def __init__(self, open_number: Callable[[int], F], *, most: int) -> None:
        """Open nothing yet.

        Args:
            open_number: Opens a file by its number.
            most: So many are open at once, at most.
        """
        self.most = most
        self._open_number = open_number
        self._files: OrderedDict[int, F] = OrderedDict()

    def get(self, numbers: Sequence[int]) -> dict[int, F]:
        """Give open files, valid until the next call.

        Args:
            numbers: At most `most`, distinct.

        Raises:
            ValueError: If there are more.
            DataError: As `open_number`.
            OSError: As `open_number`.
        """
        if len(numbers) > self.most:
            raise ValueError(f"expected at most {self.most} files at once, got {len(numbers)}")
        for number in numbers:
            if number in self._files:
                self._files.move_to_end(number)
        wanted = [number for number in numbers if number not in self._files]
        while len(self._files) + len(wanted) > self.most:
            self._files.popitem(last=False)[1].close()
        for number in wanted:
            self._files[number] = self._open_number(number)
        return {number: self._files[number] for number in numbers}

    def close(self) -> None:
        """Close them all."""
        while self._files:
            self._files.popitem()[1].close()
