"""Edge: what a host asked of us, kept where every process of the machine reads it."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ValidationError

from harvest.errors import HarvestError
from harvest.files import disk_explained, write_bytes


class Notice(BaseModel, frozen=True, extra="forbid"):
    """What a host asked of us."""

    origin: str = ""
    """Who asked: the Library, or a replica at this address; another one's is not heeded."""
    not_before: AwareDatetime | None = None
    """No request may go out before; a short pause, which we wait for."""
    until: AwareDatetime | None = None
    """No request may go out before; a long one, for which we stop."""
    why: str = ""
    """What `until` is for."""
    challenges: int = 0
    """How often it challenged us. One who saw a smaller number must stop, and a run that is
    started later may ask again; a number and no time, as the clock may be set."""
    challenge: str = ""
    """The latest challenge."""


@dataclass(slots=True)
class Board:
    """Where the notice of one host stands.

    Attributes:
        path: Such as .photochrom/limits/www.loc.gov.json; None keeps it in memory. Whoever
            reads in order to write holds the host's lock meanwhile.
        origin: Whose notices are heeded.
    """

    path: Path | None
    origin: str
    _kept: Notice = field(default_factory=Notice)

    def read(self) -> Notice:
        """Read the notice.

        Raises:
            HarvestError: If the file is no notice.
        """
        if self.path is None:
            return self._kept
        try:
            notice = Notice.model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return Notice(origin=self.origin)
        except (ValidationError, OSError) as exc:
            raise HarvestError(
                f"{self.path}: expected what a host asked of us, as we wrote it, got something "
                "else; remove it if no host has blocked us"
            ) from exc
        return notice if notice.origin == self.origin else Notice(origin=self.origin)

    def write(self, notice: Notice) -> None:
        """Write it, so that it is there whole whatever happens.

        Raises:
            HarvestError: If the disk refuses.
        """
        if self.path is None:
            self._kept = notice
            return
        with disk_explained(self.path):
            write_bytes(self.path, notice.model_dump_json().encode())


def later(one: datetime | None, other: datetime) -> datetime:
    """Choose the later of two times, of which the first may be missing."""
    return other if one is None else max(one, other)
