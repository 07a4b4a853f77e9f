"""What is noted of one request while it is answered, from the wire up."""

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
_EXTENSION = "replica.exchange"


class Exchange:
    """One request and its answer; whoever learns something of it notes it here.

    Attributes:
        t: Arrival, seconds of the machine's monotonic clock.
        time: Arrival, seconds since 1970.
        transport: The connection; None where no wire is under the application.
        fault: Kind of the fault that was done to it, or "".
        sha256: Of the whole file as honestly served; "" for other answers.
        not_before: When the host may be asked again, on the clock of `t`; None: at once.
    """

    __slots__ = ("fault", "not_before", "sha256", "t", "time", "transport")

    def __init__(self, transport: asyncio.Transport | None = None) -> None:
        """Begin an exchange; now is its arrival."""
        self.t, self.time = time.monotonic(), time.time()
        self.transport = transport
        self.fault = ""
        self.sha256 = ""
        self.not_before: float | None = None

    def bind(self, scope: Scope) -> None:
        """Let the scope of a request carry this exchange."""
        scope["extensions"] = {**scope.get("extensions", {}), _EXTENSION: self}


def exchange_of(scope: Scope) -> Exchange:
    """Give the exchange that a scope carries, or begin one."""
    found = scope.get("extensions", {}).get(_EXTENSION)
    if isinstance(found, Exchange):
        return found
    exchange = Exchange()
    exchange.bind(scope)
    return exchange
