"""Pure: what is joined directly or through others, but for what must stay apart."""

from collections.abc import Iterable, Mapping


class Closures:
    """Ids joined one link after another; a closure is named after its smallest id."""

    def __init__(
        self, ids: Iterable[str], *, apart: Iterable[tuple[str, str]], labels: Mapping[str, str]
    ) -> None:
        """Begin with every id on its own.

        Args:
            ids: All ids.
            apart: Pairs of them that no closure may hold.
            labels: What ids are known by; "" for none.

        Raises:
            KeyError: If `apart` names an id that is not among `ids`.
        """
        self._parent = {one: one for one in ids}
        self._labels = {one: {labels[one]} - {""} for one in self._parent if one in labels}
        self._members = {one: [one] for one in self._parent}
        self._foes: dict[str, set[str]] = {}
        for one, other in apart:
            self._foes.setdefault(self.find(one), set()).add(other)
            self._foes.setdefault(self.find(other), set()).add(one)

    def find(self, one: str) -> str:
        """Find the smallest id of a closure.

        Args:
            one: Any id of it.

        Raises:
            KeyError: If there is no such id.
        """
        while self._parent[one] != one:
            self._parent[one] = self._parent[self._parent[one]]
            one = self._parent[one]
        return one

    def join(self, one: str, other: str, *, like_labels: bool = False) -> bool:
        """Join two closures, unless that would bring together what must stay apart.

        Args:
            one: An id of the first.
            other: An id of the second.
            like_labels: Whether two closures whose labels are known and differ stay apart too.

        Returns:
            Whether they are one closure now.

        Raises:
            KeyError: If there is no such id.
        """
        low, high = sorted((self.find(one), self.find(other)))
        if low == high:
            return True
        if any(self.find(foe) == low for foe in self._foes.get(high, ())):
            return False
        mine, theirs = self._labels.get(low, set()), self._labels.get(high, set())
        if like_labels and mine and theirs and not mine & theirs:
            return False
        self._parent[high] = low
        self._labels[low] = mine | theirs
        self._members[low] += self._members.pop(high)
        self._foes.setdefault(low, set()).update(self._foes.pop(high, ()))
        return True

    def members(self, one: str) -> list[str]:
        """List the ids of a closure.

        Args:
            one: Any id of it.

        Raises:
            KeyError: If there is no such id.
        """
        return self._members[self.find(one)]

    def to_roots(self) -> dict[str, str]:
        """Name for each id the smallest of its closure."""
        return {one: self.find(one) for one in self._parent}
