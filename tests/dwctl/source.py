"""A dwctl database as tests have it: the tables of SYNC-1 without the constraints, so that rows may be bad."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import attrs
import trio

from adapters import clock
from adapters.dwctl.ownership import Makers
from adapters.dwctl.sync import Importer, Options
from adapters.store import Store, open_store
from adapters.store.foreign import read_tables, source_of
from engine.access import admit, digest
from engine.commands import Command
from engine.errors import Refused
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from engine.snapshot import RoutingSnapshot
from projections import routing
from tests.postgres import Server

SCHEMA = """
CREATE TABLE users (id uuid PRIMARY KEY, username varchar, email varchar, is_deleted boolean NOT NULL DEFAULT false,
    user_type varchar NOT NULL DEFAULT 'individual');
CREATE TABLE groups (id uuid PRIMARY KEY, name varchar);
CREATE TABLE inference_endpoints (id uuid PRIMARY KEY, name varchar, url varchar NOT NULL, api_key varchar,
    auth_header_name varchar NOT NULL DEFAULT 'Authorization', auth_header_prefix varchar NOT NULL DEFAULT 'Bearer ');
CREATE TABLE deployed_models (id uuid PRIMARY KEY, alias varchar, model_name varchar, hosted_on uuid,
    requests_per_second real, burst_size integer, capacity integer, batch_capacity integer,
    sanitize_responses boolean NOT NULL DEFAULT false, trusted boolean NOT NULL DEFAULT false,
    open_responses_adapter boolean, is_composite boolean NOT NULL DEFAULT false, deleted boolean NOT NULL DEFAULT false,
    lb_strategy varchar, fallback_enabled boolean, fallback_on_rate_limit boolean, fallback_on_status integer[],
    fallback_with_replacement boolean, fallback_max_attempts integer, type varchar, capabilities text[],
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE deployed_model_components (composite_model_id uuid, deployed_model_id uuid,
    weight integer NOT NULL DEFAULT 1, sort_order integer NOT NULL DEFAULT 0, enabled boolean NOT NULL DEFAULT true);
CREATE TABLE api_keys (id uuid PRIMARY KEY, user_id uuid, secret varchar, purpose varchar NOT NULL DEFAULT 'realtime',
    requests_per_second real, burst_size integer, is_deleted boolean NOT NULL DEFAULT false, spend_cap numeric);
CREATE TABLE user_groups (user_id uuid, group_id uuid);
CREATE TABLE deployment_groups (deployment_id uuid, group_id uuid);
CREATE TABLE credits_transactions (user_id uuid, seq bigint, transaction_type varchar, amount numeric(20, 9));
CREATE TABLE user_balance_checkpoints (user_id uuid PRIMARY KEY, balance numeric(20, 9), checkpoint_seq bigint);
CREATE TABLE model_tariffs (id uuid PRIMARY KEY, deployed_model_id uuid, name varchar,
    input_price_per_token numeric(12, 8), output_price_per_token numeric(12, 8),
    valid_from timestamptz NOT NULL DEFAULT now(), valid_until timestamptz, api_key_purpose varchar);
CREATE TABLE model_traffic_rules (deployed_model_id uuid, api_key_purpose varchar, action varchar,
    redirect_target_id uuid);
"""
NIL = str(UUID(int=0))
NOW_US = 1_800_000_000_000_000


def uid(name: str) -> str:
    """An id that is the same for the same short name."""
    return str(UUID(bytes=name.encode().rjust(16, b"\x01")))


@attrs.frozen
class Source:
    server: Server
    database: str

    @property
    def url(self) -> str:
        return self.server.url_of(self.database).replace("postgresql+asyncpg:", "postgresql:")

    async def run(self, *statements: str) -> None:
        await self.server.rows(";\n".join((*statements, "")), database=self.database)

    async def add(self, table: str, **values: Any) -> None:
        row = ", ".join(map(_literal, values.values()))
        await self.run(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({row})")  # noqa: S608 - our own

    async def set(self, table: str, where: str = "true", **values: Any) -> None:
        """Change the rows of a condition."""
        changes = ", ".join(f"{column} = {_literal(value)}" for column, value in values.items())
        await self.run(f"UPDATE {table} SET {changes} WHERE {where}")  # noqa: S608 - our own


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, (bool, int, float)):
        return str(value).lower()
    if isinstance(value, list):
        return f"'{{{', '.join(map(str, value))}}}'"
    return "'" + str(value).replace("'", "''") + "'"


@attrs.frozen
class Rig:
    """An importer with a log of its own."""

    importer: Importer
    store: Store
    follower: Follower
    writer: Writer

    @property
    def snapshot(self) -> RoutingSnapshot:
        return self.follower.snapshot

    async def write(self, command: Command, actor: str) -> None:
        written = await self.writer.write(command, actor=actor)
        await self.follower.applied(written.position)

    def reaches(self, secret: str, alias: str) -> str:
        """The pool that serves, or why none does."""
        try:
            return admit(self.snapshot, alias, digest(secret.encode()), NOW_US // 10**6).pool.alias
        except Refused as refused:
            return refused.reason.value


@asynccontextmanager
async def importing(
    source: Source, *, name: str = "test", store: Store | None = None, **options: Any
) -> AsyncIterator[Rig]:
    """An importer, as the command line composes it, on a log in memory or on that of another rig."""
    async with AsyncExitStack() as opened:
        following = await opened.enter_async_context(trio.open_nursery())
        if store is None:
            memory = open_store("memory:", environ={}, clock_us=lambda: NOW_US)
            store = await opened.enter_async_context(memory)
        yield await _rig(source, store, Options(f"dwctl:{name}", **options), following)
        following.cancel_scope.cancel()


async def _rig(source: Source, store: Store, options: Options, following: trio.Nursery) -> Rig:
    makers = Makers(routing.fold)
    follower = Follower(store.log, routing.empty(), fold=makers.fold)
    await follower.catch_up()
    following.start_soon(follower.run, lambda *_: None)
    writer = Writer(store.log, follower, new_id=clock.new_id, change=routing.change)
    importer = Importer(
        partial(read_tables, source_of(source.url)),
        store.vault,
        writer,
        follower,
        makers=makers,
        change=routing.change,
        clock_us=lambda: NOW_US,
        options=options,
    )
    return Rig(importer, store, follower, writer)
