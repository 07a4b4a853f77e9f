"""Edge: files kept open, several in use at once: no more than there is room for."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from train.afar.landing import NoRoomError


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
            open_number: Opens a file by its number; NoRoomError has others closed, and it is
                called again.
            most: So many are open at once, at most.
        """
        self._most = most
        self._open_number = open_number
        self._files: OrderedDict[int, F] = OrderedDict()
        self._turn = threading.RLock()
        self._group: list[Descriptors[F]] = [self]

    def join(self, other: "Descriptors[F]") -> None:
        """Share one room with others: they take turns, and close one another's files for it."""
        self._turn, self._group = other._turn, other._group
        self._group.append(self)

    @contextmanager
    def use(self, numbers: Sequence[int]) -> Iterator[dict[int, F]]:
        """Give open files, valid within the block.

        Args:
            numbers: Distinct, at least one.

        Yields:
            The first of them, as many as there is room for at once; at least one.

        Raises:
            NoRoomError: If there is no room for one.
            DataError: As `open_number`.
            OSError: As `open_number`.
        """
        with self._turn:
            wanted = numbers[: self._most]
            for number in wanted:
                if number in self._files:
                    self._files.move_to_end(number)
            given: dict[int, F] = {}
            for number in wanted:
                try:
                    given[number] = self._get(number, given)
                except NoRoomError:
                    if not given:
                        raise
                    break
            yield given

    def keep(self, numbers: Collection[int]) -> None:
        """Close all others; they are opened again when they are used."""
        with self._turn:
            for number in self._files.keys() - set(numbers):
                self._files.pop(number).close()

    def close(self) -> None:
        """Close them all."""
        self.keep(())

    def _get(self, number: int, given: Collection[int]) -> F:
        while number not in self._files:
            if len(self._files) >= self._most:
                self._close_one(given)
            try:
                self._files[number] = self._open_number(number)
            except NoRoomError:
                if not self._close_one(given):
                    raise
        return self._files[number]

    def _close_one(self, given: Collection[int]) -> bool:
        """Close what was used longest ago, own files first; say whether there was any."""
        for one in (self, *(other for other in self._group if other is not self)):
            for number in one._files:
                if one is not self or number not in given:
                    one._files.pop(number).close()
                    return True
        return False
