"""The admin API over a real server on loopback, on an event log in memory."""

import itertools
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio

from adapters import clock
from adapters.http.admin.app import api
from adapters.http.admin.office import Office
from adapters.http.asgi import Asgi
from adapters.journal_opening import recording
from adapters.recorder import Recorder
from adapters.settings import JournalSettings
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
from tests.projections.gateway import Gateway
from tests.projections.recorded import S

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
    recorder: Recorder | None = None
    "Where the desk was opened with one."
    gateway: Gateway | None = None
    "Whose traffic is recorded, once there was any."
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

    async def serve(self, steps: int, *, failing: Iterable[str] = ()) -> Gateway:
        """Some traffic under the table in force, recorded."""
        assert self.recorder is not None, "desk(records=True) has a journal"
        if self.gateway is None:
            self.gateway = Gateway(1, self.snapshot, failing=frozenset(failing), journal=self.recorder.journal)
        elif self.gateway.snapshot is not self.snapshot:
            self.gateway.turn_to(self.snapshot)
        self.gateway.failing = frozenset(failing)
        self.gateway.go_on(steps)
        await self.recorder.flush()
        self.now_us = max(self.now_us, self.unix_us + 1)
        return self.gateway

    @property
    def at(self) -> int:
        """The gateway's monotonic clock."""
        return S if self.gateway is None else self.gateway.at

    @property
    def unix_us(self) -> int:
        """The wall clock where the gateway is."""
        return NOW_US + self.at // 1000

    async def token(self, scope: str, name: str, *, expires_at: int | None = None) -> str:
        """A good admin token of a scope."""
        secret = f"secret-of-{name}"
        digest = sha256(secret.encode()).hexdigest()
        fact = TokenDefined(name, digest, scope, name, expires_at)
        written = await self.office.writer.write(ChangeEntities((fact,)), actor="test")
        await self.office.follower.applied(written.position)
        return secret


@asynccontextmanager
async def desk(log: Any = None, *, records: bool | Path = False, **replaced: Any) -> AsyncIterator[Desk]:
    """`records`: with a journal, in a file if it is one. `replaced`: parts of the office that are to be others."""
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
    await follower.catch_up()
    recorder = recording(
        JournalSettings(file=records if isinstance(records, Path) else None, is_on=bool(records)),
        "memory:",
        process="a-run",
        clock=lambda: held[0].at if held else S,
        unix_us=lambda: held[0].unix_us if held else NOW_US,
    )
    async with recorder as recorded, trio.open_nursery() as nursery:
        office = Office(**{**parts, "journal": recorded.reader, **replaced})
        nursery.start_soon(follower.run, lambda *_: None)
        nursery.start_soon(recorded.run)
        async with serving(Asgi(api(office))) as (_, base), httpx.AsyncClient(base_url=base, timeout=30) as client:
            held.append(Desk(office, log, vault, client, recorder=recorded if records else None))
            held[0].settled.set()
            yield held[0]
        nursery.cancel_scope.cancel()
