"""Pure: judges from the log of requests whether a harvest kept to the rules."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.robotparser import RobotFileParser

from replica.entries import Entry
from replica.kinds import Kind
from replica.routes import Route
from replica.windows import Window, to_window


@dataclass(frozen=True, slots=True)
class Count:
    """What came of one window of one host.

    Attributes:
        host: Which.
        window: The limit.
        requests: To that host in all.
        most: Requests in the fullest half-open window.
        excess: Requests that came when the window was full already.
        first_excess: When the first of them came, seconds since 1970; None: none did.
    """

    host: str
    window: Window
    requests: int
    most: int
    excess: int
    first_excess: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a log.

    Attributes:
        counts: A line for every window of every host.
        early: Requests that came before a Retry-After had passed.
        defiant: Requests after a challenge.
        disallowed: Requests that robots.txt disallows.
        anonymous: Requests without the contact in the User-Agent.
    """

    counts: tuple[Count, ...]
    early: tuple[Entry, ...]
    defiant: tuple[Entry, ...]
    disallowed: tuple[Entry, ...]
    anonymous: tuple[Entry, ...]

    @property
    def ok(self) -> bool:
        """Whether every rule was kept."""
        broken = (*self.early, *self.defiant, *self.disallowed, *self.anonymous)
        return not broken and not any(count.excess for count in self.counts)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is judged besides the limits.

    Attributes:
        robots: Text of robots.txt, or "" to allow everything.
        contact: What every User-Agent must contain; "" asks for nothing.
        grace_s: Requests that arrive within so many seconds of the end of an answer with
            Retry-After, or of a challenge, were on their way already.
        restarts: When a run was started anew, on the log's clock `t`: it may ask again after
            a challenge, once somebody has looked at it.
    """

    robots: str = ""
    contact: str = ""
    grace_s: float = 0.5
    restarts: tuple[float, ...] = ()


def judge(
    log: Iterable[Entry], limits: Mapping[str, Sequence[str]], *, rules: Rules | None = None
) -> Verdict:
    """Judge a log.

    Args:
        log: Its lines, in any order; questions about the replica itself do not count.
        limits: Limits by host, such as {"www.loc.gov": ["1/6", "10/60"]}.
        rules: What else is judged; None: Retry-After and challenges alone.

    Raises:
        ValueError: If a limit is not of the form.
    """
    rules = rules or Rules()
    asked = sorted((e for e in log if e.route != Route.ABOUT), key=lambda entry: entry.t)
    hosts = {host: [e for e in asked if e.host == host] for host in {e.host for e in asked}}
    counts = [
        _count(host, to_window(text), hosts.get(host, []))
        for host, texts in limits.items()
        for text in texts
    ]
    return Verdict(
        counts=tuple(counts),
        early=tuple(e for one in hosts.values() for e in _find_early(one, rules)),
        defiant=tuple(e for one in hosts.values() for e in _find_defiant(one, rules)),
        disallowed=tuple(_find_disallowed(asked, rules.robots)),
        anonymous=tuple(e for e in asked if rules.contact not in e.agent),
    )


def to_table(verdict: Verdict) -> str:
    """Write a verdict as text, at most 80 columns wide."""
    lines = [f"{'host':<16} {'limit':<12} {'requests':>9} {'most':>6} {'allowed':>8}  verdict"]
    for count in verdict.counts:
        said = f"{count.excess} too many" if count.excess else "kept"
        lines.append(
            f"{count.host:<16.16} {count.window.text:<12.12} {count.requests:>9} "
            f"{count.most:>6} {count.window.count:>8}  {said}"
        )
    broken = {
        "before a Retry-After had passed": verdict.early,
        "after a challenge": verdict.defiant,
        "disallowed by robots.txt": verdict.disallowed,
        "without the contact": verdict.anonymous,
    }
    for name, entries in broken.items():
        first = f", first {entries[0].host}{entries[0].path}" if entries else ""
        lines.append(f"{len(entries)} requests {name}{first}"[:80])
    lines.append("every rule was kept" if verdict.ok else "RULES WERE BROKEN")
    return "\n".join(lines)


def _count(host: str, window: Window, entries: Sequence[Entry]) -> Count:
    """Count a host's requests in the half-open windows (t - seconds, t] that end with each."""
    times = [entry.t for entry in entries]
    found = [k + 1 - bisect_right(times, t - window.seconds, hi=k) for k, t in enumerate(times)]
    late = [entries[k].time for k, many in enumerate(found) if many > window.count]
    return Count(
        host, window, len(entries), max(found, default=0), len(late), late[0] if late else None
    )


def _find_early(entries: Sequence[Entry], rules: Rules) -> list[Entry]:
    """Find the requests to a host that came while it had asked to be left alone."""
    pauses = [
        (entry.t + entry.seconds + rules.grace_s, entry.not_before)
        for entry in entries
        if entry.not_before is not None
    ]
    return [e for e in entries if any(known < e.t < until for known, until in pauses)]


def _find_defiant(entries: Sequence[Entry], rules: Rules) -> list[Entry]:
    """Find the requests to a host that came after a challenge, and not after a new start."""
    pages = (Kind.CHALLENGE, Kind.TOO_MANY_MOMENT)
    challenged = [e.t + e.seconds for e in entries if e.fault in pages]
    return [
        entry
        for entry in entries
        if any(
            at + rules.grace_s < entry.t and not any(at < new <= entry.t for new in rules.restarts)
            for at in challenged
        )
    ]


def _find_disallowed(entries: Iterable[Entry], robots: str) -> list[Entry]:
    parser = RobotFileParser()
    parser.parse(robots.splitlines())
    found = []
    for entry in entries:
        address = entry.path + (f"?{entry.query}" if entry.query else "")
        url = f"https://{entry.host}{address}"
        if entry.route != Route.ROBOTS and not parser.can_fetch(entry.agent, url):
            found.append(entry)
    return found
