"""Edge: does the faults of a plan to the requests of an application."""

import asyncio
import math
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from replica.answers import LOOP, Answer, loop_back, refuse, too_many
from replica.breaking import break_off, explode, give, say_nothing
from replica.faults import Dice, FaultPlan, FaultRule
from replica.kinds import Kind
from replica.routes import Route, route_of
from replica.spoil import can_spoil, spoil
from replica.windows import Turnstile
from replica.wire import Channel

ENFORCED = "enforced"
"""What the log names the 429 of an enforced limit."""


class Mischief:
    """Application around another: enforces the plan's limits, then does its faults."""

    def __init__(self, app: ASGIApp, plan: FaultPlan) -> None:
        """Stand before an application.

        Args:
            app: What answers honestly.
            plan: The faults and limits.
        """
        self._app = app
        self._dice = Dice(plan)
        self._turnstile = Turnstile({str(host): texts for host, texts in plan.enforce.items()})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, well or not."""
        route = route_of(scope["path"]) if scope["type"] == "http" else Route.ABOUT
        if route is Route.ABOUT:
            await self._app(scope, receive, send)
            return
        channel = Channel(scope, receive, send)
        host = Headers(scope=scope).get("host", "").partition(":")[0]
        query = scope["query_string"].decode("latin-1")
        address = scope["path"] + (f"?{query}" if query else "")
        wait_s = self._turnstile.admit(host, channel.exchange.t)
        if wait_s is not None:
            channel.exchange.fault = ENFORCED
            whole_s = math.ceil(wait_s)
            await give(too_many(str(whole_s), wait_s=whole_s), channel)
        elif LOOP in query:
            channel.exchange.fault = Kind.REDIRECT_LOOP
            await give(loop_back(f"https://{host}{address}"), channel)
        elif scope["method"] != "GET" or not (rule := self._dice.throw(route, host, address)):
            await self._app(scope, receive, send)
        else:
            channel.exchange.fault = rule.kind
            await self._do(rule, f"https://{host}{address}", channel)

    async def _do(self, rule: FaultRule, url: str, channel: Channel) -> None:
        """Do a fault, or serve honestly where it cannot be done."""
        refusal = refuse(rule, url=url, now=time.time())
        if refusal is not None:
            await give(refusal, channel)
        elif rule.kind is Kind.RESET:
            await channel.reset()
        elif rule.kind is Kind.SILENCE:
            await say_nothing(rule, channel)
        elif rule.kind is Kind.GZIP_BOMB:
            await explode(rule, channel)
        else:
            await self._spoil(rule, channel)

    async def _spoil(self, rule: FaultRule, channel: Channel) -> None:
        """Do a fault that needs the honest answer."""
        honest = await self._capture(channel.scope, channel.receive)
        if can_spoil(rule.kind):
            spoilt = await asyncio.to_thread(spoil, rule, honest)
            if spoilt is not None:
                await give(spoilt, channel)
                return
        elif len(honest.body) > 1 and channel.exchange.transport is not None:
            await break_off(rule, honest, channel)
            return
        channel.exchange.fault = ""
        await give(honest, channel)

    async def _capture(self, scope: Scope, receive: Receive) -> Answer:
        """Let the application answer, and keep the answer."""
        status = 0
        headers: tuple[tuple[str, str], ...] = ()
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = tuple(
                    (k.decode("latin-1"), v.decode("latin-1"))
                    for k, v in message["headers"]
                    if k != b"content-length"
                )
            else:
                parts.append(message.get("body", b""))

        await self._app(scope, receive, keep)
        return Answer(status, headers, b"".join(parts))
