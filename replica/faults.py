"""The fault plan: which faults on which routes, how often, and what is enforced.

A plan is a YAML file; `seed` alone is needed:

    seed: 1
    most: 2                       # faults in a row on one address before it is served well
    faults:
      - {kind: too_many_seconds, route: file, rate: 0.03, seconds: 2}
      - {kind: cut, route: [file, iiif], rate: 0.05}
      - {kind: not_found, route: item, rate: 0.1, times: 1, match: "2001697"}
      - {kind: reset, route: any, rate: 0.02}
    enforce:
      www.loc.gov: ["20/60/300"]  # more than 20 in 60 s: 429 for 300 s
    robots: {crawl_delay: 5}      # or the text itself
    revise: {rate: 0.05, new_bytes: true}
"""

import re
from collections import Counter
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from replica.chance import digest_of
from replica.errors import PlanError
from replica.kinds import Kind, amount_for, routes_for, seconds_for
from replica.routes import Route
from replica.windows import to_window

Hosts = Literal["www.loc.gov", "tile.loc.gov"]


class FaultRule(BaseModel, frozen=True, extra="forbid"):
    """One fault on some routes."""

    kind: Kind
    """What goes wrong."""

    route: tuple[Route, ...] | Literal["any"]
    """A route, a list of them, or `any`: wherever the fault makes sense."""

    rate: float = Field(gt=0, le=1)
    """Share of the requests; rules are tried in their order, so that of a later rule counts
    among the requests that earlier ones spared."""

    times: int | None = Field(default=None, ge=1)
    """At most so often on one address; null: without end."""

    match: str | None = None
    """Regular expression; only addresses (path and query) in which it is found."""

    seconds: float | None = Field(default=None, gt=0)
    """Retry-After, rounded up to whole seconds, or how long a stall lasts; null: the kind's own."""

    amount: int | None = Field(default=None, gt=0)
    """Levels, bytes a second, MiB or GB, as the kind says; null: the kind's own."""

    @field_validator("route", mode="before")
    @classmethod
    def _to_routes(cls, value: object) -> object:
        return (value,) if isinstance(value, str) and value != "any" else value

    @field_validator("match")
    @classmethod
    def _check_match(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as exc:
            raise ValueError(f"expected a regular expression, got {value!r}: {exc}") from exc
        return value

    @model_validator(mode="after")
    def _check_kind(self) -> "FaultRule":
        useful = routes_for(self.kind)
        if self.route != "any" and (wrong := set(self.route) - useful):
            raise ValueError(
                f"{self.kind}: expected routes among {sorted(useful)}, got {sorted(wrong)}"
            )
        for name, usual in (("seconds", seconds_for), ("amount", amount_for)):
            if getattr(self, name) is not None and usual(self.kind) is None:
                raise ValueError(f"{self.kind}: expected no {name}, for it has none")
        return self

    def meets(self, route: Route, address: str) -> bool:
        """Say whether this fault may happen to an address."""
        routes = routes_for(self.kind) if self.route == "any" else self.route
        return route in routes and (self.match is None or bool(re.search(self.match, address)))


class CrawlDelay(BaseModel, frozen=True, extra="forbid"):
    """A robots.txt as usual, with a Crawl-delay."""

    crawl_delay: float = Field(gt=0)
    """Seconds."""


class Revision(BaseModel, frozen=True, extra="forbid"):
    """What the Library changed since: for a refresh."""

    rate: float = Field(gt=0, le=1)
    """Share of the items whose records say that they were modified later."""

    new_bytes: bool = True
    """Whether their generated pictures are other bytes, too."""


class FaultPlan(BaseModel, frozen=True, extra="forbid"):
    """What goes wrong, and what is enforced."""

    seed: int = Field(ge=0)
    """Decides which requests the faults happen to."""

    most: int = Field(default=3, ge=1)
    """Faults in a row on one address before it is served well."""

    faults: tuple[FaultRule, ...] = ()
    """Tried in this order; the first that happens is done."""

    enforce: dict[Hosts, tuple[str, ...]] = Field(default_factory=dict)
    """Limits by host, "20/60" or, with the seconds of a block, "20/60/300"."""

    robots: str | CrawlDelay | None = None
    """The text of robots.txt, or a Crawl-delay in the usual one; null: the usual one."""

    revise: Revision | None = None
    """What changed in the catalogue."""

    @field_validator("enforce")
    @classmethod
    def _check_limits(cls, value: dict[Hosts, tuple[str, ...]]) -> dict[Hosts, tuple[str, ...]]:
        for limits in value.values():
            for limit in limits:
                to_window(limit)
        return value


class Dice:
    """Decides the faults; the same plan gives the same address the same faults, in any run.

    What happens to the n-th request of an address follows from the plan's seed, the address
    and n, and not from time, thread or other addresses. Addresses are host, path and query.
    """

    def __init__(self, plan: FaultPlan) -> None:
        """Begin with no request made."""
        self._plan = plan
        self._asked: Counter[str] = Counter()
        self._in_row: Counter[str] = Counter()
        self._done: Counter[tuple[str, int]] = Counter()

    def throw(self, route: Route, host: str, address: str) -> FaultRule | None:
        """Decide about the next request of an address.

        Args:
            route: The route of it.
            host: Which is asked.
            address: Path and query.

        Returns:
            The fault, or None when it is served well.
        """
        name = host + address
        number = self._asked[name]
        self._asked[name] += 1
        found = None
        if self._in_row[name] < self._plan.most:
            found = self._find(route, address, name, number)
        self._in_row[name] = 0 if found is None else self._in_row[name] + 1
        return found

    def _find(self, route: Route, address: str, name: str, number: int) -> FaultRule | None:
        for place, rule in enumerate(self._plan.faults):
            spent = rule.times is not None and self._done[name, place] >= rule.times
            if spent or not rule.meets(route, address):
                continue
            if digest_of(f"{self._plan.seed}/{place}/{name}/{number}") < rule.rate * 2**128:
                self._done[name, place] += 1
                return rule
        return None


def read_plan(path: Path) -> FaultPlan:
    """Read a fault plan.

    Args:
        path: A YAML file.

    Raises:
        PlanError: If it is not there, is no YAML, or asks for what does not exist.
    """
    try:
        return FaultPlan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise PlanError(f"{path}: expected a fault plan, got {exc.strerror}") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the plan"
        raise PlanError(f"{path}: {where}: {first['msg']}; correct the fault plan") from exc
    # ValueError: no text, or a date that is none; RecursionError: nested beyond all sense.
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise PlanError(f"{path}: expected YAML, got {' '.join(str(exc).split())}") from exc
