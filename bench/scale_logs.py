"""Logs of many events, written past `append`: the same rows, the same hash chain, a thousand times the speed."""

import asyncio
import base64
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import population
import trio
from rich.console import Console
from sqlalchemy import make_url

from adapters.clock import unix_us
from adapters.codec import EVENTS
from adapters.store import open_store
from adapters.store.chain import Entry, Head, extend
from engine.events import stream_of

ENVIRON: Final = {"POINTSMAN_VAULT_KEY": base64.b64encode(bytes(32)).decode()}
"""The key of vaults that stay empty."""
_ROWS: Final = 10_000
_BEGUN_US: Final = 1_790_000_000_000_000
_UUIDS: Final = [Entry._fields.index(name) for name in ("event_id", "correlation_id")]


def entries(count: int) -> Iterator[Entry]:
    """The rows of so many events, as one append each."""
    head, versions = Head(), dict[str, int]()
    for event in population.events(count):
        stream, encoded = stream_of(event), EVENTS.encode(event)
        versions[stream] = versions.get(stream, 0) + 1
        event_id = UUID(int=head.position + 1).hex
        row = Entry(
            head.position + 1,
            stream,
            versions[stream],
            event_id,
            encoded.type,
            encoded.schema,
            encoded.payload,
            "bench",
            event_id,
            None,
            _BEGUN_US + head.position,
            b"",
        )
        entry = extend(head, row)
        yield entry
        head = Head(entry.position, entry.hash)


async def _make(url: str) -> None:
    """Its tables, by opening it as a gateway does."""
    async with open_store(url, environ=ENVIRON, clock_us=unix_us):
        pass


def fill_sqlite(path: Path, count: int) -> str:
    """The URL of a file with the log; one that is there already is taken as it is."""
    url = f"sqlite+aiosqlite:///{path}"
    if path.exists():
        return url
    making = path.with_suffix(".making")
    trio.run(_make, f"sqlite+aiosqlite:///{making}")
    with closing(sqlite3.connect(making)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        marks = ", ".join("?" for _ in Entry._fields)
        insert = f"INSERT INTO events ({', '.join(Entry._fields)}) VALUES ({marks})"  # noqa: S608 - names of ours
        rows = entries(count)
        while some := list(islice(rows, _ROWS)):
            connection.executemany(insert, some)
            last = some[-1]
        connection.execute("UPDATE log_head SET position = ?, hash = ?", (last.position, last.hash))
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    making.rename(path)
    return url


def fill_postgres(stack: ExitStack, count: int) -> str | None:
    """The URL of a database with the log; None where there is no server. The stack drops it, and stops one of ours."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    try:
        from tests.postgres import OwnServer, Server  # noqa: PLC0415 - the tests' folder is no package

        given = os.environ.get("TEST_PG_URL")
        server = Server(make_url(given)) if given else stack.enter_context(OwnServer())
    except BaseException as error:  # noqa: BLE001 - pytest's own, where there are no binaries
        Console(stderr=True).print(f"PostgreSQL is left out: {error}")
        return None
    name = server.make()
    stack.callback(server.drop, name)
    url = server.url_of(name)
    trio.run(_make, url)
    asyncio.run(_copy(server, name, count))
    return url


async def _copy(server: Any, name: str, count: int) -> None:
    connection = await server.connect(name)
    try:
        rows = entries(count)
        while some := list(islice(rows, _ROWS)):
            await connection.copy_records_to_table("events", records=map(_native, some), columns=Entry._fields)
            last = some[-1]
        await connection.execute("UPDATE log_head SET position = $1, hash = $2", last.position, last.hash)
        await connection.execute("ANALYZE events")
    finally:
        await connection.close()


def _native(entry: Entry) -> tuple[Any, ...]:
    row = list(entry)
    for place in _UUIDS:
        row[place] = UUID(row[place])
    return tuple(row)
