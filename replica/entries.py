"""The log of requests as the judge reads it."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from replica.errors import LogError


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, a line of the log.

    Attributes:
        t: Arrival, seconds of the machine's monotonic clock.
        time: Arrival, seconds since 1970.
        host: Which was asked, without port.
        route: Such as "listing"; see `routes.Route`.
        method: Such as "GET".
        path: Decoded, without the query.
        query: As sent.
        agent: The User-Agent.
        range: The Range header, or "".
        status: HTTP status; 0 when none was sent.
        bytes: Of the body, as handed to the connection.
        whole: Whether the answer was sent to its end.
        seconds: From arrival to the end of the answer.
        fault: Kind of the fault that was done, "enforced" for a limit's 429, or "".
        sha256: Of the whole file as honestly served; "" for other answers.
        not_before: When the host may be asked again, on the clock of `t`; None: at once.
    """

    t: float
    time: float
    host: str
    route: str
    method: str
    path: str
    query: str
    agent: str
    range: str
    status: int
    bytes: int
    whole: bool
    seconds: float
    fault: str
    sha256: str
    not_before: float | None


_ENTRY = TypeAdapter(Entry)


def read_log(path: Path) -> list[Entry]:
    """Read a log, in the order of arrival.

    Args:
        path: What `--log` named; a torn last line, of a killed replica, is left out.

    Raises:
        LogError: If it cannot be read, or a line is none of a log's.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise LogError(f"{path}: expected a replica's log, got {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise LogError(f"{path}: expected a replica's log, got what is no text ({exc})") from exc
    lines = text[: text.rfind("\n") + 1].splitlines()
    entries = [_to_entry(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]
    return sorted(entries, key=lambda entry: entry.t)


def _to_entry(line: str, where: str) -> Entry:
    try:
        return _ENTRY.validate_json(line, strict=True)
    except ValueError as exc:
        raise LogError(
            f"{where}: expected a line of a replica's log, got {line[:80]!r}; "
            "write each run's log into a file of its own"
        ) from exc
