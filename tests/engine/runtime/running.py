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
from engine.ports import Request, Upstream
from engine.runtime.caller_actor import CallerActor
from engine.runtime.forward import Answer, Forward
from engine.runtime.router import Router
from engine.snapshot import RoutingSnapshot


@attrs.frozen
class Running:
    router: Router
    callers: CallerActor
    forward: Forward

    def state(self, alias: Alias = "chat") -> PoolState:
        return self.router.actors[alias]._state

    async def ask(
        self, alias: Alias = "chat", caller: Digest | None = None, *, nowait: bool = False
    ) -> tuple[Answer, bytes]:
        """A client that reads its whole answer."""
        answer = await self.forward(a_request(alias, caller))
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
            assert not actor._replies
        assert not self.callers._state.tickets
        assert not self.callers._replies
        assert self.callers.active() == {}


@asynccontextmanager
async def running(snapshot: RoutingSnapshot, upstream: Upstream) -> AsyncIterator[Running]:
    clock = itertools.count(1).__next__
    async with trio.open_nursery() as nursery:
        router = Router(nursery, snapshot, clock=clock, seed=itertools.count(7).__next__)
        callers = CallerActor(clock=clock)
        nursery.start_soon(callers.run)
        yield Running(router, callers, Forward(router, callers, upstream, clock=clock))
        nursery.cancel_scope.cancel()


def a_request(alias: Alias = "chat", caller: Digest | None = None) -> Request:
    return Request("POST", "/v1/chat/completions", "", (), b"{}", alias, False, caller, "request-1")


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
