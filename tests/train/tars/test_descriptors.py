from dataclasses import dataclass

import pytest

from train.afar.landing import NoRoomError
from train.tars.descriptors import Descriptors


@dataclass
class File:
    number: int
    is_open: bool = True

    def close(self) -> None:
        self.is_open = False


class Disk:
    """Opens files, so many at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.files: list[File] = []

    def open(self, number: int) -> File:
        if len(self.open_now()) >= self.room:
            raise NoRoomError("full")
        self.files.append(File(number))
        return self.files[-1]

    def open_now(self) -> list[int]:
        return [file.number for file in self.files if file.is_open]


def use(files: Descriptors[File], *numbers: int) -> list[int]:
    with files.use(numbers) as given:
        assert all(file.is_open for file in given.values())
        return list(given)


def test_those_used_longest_ago_are_closed_first() -> None:
    disk = Disk(100)
    files = Descriptors(disk.open, most=3)
    for numbers in ([1, 2], [3], [1], [4, 1]):
        assert use(files, *numbers) == numbers
    assert disk.open_now() == [1, 3, 4]
    assert use(files, 5, 6, 7) == disk.open_now() == [5, 6, 7]
    files.keep([6, 8])
    assert disk.open_now() == [6]
    files.close()
    assert disk.open_now() == []


def test_of_more_than_may_be_open_the_first_are_given() -> None:
    assert use(Descriptors(File, most=2), 1, 2, 3) == [1, 2]


def test_where_there_is_no_room_others_are_closed_and_the_first_that_fit_given() -> None:
    disk = Disk(2)
    files = Descriptors(disk.open, most=100)
    assert use(files, 1, 2, 3) == [1, 2]
    assert use(files, 3) == [3]
    assert disk.open_now() == [2, 3]
    assert use(files, 4, 5, 6) == [4, 5]
    disk.room = 0
    with pytest.raises(NoRoomError):
        use(files, 7)


def test_those_that_share_room_close_one_anothers() -> None:
    disk = Disk(2)
    first, second = (Descriptors(disk.open, most=100) for _ in range(2))
    second.join(first)
    assert use(first, 1, 2) == [1, 2]
    assert use(second, 1, 2, 3) == [1, 2]
    assert use(first, 3) == [3]
    assert disk.open_now() == [2, 3]
