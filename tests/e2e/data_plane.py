"""The data plane inside the test's own process, real sockets on both sides, so that its journal can be looked into."""

import io
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from adapters import clock
from adapters.http.inference import Inference
from adapters.http.server import Server, address_of, listen
from adapters.logs import LineWriter
from adapters.observe import Observer
from adapters.poller import Poller
from adapters.settings import Address
from adapters.upstream.forwarder import Forwarder
from adapters.upstream.transport import PooledTransport
from engine.recording import Served
from engine.runtime.caller_actor import CallerActor
from engine.runtime.forward import Forward
from engine.runtime.journal import Journal
from engine.runtime.router import Router
from engine.snapshot import RoutingSnapshot
from tests.e2e.running import until


@attrs.define(eq=False)
class DataPlane:
    url: str
    "Base address, without a path."
    server: Server
    observer: Observer
    _journal: Journal
    _lines: LineWriter
    _log: io.BytesIO
    _seen: list[Served] = attrs.field(factory=list)

    async def recorded(self, count: int = 1) -> Sequence[Served]:
        """The requests in the journal since the last time, once there are so many, and no more."""

        async def enough() -> bool:
            self._seen += self._journal.take().served
            return len(self._seen) >= count

        await until(enough)
        seen, self._seen = self._seen, []
        assert len(seen) == count, seen
        return seen

    async def line(self, request_id: str) -> dict[str, Any]:
        """The log line of a request that is over."""
        self._lines.flush()
        found: list[dict[str, Any]] = []

        async def written() -> bool:
            lines = map(json.loads, self._log.getvalue().splitlines())
            found[:] = [line for line in lines if line["request_id"] == request_id]
            return bool(found)

        await until(written)
        (line,) = found
        return line


@asynccontextmanager
async def data_plane(snapshot: RoutingSnapshot) -> AsyncIterator[DataPlane]:
    """A table, served on a free port until the block ends."""
    log, journal, poller = io.BytesIO(), Journal(), Poller()
    lines = LineWriter(log)
    observer = Observer(lines, journal)
    listener = listen(Address("127.0.0.1", 0), option="--listen")
    async with trio.open_nursery() as nursery:
        router = Router(nursery, snapshot, clock=clock.monotonic_ns, seed=itertools.count(7).__next__, journal=journal)
        callers = CallerActor(clock=clock.monotonic_ns, journal=journal)
        transport = PooledTransport(poller=poller, clock=clock.monotonic_ns)
        forwarder = Forwarder(transport, resolve=lambda _: "sk-upstream")
        inference = Inference(
            Forward(router, callers, forwarder, clock=clock.monotonic_ns, unix_s=clock.unix_s),
            router,
            observer,
            clock=clock.monotonic_ns,
            new_id=clock.new_request_id,
            unix_s=clock.unix_s,
            is_ready=lambda: True,
        )
        server = Server(inference, poller=poller, clock=clock.monotonic_ns)
        for task in (poller.run, transport.run, callers.run):
            nursery.start_soon(task)
        nursery.start_soon(server.serve, listener)
        yield DataPlane(f"http://{address_of(listener)}", server, observer, journal, lines, log)
        nursery.cancel_scope.cancel()
    await transport.aclose()
    lines.close()
