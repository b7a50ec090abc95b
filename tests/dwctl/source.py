"""A dwctl database as tests have it: the tables of SYNC-1 without the constraints, so that rows may be bad."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import attrs
import trio

from adapters.dwctl.findings import Findings
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
        """A row; a value that names something of another table is its id."""
        columns = ", ".join(values)
        await self.run(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(map(_literal, values.values()))})")


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return "'{" + ", ".join(map(json.dumps, value)) + "}'"
    if value is None or isinstance(value, (bool, int, float)):
        return (
            {None: "NULL", True: "true", False: "false"}.get(value, str(value))
            if not isinstance(value, (int, float)) or isinstance(value, bool)
            else str(value)
        )
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
    async with trio.open_nursery() as following:
        if store is None:
            async with open_store("memory:", environ={}, clock_us=lambda: NOW_US) as opened:
                async with _rig(source, opened, Options(f"dwctl:{name}", **options), following) as rig:
                    yield rig
        else:
            async with _rig(source, store, Options(f"dwctl:{name}", **options), following) as rig:
                yield rig


@asynccontextmanager
async def _rig(source: Source, store: Store, options: Options, following: trio.Nursery) -> AsyncIterator[Rig]:
    makers = Makers(routing.fold)
    follower = Follower(store.log, routing.empty(), fold=makers.fold)
    await follower.catch_up()
    following.start_soon(follower.run, lambda snapshot, touched: None)
    numbers = iter(range(1, 10**9))
    base = len(options.actor) << 64
    writer = Writer(store.log, follower, new_id=lambda: UUID(int=base + next(numbers)), change=routing.change)
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
    yield Rig(importer, store, follower, writer)
    following.cancel_scope.cancel()


def told(findings: Findings) -> list[str]:
    return [str(finding) for finding in findings]
