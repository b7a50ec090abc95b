"""Taking a PostgreSQL database into use: tables, migrations, refusals, and no password anywhere."""

import logging
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.store import Store, open_log, open_store
from adapters.store.database import open_database
from adapters.store.postgres_database import open_postgres
from adapters.store.schema import SCHEMA_VERSION, VERSION_TABLE, metadata
from adapters.store.transactions import Database
from adapters.store.urls import place_of
from engine.errors import StartFailed, StoreUnavailable
from tests.contracts.event_log import draft
from tests.postgres import PASSWORD, Server
from tests.store.postgres_logs import server_of

KEY = {"POINTSMAN_VAULT_KEY": "A" * 43 + "="}


@pytest.fixture
def url(postgres: Server, empty_database: str) -> str:
    return postgres.url_of(empty_database)


async def refusal(url: str) -> StartFailed:
    """What opening it is refused with, for writing and for reading alike; it is one line and holds no password."""
    for opening in (open_store(url, environ=KEY, clock_us=lambda: 1), open_log(url)):
        with pytest.raises(StartFailed) as caught:
            async with opening:
                pass
        told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        password = make_url(url).password
        assert password
        assert str(password) not in told
        assert "\n" not in str(caught.value)
    return caught.value


async def test_a_store_on_a_server_has_everything(url: str) -> None:
    """One URL: the log, the vault, the replicas and the sync state."""
    async with open_store(url, environ=KEY, clock_us=lambda: 1) as store:
        assert (await store.log.append([draft(1)], expected=0, actor="a")).position == 1
        name = store.vault.credential_id("secret")
        await store.vault.keep({name: "secret"})
        assert list(await store.replicas.all()) == []
    async with open_store(url, environ=KEY, clock_us=lambda: 1) as store:
        assert await store.log.verify() == 1
        assert store.vault.resolve(name) == "secret"


async def test_six_may_start_at_once(url: str) -> None:
    """On an empty database all of them succeed, and its tables are made once."""
    opened = []

    async def start() -> None:
        async with open_postgres(server_of(url)) as database:
            opened.append(await database.read(_revision))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(start)
    assert opened == [str(SCHEMA_VERSION)] * 6


async def _revision(connection: AsyncConnection) -> object:
    return (await connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one()  # noqa: S608


async def test_migrations_make_what_the_code_expects(url: str, tmp_path: Path) -> None:
    """On both databases Alembic finds no difference between the tables that it made and those in `schema.py`."""
    async with open_postgres(server_of(url)) as server, open_database(tmp_path / "a.db") as file:
        databases: list[Database] = [server, file]
        for database in databases:
            assert await database.read(_differences) == []


async def _differences(connection: AsyncConnection) -> list[object]:
    def compare(sync: Connection) -> list[object]:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(sync, opts=options), metadata))

    return await connection.run_sync(compare)


async def test_a_database_of_a_newer_version_is_refused(postgres: Server, empty_database: str) -> None:
    """The sentence names both schemas, also to who only wants to read."""
    url = postgres.url_of(empty_database)
    async with open_postgres(server_of(url)):
        pass
    await postgres.rows(f"UPDATE {VERSION_TABLE} SET version_num = '99'", database=empty_database)  # noqa: S608
    refused = await refusal(url)
    assert f"has schema 99, this version of pointsman knows {SCHEMA_VERSION}" in str(refused)


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE events (id INT);",
        "CREATE VIEW replica AS SELECT 1 AS x;",
        "CREATE TABLE vault (id INT); CREATE TABLE cats (name TEXT);",
        f"CREATE TABLE {VERSION_TABLE} (version_num TEXT); INSERT INTO {VERSION_TABLE} VALUES ('a1b2c3');",  # noqa: S608
        f"CREATE TABLE {VERSION_TABLE} (version_num TEXT);",
    ],
)
async def test_another_programs_tables_are_refused_and_kept(postgres: Server, empty_database: str, made: str) -> None:
    """By name; nothing of ours appears beside them."""
    await postgres.rows(made, database=empty_database)
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    before = await postgres.rows(tables, database=empty_database)
    refused = await refusal(postgres.url_of(empty_database))
    assert "tables of another program" in str(refused)
    assert refused.wrong_input
    assert await postgres.rows(tables, database=empty_database) == before


