"""What the tests of forwarding have in common: a pool of three, and how to ask it and listen to it."""

from typing import Any

import attrs
import pytest

from engine.errors import Reason, Refused
from engine.pool.messages import SUCCEEDED, Finish, Kind, Message, Outcome, Retry
from engine.snapshot import Fallback, Provider, RoutingSnapshot, Strategy
from tests.engine.runtime.running import Running
from tests.engine.runtime.scripted_upstream import ScriptedUpstream
from tests.engine.tables import pool, provider, table

A, B, C = (provider(name) for name in "abc")
ON = Fallback(enabled=True, on_status=(5, 429))
BAD = Refused(Reason.BAD_REQUEST)

Told = list[tuple[str, Message]]


def chat(*providers: Provider, fallback: Fallback = ON, **fields: Any) -> RoutingSnapshot:
    return table([pool("chat", *providers, strategy=Strategy.PRIORITY, fallback=fallback, **fields)])


def outcomes(told: Told) -> list[Outcome]:
    """What the pool was told of each attempt, and at the end, but for the time it took."""
    ended = [message.outcome for _, message in told if isinstance(message, (Retry, Finish))]
    return [SUCCEEDED if one.kind is Kind.SUCCEEDED else attrs.evolve(one, latency_ns=None) for one in ended]


async def refused(gateway: Running, alias: str = "chat", caller: bytes | None = None) -> Reason:
    with pytest.raises(Refused) as caught:
        await gateway.ask(alias, caller)
    return caught.value.reason


def assert_all_closed(upstream: ScriptedUpstream) -> None:
    assert [answer.closed for answer in upstream.answers] == [1] * len(upstream.answers)
