"""The runtime's request side, running on a table in memory."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Generator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
import trio.testing

from engine.names import Alias, Digest
from engine.pool.state import PoolState
from engine.ports import Headers, Request, Upstream
from engine.recording import Served
from engine.runtime.answer import Answer
from engine.runtime.caller_actor import CallerActor
from engine.runtime.forward import Forward
from engine.runtime.journal import Journal
from engine.runtime.router import Router
from engine.runtime.trail import Trail
from engine.snapshot import RoutingSnapshot


def trio_clock() -> int:
    """An `engine.ports.Clock` that goes as trio's does, so that an `autojump_clock` moves both."""
    return round(trio.current_time() * 10**9)


@attrs.frozen
class Running:
    router: Router
    callers: CallerActor
    journal: Journal
    _forward: Forward
    trails: list[Trail] = attrs.field(factory=list)
    "Of all requests, in order."

    async def forward(self, request: Request) -> Answer:
        self.trails.append(Trail(Served.begun(request.request_id, trio_clock(), 0)))
        return await self._forward(request, self.trails[-1])

    def state(self, alias: Alias = "chat") -> PoolState:
        return self.router.actors[alias]._state

    async def ask(
        self, alias: Alias = "chat", caller: Digest | None = None, *, nowait: bool = False, headers: Headers = ()
    ) -> tuple[Answer, bytes]:
        """A client that reads its whole answer."""
        answer = await self.forward(a_request(alias, caller, headers))
        async with answer:
            body = b""
            while True:
                chunk = answer.receive_nowait() if nowait else None
                if chunk is None:
                    chunk = await answer.receive()
                if not chunk:
                    return answer, body
                body += chunk

    def apply(self, snapshot: RoutingSnapshot, *touched: Alias) -> None:
        self.router.apply(attrs.evolve(snapshot, position=self.router.snapshot.position + 1), touched)

    async def assert_nothing_is_held(self) -> None:
        """No ticket in any actor, no counter above 0."""
        await trio.testing.wait_all_tasks_blocked()
        for actor in self.router.actors.values():
            state = actor._state
            assert not state.journeys
            assert not state.draining
            assert [slot.active for slot in state.slots] == [0] * len(state.slots)
            assert [slot.meter.active for slot in state.slots] == [0] * len(state.slots)
            circuits = [circuit for slot in state.slots for circuit in (slot.health, slot.credential)]
            assert [circuit.probe for circuit in circuits] == [None] * len(circuits)
            assert not actor._replies
        assert not self.callers._state.tickets
        assert not self.callers._replies
        assert not any(active for active, _ in self.callers.standing().values())


@asynccontextmanager
async def running(snapshot: RoutingSnapshot, upstream: Upstream) -> AsyncIterator[Running]:
    journal = Journal()
    async with trio.open_nursery() as nursery:
        router = Router(nursery, snapshot, clock=trio_clock, seed=itertools.count(7).__next__, journal=journal)
        callers = CallerActor(clock=trio_clock, journal=journal)
        nursery.start_soon(callers.run)
        yield Running(router, callers, journal, Forward(router, callers, upstream, clock=trio_clock, unix_s=int))
        nursery.cancel_scope.cancel()


def a_request(alias: Alias = "chat", caller: Digest | None = None, headers: Headers = ()) -> Request:
    return Request("POST", "/v1/chat/completions", "", headers, b"{}", alias, False, caller, "request-1")


@attrs.define
class CancelledAt:
    """Await a coroutine and cancel a scope when it waits for the n-th time."""

    _awaited: Awaitable[Any]
    _scope: trio.CancelScope
    _at: int
    waits: int = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._awaited.__await__()
        sent = None
        while True:
            try:
                waited_for = inner.send(sent)
            except StopIteration as stop:
                return stop.value
            self.waits += 1
            if self.waits == self._at:
                self._scope.cancel()
            sent = yield waited_for
