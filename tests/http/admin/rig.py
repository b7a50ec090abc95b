"""The admin API over a real server on loopback, on an event log in memory."""

import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import attrs
import httpx
import trio

from adapters import clock
from adapters.http.admin.app import api
from adapters.http.admin.office import Office
from adapters.http.asgi import Asgi
from adapters.store.memory import MemoryEventLog
from adapters.store.shelf import MemoryShelf
from adapters.store.unlocking import open_vault
from adapters.store.vault import Vault
from adapters.store.vault_key import random_key
from engine.commands import ChangeEntities
from engine.events import TokenDefined
from engine.names import Position
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from engine.snapshot import RoutingSnapshot
from projections import routing
from tests.http.test_server import serving

TOKEN = "the-token-of-the-process"
NOW_US = 1_800_000_000_000_000


@attrs.define(eq=False)
class Desk:
    """The API and what stands behind it."""

    office: Office
    log: Any
    vault: Vault
    client: httpx.AsyncClient
    now_us: int = NOW_US
    settled: trio.Event = attrs.field(factory=trio.Event)
    "Set: actors have nothing left to do."

    @property
    def snapshot(self) -> RoutingSnapshot:
        return self.office.follower.snapshot

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = TOKEN, **headers: str
    ) -> httpx.Response:
        """Headers are given with `_` for `-`. A body is sent as JSON, bytes as they are."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            fields.setdefault("authorization", f"Bearer {token}")
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if content is not None:
            fields.setdefault("content-type", "application/json")
        target = path if path.startswith("/schema") else f"/admin/v1{path}"
        return await self.client.request(method, target, content=content, headers=fields)

    async def done(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer's body, which must be a success."""
        answer = await self.ask(method, path, body, **headers)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json()

    async def head(self) -> Position:
        """Of the log, whatever the follower has read."""
        position = 0
        while page := await self.log.read(position):
            position = page[-1].position
        return position

    async def token(self, scope: str, name: str, *, expires_at: int | None = None) -> str:
        """A good admin token of a scope."""
        secret = f"secret-of-{name}"
        digest = sha256(secret.encode()).hexdigest()
        fact = TokenDefined(name, digest, scope, name, expires_at)
        written = await self.office.writer.write(ChangeEntities((fact,)), actor="test")
        await self.office.follower.applied(written.position)
        return secret


@asynccontextmanager
async def desk(log: Any = None, **replaced: Any) -> AsyncIterator[Desk]:
    """`replaced`: parts of the office that are to be others."""
    ticks = itertools.count(NOW_US)
    log = MemoryEventLog(clock_us=ticks.__next__) if log is None else log
    vault = await open_vault(random_key(), MemoryShelf(), environ={}, clock_us=ticks.__next__)
    follower = Follower(log, routing.empty(), fold=routing.fold)
    writer = Writer(log, follower, new_id=clock.new_id, change=routing.change)
    held: list[Desk] = []
    names = itertools.count(1)

    async def settled() -> None:
        await held[0].settled.wait()

    async def nobody() -> list[Any]:
        await trio.lowlevel.checkpoint()
        return []

    parts: Mapping[str, Any] = {
        "writer": writer,
        "follower": follower,
        "log": log,
        "vault": vault,
        "fold": routing.fold,
        "change": routing.change,
        "empty": routing.empty,
        "replicas": nobody,
        "settled": settled,
        "unix_us": lambda: held[0].now_us,
        "new_secret": lambda: f"{next(names):043d}",
        "new_name": lambda: f"name-{next(names):04d}",
        "local_token": sha256(TOKEN.encode()).digest(),
    }
    office = Office(**{**parts, **replaced})
    await follower.catch_up()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run, lambda *_: None)
        async with serving(Asgi(api(office))) as (_, base), httpx.AsyncClient(base_url=base, timeout=30) as client:
            held.append(Desk(office, log, vault, client))
            held[0].settled.set()
            yield held[0]
        nursery.cancel_scope.cancel()
