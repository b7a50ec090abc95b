"""PostgreSQL in trouble: killed connections, a restarted server, a frozen writer, a network that says nothing."""

import asyncio
import os
import signal
from contextlib import suppress
from uuid import UUID

import pytest
import trio
import trio.testing

from adapters.store.listener import Listener
from adapters.store.postgres_database import IDLE_MS, LOCK_MS, open_postgres
from adapters.store.sync import Sync, SyncState, SyncStatus
from engine.errors import OutcomeUnknown, StoreUnavailable, WrongPosition
from engine.events import Draft
from engine.names import Position
from engine.ports import EventLog
from tests.contracts.event_log import all_of, draft
from tests.postgres import OwnServer, Server
from tests.store.postgres_logs import Opened, opened, server_of

LISTENERS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pointsman listener'"
LOST = [SyncState.DISCONNECTED, SyncState.RECONNECTING, SyncState.CONNECTING, SyncState.CONNECTED]


async def append_surely(log: EventLog, one: Draft) -> Position:
    """As `engine.runtime.writer` does: doubt is settled by asking again with the same id."""
    while True:
        try:
            head = 0
            while page := await log.read(head, 500):
                head += len(page)
            return (await log.append([one], expected=head, actor="a")).position
        except (OutcomeUnknown, StoreUnavailable, WrongPosition):
            await trio.sleep(0.02)


async def follow(log: EventLog, count: int) -> list[tuple[Position, UUID]]:
    """What a follower sees that reads only when it is woken, until it has seen so many."""
    seen: list[tuple[Position, UUID]] = []
    while len(seen) < count:
        with suppress(StoreUnavailable):
            seen += [(one.position, UUID(one.event_id)) for one in await log.read(len(seen))]
        if len(seen) < count:
            await log.wait(len(seen))
    return seen


async def test_a_killed_listener_comes_back_and_misses_nothing(postgres: Server, log_database: str) -> None:
    """DEF-5, SYNC-23: the states in their order, and what was appended meanwhile is told of on return."""
    url = postgres.url_of(log_database)
    async with opened(url) as one, opened(url) as other:
        with trio.fail_after(20):
            for round_ in range(3):
                for each in (one, other):
                    await each.reaches(SyncState.CONNECTED, round_ + 1)
                before = len(one.changes)
                killed = f"SELECT pg_terminate_backend(pid) {LISTENERS}"
                assert len(await postgres.rows(killed, database=log_database)) == 2
                await other.log.append([draft(round_ + 1)], expected=round_, actor="a")
                assert len(await follow(one.log, round_ + 1)) == round_ + 1
                await one.reaches(SyncState.CONNECTED, round_ + 2)
                states = [status.state for status in one.changes[before:]]
                assert states[:2] == LOST[:2]
                assert states[-2:] == LOST[2:]
        assert one.sync.status.reconnects == 3
        assert one.sync.status.error is not None


async def test_a_connection_that_only_looks_alive_is_replaced(postgres: Server, log_database: str) -> None:
    """Half open: the other end says nothing any more, and the check finds out."""
    if not isinstance(postgres, OwnServer):
        pytest.skip("stops a process of the server")
    url = postgres.url_of(log_database)
    with trio.fail_after(20):
        async with opened(url, check_every_s=0.05, answer_s=0.2) as one, opened(url) as other:
            oldest = f"SELECT pid {LISTENERS} ORDER BY backend_start LIMIT 1"
            (row,) = await postgres.rows(oldest, database=log_database)
            os.kill(row["pid"], signal.SIGSTOP)
            try:
                await one.reaches(SyncState.DISCONNECTED)
                await other.log.append([draft(1)], expected=0, actor="a")
                assert len(await follow(one.log, 1)) == 1
            finally:
                os.kill(row["pid"], signal.SIGCONT)


async def test_a_restarted_server_loses_and_repeats_nothing(postgres: Server, log_database: str) -> None:
    """Every acknowledged append is there once, without a gap, and a follower that never looks by itself sees all."""
    if not isinstance(postgres, OwnServer):
        pytest.skip("restarts the server")
    url = postgres.url_of(log_database)
    told: dict[UUID, Position] = {}
    seen: list[tuple[Position, UUID]] = []
    writers, each = 3, 8

    async def write(one: Opened, first: int) -> None:
        for number in range(first, first + each):
            told[draft(number).event_id] = await append_surely(one.log, draft(number))

    async def restart() -> None:
        while len(told) < 4:
            await trio.sleep(0.001)
        await trio.to_thread.run_sync(postgres.stop, signal.SIGQUIT)
        await trio.to_thread.run_sync(postgres.start)

    async def watch(one: Opened) -> None:
        seen.extend(await follow(one.log, writers * each))

    with trio.fail_after(60):
        async with opened(url) as a, opened(url) as b:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch, b)
                for number, one in enumerate((a, b, a)):
                    nursery.start_soon(write, one, number * 100 + 1)
                nursery.start_soon(restart)
            there = [(position, event_id) for position, event_id, _ in await all_of(a.log)]
            assert await a.log.verify() == writers * each
            for one in (a, b):
                await one.reaches(SyncState.CONNECTED, 2)
                assert one.sync.status.reconnects >= 1
    assert [position for position, _ in there] == list(range(1, writers * each + 1))
    assert {event_id: position for position, event_id in there} == told
    assert seen == there


