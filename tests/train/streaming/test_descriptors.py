from dataclasses import dataclass

import pytest

from train.streaming.descriptors import Descriptors


@dataclass
class File:
    number: int
    is_open: bool = True

    def close(self) -> None:
        self.is_open = False


def test_those_used_longest_ago_are_closed_first() -> None:
    opened: list[File] = []

    def open_number(number: int) -> File:
        opened.append(File(number))
        return opened[-1]

    files = Descriptors(open_number, most=3)
    files.get([1, 2])
    files.get([3])
    files.get([1])
    assert all(file.is_open for file in files.get([4, 1]).values())
    assert [(file.number, file.is_open) for file in opened] == [
        (1, True),
        (2, False),
        (3, True),
        (4, True),
    ]
    files.get([5, 6, 7])
    assert [file.number for file in opened if file.is_open] == [5, 6, 7]
    files.close()
    assert not any(file.is_open for file in opened)


def test_more_at_once_than_may_be_open_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at most 2 files at once, got 3"):
        Descriptors(File, most=2).get([1, 2, 3])
