"""Who else is on the store: one contract, on each kind of database."""

import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from adapters.store import Replica, Replicas
from adapters.store.database import open_database
from adapters.store.postgres_database import open_postgres
from adapters.store.replicas import DatabaseReplicas, MemoryReplicas
from adapters.store.transactions import Database
from tests.postgres import Server
from tests.store.postgres_logs import server_of

HOUR_US = 3_600_000_000


def replica(name: str, position: int = 0) -> Replica:
    return Replica(name, f"{name}:8081", "0.1.0", position)


class ReplicasContract:
    """Run by subclasses, whose fixture `replicas` asks a clock that goes by an hour with each look, if any."""

    async def test_a_beat_is_seen_by_all_in_order(self, replicas: Replicas) -> None:
        """By id, each once, as it last said."""
        assert list(await replicas.all()) == []
        for one in (replica("b", 1), replica("a", 2), replica("b", 3), replica("'; DROP TABLE replica; --", 4)):
            await replicas.beat(one)
        assert [seen.replica for seen in await replicas.all()] == [
            replica("'; DROP TABLE replica; --", 4),
            replica("a", 2),
            replica("b", 3),
        ]

    async def test_a_forgotten_replica_is_gone_until_it_beats(self, replicas: Replicas) -> None:
        """Forgetting one that is not there is no error."""
        await replicas.beat(replica("a"))
        await replicas.beat(replica("b"))
        await replicas.forget("a")
        await replicas.forget("a")
        assert [seen.replica.replica_id for seen in await replicas.all()] == ["b"]
        await replicas.beat(replica("a", 9))
        assert [seen.replica.position for seen in await replicas.all()] == [9, 0]

    async def test_ages_are_told_by_one_clock(self, replicas: Replicas) -> None:
        """Who was heard of later is younger; none is negative."""
        await replicas.beat(replica("a"))
        await replicas.beat(replica("b"))
        a, b = await replicas.all()
        assert a.age_us > b.age_us >= 0


class TestMemoryReplicas(ReplicasContract):
    @pytest.fixture
    def replicas(self) -> Replicas:
        return MemoryReplicas(clock_us=itertools.count(0, HOUR_US).__next__)


class TestSqliteReplicas(ReplicasContract):
    @pytest.fixture
    async def replicas(self, tmp_path: Path) -> AsyncIterator[Replicas]:
        opened: AbstractAsyncContextManager[Database] = open_database(tmp_path / "a.db")
        async with opened as database:
            yield DatabaseReplicas(database, clock_us=itertools.count(0, HOUR_US).__next__)


class TestPostgresReplicas(ReplicasContract):
    @pytest.fixture
    async def replicas(self, postgres: Server, log_database: str) -> AsyncIterator[Replicas]:
        async with open_postgres(server_of(postgres.url_of(log_database))) as database:
            yield DatabaseReplicas(database, clock_us=itertools.count(0, HOUR_US).__next__)

    async def test_the_servers_clock_counts(self, replicas: Replicas) -> None:
        """Not that of the process, which goes by hours here."""
        await replicas.beat(replica("a"))
        (seen,) = await replicas.all()
        assert 0 <= seen.age_us < HOUR_US / 60