async def test_other_tables_do_not_disturb(postgres: Server, empty_database: str) -> None:
    """Also those of another program that uses Alembic."""
    made = "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('a1b2c3');"
    await postgres.rows(made, database=empty_database)
    async with open_store(postgres.url_of(empty_database), environ=KEY, clock_us=lambda: 1) as store:
        assert await store.log.verify() == 0


async def test_looking_makes_no_tables(postgres: Server, empty_database: str) -> None:
    """A database that no gateway has used is refused to a reader and left as it is."""
    with pytest.raises(StartFailed, match="no gateway has used it"):
        async with open_log(postgres.url_of(empty_database)):
            pass
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert await postgres.rows(tables, database=empty_database) == []


@pytest.mark.parametrize(
    "change", [{"password": "wrong-hunter2"}, {"username": "nobody-here"}, {"database": "not_there"}]
)
async def test_a_wrong_name_or_password_is_the_operators(url: str, change: dict[str, str]) -> None:
    """Wrong input, in the server's words."""
    refused = await refusal(make_url(url).set(**change).render_as_string(hide_password=False))  # type: ignore[arg-type]
    assert refused.wrong_input
    assert "does not let this user in" in str(refused)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield free.getsockname()[1]


async def test_a_server_that_is_away_is_named(closed_port: int) -> None:
    """By host and port; with copies of the vault's entries a process starts without it."""
    url = f"postgresql+asyncpg://me:{PASSWORD}@127.0.0.1:{closed_port}/pointsman"
    refused = await refusal(url)
    assert f"pointsman on 127.0.0.1:{closed_port} cannot be reached" in str(refused)
    with pytest.raises(StartFailed, match="key file"):
        async with open_store(url, environ={}, clock_us=lambda: 1, key_file=Path("/nonexistent/key"), copies=()):
            pass
    async with open_store(url, environ=KEY, clock_us=lambda: 1, copies=()) as store:
        assert isinstance(store, Store)
        for call in (store.log.read(0), store.log.verify(), store.log.append([draft(1)], expected=0, actor="a")):
            with pytest.raises(StoreUnavailable) as caught:
                await call
            assert PASSWORD not in "".join(traceback.format_exception(caught.value))


async def test_no_password_is_in_a_repr_or_a_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither of the place, the store and the status, nor in what the libraries log."""
    caplog.set_level(logging.DEBUG)
    place = place_of(url)
    async with open_store(url, environ=KEY, clock_us=lambda: 1) as store:
        with trio.fail_after(10):
            await store.log.wait(0)
        said = [repr(place), str(place), repr(store), repr(store.log), repr(store.sync.status)]
    assert PASSWORD in url
    assert not [one for one in [*said, caplog.text] if PASSWORD in one]


async def test_a_user_who_may_not_make_tables_is_told(postgres: Server, empty_database: str) -> None:
    """And one who may only read can still look."""
    reader = f"reader_{empty_database}"
    await postgres.rows(f"CREATE ROLE {reader} LOGIN PASSWORD '{PASSWORD}'", database=empty_database)
    try:
        url = make_url(postgres.url_of(empty_database)).set(username=reader).render_as_string(hide_password=False)
        with pytest.raises(StartFailed, match="permission denied"):
            async with open_store(url, environ=KEY, clock_us=lambda: 1):
                pass
        async with open_store(postgres.url_of(empty_database), environ=KEY, clock_us=lambda: 1) as store:
            await store.log.append([draft(1)], expected=0, actor="a")
        grant = f"GRANT SELECT ON events, log_head, {VERSION_TABLE} TO {reader}"
        await postgres.rows(grant, database=empty_database)
        async with open_log(url) as log:
            assert await log.verify() == 1
    finally:
        await postgres.rows(f"DROP OWNED BY {reader}; DROP ROLE {reader};", database=empty_database)
