"""Edge: answers that break on the wire."""

import asyncio
import time

from starlette.responses import Response

from replica.answers import Answer
from replica.faults import FaultRule
from replica.kinds import Kind, amount_for, seconds_for
from replica.spoil import bomb, pack_zeros
from replica.wire import Channel

DRIPS_PER_S = 4


async def give(answer: Answer, channel: Channel) -> None:
    """Give an answer as it is."""
    if answer.wait_s is not None:
        channel.exchange.not_before = time.monotonic() + answer.wait_s
    response = Response(answer.body, answer.status)
    response.raw_headers = _raw(answer, len(answer.body))
    await response(channel.scope, channel.receive, channel.send)


async def break_off(rule: FaultRule, honest: Answer, channel: Channel) -> None:
    """Begin an honest answer, and do not end it.

    Args:
        rule: A cut, a stall, a trickle or a huge length; its seconds and amount count.
        honest: What is begun.
        channel: Whose connection is closed.
    """
    length, body = len(honest.body), honest.body[: len(honest.body) // 2]
    if rule.kind is Kind.HUGE_LENGTH:
        length, body = amount_of(rule) * 10**9, honest.body
    headers = _raw(honest, length)
    start = {"type": "http.response.start", "status": honest.status, "headers": headers}
    await channel.send(start)
    if rule.kind is Kind.TRICKLE:
        await _drip(rule, honest, channel)
        return
    await channel.part(body)
    waits = rule.kind is not Kind.CUT
    if not (waits and await channel.wait_till_gone(seconds_of(rule))):
        await channel.close()


async def say_nothing(rule: FaultRule, channel: Channel) -> None:
    """Let the client wait for an answer, and close the connection without one."""
    if not await channel.wait_till_gone(seconds_of(rule)):
        await channel.close()


async def explode(rule: FaultRule, channel: Channel) -> None:
    """Send a body that unpacks to far more than it is."""
    headers = [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")]
    await channel.send({"type": "http.response.start", "status": 200, "headers": headers})
    await asyncio.to_thread(pack_zeros)
    for part in bomb(amount_of(rule)):
        if channel.is_gone:
            return
        await channel.part(part)
    await channel.part(b"", more=False)


def amount_of(rule: FaultRule) -> int:
    """Give a rule's amount, or else its kind's."""
    return rule.amount or amount_for(rule.kind) or 0


def seconds_of(rule: FaultRule) -> float:
    """Give a rule's seconds, or else its kind's."""
    return rule.seconds or seconds_for(rule.kind) or 0.0


async def _drip(rule: FaultRule, honest: Answer, channel: Channel) -> None:
    """Send a body slowly for so long, then close the connection unless all of it came."""
    rate = amount_of(rule)
    step, last = max(1, rate // DRIPS_PER_S), int(seconds_of(rule) * rate)
    for at in range(0, min(len(honest.body), last), step):
        whole = at + step >= len(honest.body)
        await channel.part(honest.body[at : at + step], more=not whole)
        if whole or await channel.wait_till_gone(step / rate):
            return
    await channel.close()


def _raw(answer: Answer, length: int) -> list[tuple[bytes, bytes]]:
    headers = (*answer.headers, ("content-length", str(length)))
    return [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers]
