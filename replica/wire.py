"""Edge: HTTP/1.1 whose application knows its connection, since the worst faults lie below HTTP."""

import asyncio
import socket
import struct
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from replica.exchange import Exchange, exchange_of

NO_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER, on and of no length: closing a socket sends a reset."""


class WireProtocol(H11Protocol):
    """Stamps each request when its first bytes are read, and hands the connection on."""

    _next: Exchange | None = None

    def connection_made(  # type: ignore[override]  # as in uvicorn's own
        self, transport: asyncio.Transport
    ) -> None:
        """Let every request of this connection carry it."""
        super().connection_made(transport)
        inner = self.app

        async def carry(scope: Scope, receive: Receive, send: Send) -> None:
            exchange, self._next = self._next or Exchange(transport), None
            exchange.bind(scope)
            await inner(scope, receive, send)

        self.app = carry

    def data_received(self, data: bytes) -> None:
        """Stamp the request that these bytes begin."""
        self._next = self._next or Exchange(self.transport)
        super().data_received(data)


@dataclass(frozen=True, slots=True)
class Channel:
    """How a request came and how it is answered: what ASGI hands an application."""

    scope: Scope
    receive: Receive
    send: Send

    @property
    def exchange(self) -> Exchange:
        """What is noted of the request."""
        return exchange_of(self.scope)

    @property
    def is_gone(self) -> bool:
        """Whether the connection has ended."""
        transport = self.exchange.transport
        return transport is not None and transport.is_closing()

    async def part(self, body: bytes, *, more: bool = True) -> None:
        """Send a part of the body."""
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def wait_till_gone(self, timeout_s: float | None = None) -> bool:
        """Wait until the client has gone, or not so long; say whether it has."""
        gone = asyncio.ensure_future(self._gone())
        await asyncio.wait([gone], timeout=timeout_s)
        return gone.done() or not gone.cancel()

    async def reset(self) -> None:
        """Drop the connection with a reset: what was not sent yet is lost."""
        transport = self.exchange.transport
        if transport is not None:
            wire = transport.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            transport.abort()
            await self._gone()

    async def close(self) -> None:
        """Close the connection after what was sent, whatever was promised."""
        transport = self.exchange.transport
        if transport is not None:
            transport.close()
            await self._gone()

    async def _gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            continue
