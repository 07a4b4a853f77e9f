"""Pure: how often each file was asked for, and whether the faults explain it."""

from collections.abc import Iterable
from dataclasses import dataclass

from replica.entries import Entry
from replica.routes import Route

FILES = (Route.FILE, Route.IIIF)


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of the requests for one file.

    Attributes:
        path: On tile.loc.gov.
        asked: Requests.
        faulty: Those to which a fault was done, or that a limit refused.
        broken_off: Those whose client left before the end, as a killed one does.
        sha256: Of the file as honestly served; "" when it never was.
    """

    path: str
    asked: int
    faulty: int
    broken_off: int
    sha256: str

    @property
    def unexplained(self) -> int:
        """Requests beyond the one that it takes and those that went wrong."""
        return max(0, self.asked - 1 - self.faulty - self.broken_off)


def tally_files(log: Iterable[Entry]) -> dict[str, Tally]:
    """Count the requests for each file.

    Args:
        log: Its lines, in any order.

    Returns:
        By path, in the order of the first requests of the log.

    Raises:
        ValueError: If a path was honestly served with two contents.
    """
    gathered: dict[str, list[Entry]] = {}
    for entry in log:
        if entry.route in FILES:
            gathered.setdefault(entry.path, []).append(entry)
    return {path: _tally(path, entries) for path, entries in gathered.items()}


def _tally(path: str, entries: list[Entry]) -> Tally:
    contents = {entry.sha256 for entry in entries if entry.sha256}
    if len(contents) > 1:
        raise ValueError(
            f"{path}: expected one content, got {len(contents)}: {sorted(contents)}; "
            "judge the log of each replica for itself"
        )
    return Tally(
        path=path,
        asked=len(entries),
        faulty=sum(bool(entry.fault) for entry in entries),
        broken_off=sum(not entry.fault and not entry.whole for entry in entries),
        sha256=next(iter(contents), ""),
    )