async def test_a_frozen_writer_stops_the_others_only_for_a_while(postgres: Server, log_database: str) -> None:
    """It loses its transaction after 2.5 s; who waited for it goes on, without knowing of it."""
    async with opened(postgres.url_of(log_database)) as one:
        may_end = asyncio.Event()
        holds = trio.Event()
        token = trio.lowlevel.current_trio_token()

        async def freeze() -> None:
            connection = await postgres.connect(log_database)
            await connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_MS}")
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("SELECT * FROM log_head FOR UPDATE")
            token.run_sync_soon(holds.set)
            await may_end.wait()
            assert connection.is_closed()

        async def release() -> None:
            may_end.set()

        with trio.fail_after(15):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(one.database.side.call, freeze)
                await holds.wait()
                began = trio.current_time()
                assert (await one.log.append([draft(1)], expected=0, actor="a")).position == 1
                assert 1 < trio.current_time() - began < LOCK_MS / 1000
                await one.database.side.call(release)


async def test_a_server_that_is_away_is_unavailable_and_comes_back(postgres: Server, log_database: str) -> None:
    """Calls say so at once; where that is allowed, a process starts without it and goes on once it is there."""
    if not isinstance(postgres, OwnServer):
        pytest.skip("stops the server")
    url = postgres.url_of(log_database)
    with trio.fail_after(30):
        await trio.to_thread.run_sync(postgres.stop)
        try:
            async with open_postgres(server_of(url), may_be_away=True) as database:
                with pytest.raises(StoreUnavailable):
                    await database.read(_nothing)
                await trio.to_thread.run_sync(postgres.start)
                await database.read(_nothing)
        finally:
            if not postgres.is_running:
                await trio.to_thread.run_sync(postgres.start)


async def _nothing(_: object) -> None:
    """A transaction without statements."""


async def test_the_listener_pauses_longer_and_longer_and_never_gives_up() -> None:
    """DEF-5, DEF-13: whatever the attempt fails with; the pauses grow to two seconds, each differing by chance."""
    pauses: list[float] = []
    errors = [OSError("no route"), TimeoutError(), ConnectionRefusedError("refused")]
    states: list[tuple[SyncState, str | None]] = []

    class Nobody:
        def heard(self, payload: str) -> None:
            raise AssertionError(payload)

        def came_back(self) -> None:
            raise AssertionError

        def changed(self, state: SyncState, error: str | None) -> None:
            states.append((state, error))

    async def connect() -> None:
        raise errors[len(pauses) % 3]

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    async def listen() -> None:
        listener = Listener(connect, "channel", Nobody(), sleep=sleep)
        await listener.start()
        while len(pauses) < 40:
            await asyncio.sleep(0)
        await listener.stop()

    await trio.to_thread.run_sync(lambda: asyncio.run(listen()))
    assert all(
        0.5 * base <= one <= 1.5 * base for one, base in zip(pauses, [0.05, 0.1, 0.2, 0.4, 0.8, 1.6], strict=False)
    )
    assert all(1 <= one <= 3 for one in pauses[6:])
    assert len(set(pauses[6:40])) > 10
    assert states[:3] == [
        (SyncState.CONNECTING, None),
        (SyncState.DISCONNECTED, "OSError: no route"),
        (SyncState.RECONNECTING, None),
    ]
    assert (SyncState.DISCONNECTED, "TimeoutError") in states


async def test_a_watcher_that_fails_stops_nothing(autojump_clock: trio.testing.MockClock) -> None:  # noqa: ARG001
    """DEF-5: its error is logged, the next watcher hears, and the status is what it is."""
    sync = Sync(SyncState.CONNECTING)
    heard: list[SyncStatus] = []

    def fail(_: SyncStatus) -> None:
        raise ZeroDivisionError

    sync.watch(fail)
    sync.watch(heard.append)
    sync.enter(SyncState.CONNECTED)
    await trio.sleep(3)
    sync.enter(SyncState.DISCONNECTED, "the server ended the connection")
    sync.enter(SyncState.RECONNECTING)
    sync.enter(SyncState.CONNECTING)
    sync.enter(SyncState.CONNECTED)
    assert [status.state for status in heard] == [SyncState.CONNECTED, *LOST]
    assert [status.reconnects for status in heard] == [0, 0, 0, 0, 1]
    assert heard[-1].error == "the server ended the connection"
    assert heard[1].since - heard[0].since == pytest.approx(3)
