"""What every `engine.ports.EventLog` does (SYNC-29); a test file per implementation runs it.

A subclass gives the fixture `log`: an empty log whose clock counts 1, 2, 3 … microseconds.
"""

import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from uuid import UUID

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.store import VerifiableLog
from engine.errors import IdempotencyConflict, WrongPosition
from engine.events import Draft, Event, KeyDefined, KeyRemoved, PoolDefined, PoolRemoved, Recorded, SettingsChanged
from engine.names import Position
from engine.ports import Appended, EventLog, Found, Wake

OpenLog = Callable[[], AbstractAsyncContextManager[VerifiableLog]]


def an_id(number: int) -> UUID:
    return UUID(int=number)


def removed(name: str) -> Event:
    return KeyRemoved(name)


def draft(number: int, event: Event | None = None) -> Draft:
    """A draft whose id is the number, of an event that differs by number."""
    return Draft(an_id(number), event if event is not None else removed(f"key-{number}"))


async def all_of(log: EventLog) -> list[tuple[Position, UUID, Event]]:
    """The whole log, read page by page."""
    found: list[tuple[Position, UUID, Event]] = []
    while True:
        page = await log.read(len(found), 7)
        found += [(one.position, UUID(one.event_id), one.event) for one in page]
        if len(page) < 7:
            return found


class EventLogContract:
    """Run by subclasses."""

    @pytest.fixture
    def open_log(self) -> OpenLog:
        raise NotImplementedError

    @pytest.fixture
    async def log(self, open_log: OpenLog) -> AsyncIterator[VerifiableLog]:
        async with open_log() as log:
            yield log

    async def test_an_empty_log_reads_nothing_and_stands_at_zero(self, log: VerifiableLog) -> None:
        """Position 0 is the empty log."""
        assert list(await log.read(0)) == []
        assert await log.verify() == 0

    async def test_append_returns_the_position_of_its_last_event(self, log: VerifiableLog) -> None:
        """Positions are dense, from 1."""
        assert (await log.append([draft(1), draft(2)], expected=0, actor="a")).position == 2
        assert (await log.append([draft(3)], expected=2, actor="a")).position == 3
        assert [position for position, _, _ in await all_of(log)] == [1, 2, 3]

    async def test_what_is_read_is_what_was_appended(self, log: VerifiableLog) -> None:
        """Events, ids, actor and time come back equal and in order."""
        events: list[Event] = [
            SettingsChanged(strict_mode=True, max_idle_per_host=4, idle_timeout_s=90),
            KeyDefined("k", "ab" * 32, opens_all_pools=True, labels={"b": "2", "a": "ä"}, requests_per_second=0.1),
            PoolDefined("chat", "priority", keys=("k",), fallback_on_status=(429, 5), response_headers={"x": "y"}),
            PoolRemoved("chat"),
        ]
        await log.append([draft(n, event) for n, event in enumerate(events, 1)], expected=0, actor="file:routes.json")
        page = await log.read(0)
        assert [one.event for one in page] == events
        assert [UUID(one.event_id) for one in page] == [an_id(n) for n in range(1, 5)]
        assert {one.actor for one in page} == {"file:routes.json"}
        assert {one.recorded_at for one in page} == {1}

    async def test_pages_follow_each_other(self, log: VerifiableLog) -> None:
        """A page holds at most `limit` events after a position; a shorter one reaches the head."""
        await log.append([draft(n) for n in range(1, 11)], expected=0, actor="a")
        assert [one.position for one in await log.read(0, 4)] == [1, 2, 3, 4]
        assert [one.position for one in await log.read(8, 4)] == [9, 10]
        assert list(await log.read(10, 4)) == []
        assert list(await log.read(99, 4)) == []

    async def test_a_page_may_be_taken_as_it_is_read(self, log: VerifiableLog) -> None:
        """Piece by piece it is the page that `read` gives, and the position says where that ends."""
        await log.append([draft(n) for n in range(1, 131)], expected=0, actor="a")
        for after, limit, reached in ((0, 120, 120), (120, 120, 130), (130, 120, 130), (199, 1, 199)):
            taken: list[Recorded] = []
            assert await log.read_into(taken.extend, after, limit) == reached
            assert taken == list(await log.read(after, limit))
        with pytest.raises(ValueError, match="limit is 0"):
            await log.read_into(print, 0, 0)

    async def test_a_log_of_many_events_is_appended_at_once(self, log: VerifiableLog) -> None:
        """One append may be a whole configuration."""
        assert (await log.append([draft(n) for n in range(1, 1202)], expected=0, actor="a")).position == 1201
        assert len(await log.read(0, 2000)) == 1201
        assert (await log.append([draft(n) for n in range(1, 1202)], expected=0, actor="a")).position == 1201
        assert await log.verify() == 1201

    async def test_an_append_says_whether_it_was_one(self, log: VerifiableLog) -> None:
        """A repetition is told from a first time."""
        assert await log.append([draft(1), draft(2)], expected=0, actor="a") == Appended(2)
        assert await log.append([draft(1), draft(2)], expected=0, actor="a") == Appended(2, is_repeated=True)
        assert await log.append([draft(1)], expected=2, actor="a") == Appended(1, is_repeated=True)

    async def test_an_append_is_found_by_its_first_event(self, log: VerifiableLog) -> None:
        """Where it ended, and what asked for it; no other event of it is its name."""
        await log.append([draft(1)], expected=0, actor="a")
        await log.append([draft(2), draft(3), draft(4)], expected=1, actor="a", causation=an_id(99))
        assert await log.find(an_id(2)) == Found(4, an_id(99))
        await log.append([draft(5), draft(6)], expected=4, actor="a")
        assert await log.find(an_id(1)) == Found(1, None)
        assert await log.find(an_id(2)) == Found(4, an_id(99))
        assert await log.find(an_id(5)) == Found(6, None)
        for number in (3, 4, 6, 99):
            assert await log.find(an_id(number)) is None

    async def test_a_streams_history_is_its_events_alone(self, log: VerifiableLog) -> None:
        """In order, page by page; a stream that is not there has none."""
        names = ["key-a", "key-b", "key-a", "key-a", "key-b"]
        await log.append([draft(n, removed(name)) for n, name in enumerate(names, 1)], expected=0, actor="a")
        assert [one.position for one in await log.history("key:key-a")] == [1, 3, 4]
        assert [one.position for one in await log.history("key:key-a", 1, 1)] == [3]
        assert [one.event for one in await log.history("key:key-b", 2)] == [removed("key-b")]
        assert list(await log.history("key:none")) == []
        assert list(await log.history("key:key-a", 4)) == []
        with pytest.raises(ValueError, match="limit is 0"):
            await log.history("key:key-a", 0, 0)

    async def test_each_position_has_its_hash(self, log: VerifiableLog) -> None:
        """32 bytes, zeros for the empty log, none beyond the head; another event is another hash."""
        await log.append([draft(1), draft(2)], expected=0, actor="a")
        hashes = [await log.hash_at(position) for position in range(4)]
        assert hashes[0] == bytes(32)
        assert [len(one or b"") for one in hashes] == [32, 32, 32, 0]
        assert len(set(hashes)) == 4

    async def test_a_moment_is_a_position(self, log: VerifiableLog) -> None:
        """Issue 5, item 3: the last event recorded at the moment or before; 0 where there is none."""
        assert await log.position_at(10**15) == 0
        for number in range(1, 4):
            await log.append([draft(number * 2), draft(number * 2 + 1)], expected=number * 2 - 2, actor="a")
        times = [one.recorded_at for one in await log.read(0)]
        assert times[0] == times[1] < times[2] == times[3] < times[4]
        found = [await log.position_at(at) for at in (times[0] - 1, times[0], times[2] - 1, times[2], times[5], 10**17)]
        assert found == [0, 2, 2, 4, 6, 6]

    async def test_verifying_tells_how_far_it_is(self, log: VerifiableLog) -> None:
        """Positions grow up to the head's."""
        await log.append([draft(n) for n in range(1, 2502)], expected=0, actor="a")
        told: list[tuple[Position, Position]] = []
        assert await log.verify(lambda reached, head: told.append((reached, head))) == 2501
        assert told[-1] == (2501, 2501)
        assert told == sorted(told)

    @pytest.mark.parametrize("text", ["a\0b", "half \ud83d"])
    async def test_text_that_no_database_keeps_is_refused(self, log: VerifiableLog, text: str) -> None:
        """As an actor or a name: ValueError, and nothing was appended."""
        with pytest.raises(ValueError, match="cannot be stored"):
            await log.append([draft(1)], expected=0, actor=text)
        with pytest.raises(ValueError, match="cannot be stored"):
            await log.append([draft(1, removed(text))], expected=0, actor="a")
        assert await all_of(log) == []

    async def test_hostile_text_is_only_text(self, log: VerifiableLog) -> None:
        """Neither SQL nor a line break in a name or an actor does anything."""
        texts = ["'; DROP TABLE events; --", 'x" OR "1"="1', "%s $1 :a {0}", "line\nbreak\r\t", "\u202egnirts", "🦀"]
        for number, text in enumerate(texts):
            await log.append([draft(number + 1, removed(text))], expected=number, actor=text)
            assert [(one.event, one.actor) for one in await log.history(f"key:{text}")] == [(removed(text), text)]
        assert await log.verify() == len(texts)

    @pytest.mark.parametrize("expected", [0, 2, -1])
    async def test_an_append_on_another_position_is_refused(self, log: VerifiableLog, expected: int) -> None:
        """WrongPosition says where the log is; nothing was appended."""
        await log.append([draft(1)], expected=0, actor="a")
        with pytest.raises(WrongPosition) as caught:
            await log.append([draft(2), draft(3)], expected=expected, actor="a")
        assert (caught.value.expected, caught.value.actual) == (expected, 1)
        assert len(await all_of(log)) == 1

    async def test_appending_again_changes_nothing(self, log: VerifiableLog) -> None:
        """A retry gets its original position, whatever the log has done since and whatever it expects."""
        first = [draft(1), draft(2)]
        await log.append(first, expected=0, actor="a")
        await log.append([draft(3)], expected=2, actor="a")
        before = await all_of(log)
        for expected in (0, 2, 3, 99):
            assert (await log.append(first, expected=expected, actor="retry")).position == 2
        assert (await log.append([draft(2)], expected=0, actor="a")).position == 2
        assert (await log.append([draft(1)], expected=0, actor="a")).position == 1
        assert await all_of(log) == before

    async def test_an_equal_value_written_otherwise_is_the_same_content(self, log: VerifiableLog) -> None:
        """90 and 90.0, and mappings in another order, are equal."""
        one = SettingsChanged(strict_mode=True, max_idle_per_host=4, idle_timeout_s=90)
        two = KeyDefined("k", "00", opens_all_pools=False, labels={"a": "1", "b": "2"})
        await log.append([draft(1, one), draft(2, two)], expected=0, actor="a")
        same_one = SettingsChanged(strict_mode=True, max_idle_per_host=4, idle_timeout_s=90.0)
        same_two = KeyDefined("k", "00", opens_all_pools=False, labels={"b": "2", "a": "1"})
        assert (await log.append([draft(1, same_one), draft(2, same_two)], expected=0, actor="a")).position == 2

    @pytest.mark.parametrize(
        "drafts",
        [
            [draft(1, removed("other"))],
            [draft(1), draft(2, removed("other"))],
            [draft(1), draft(2), draft(3)],
            [draft(3), draft(1)],
            [draft(1, PoolRemoved("key-1"))],
        ],
    )
    @pytest.mark.parametrize("expected", [0, 2])
    async def test_the_same_id_with_other_content_is_a_conflict(
        self, log: VerifiableLog, drafts: list[Draft], expected: int
    ) -> None:
        """Partly there, or there with other content: IdempotencyConflict, and nothing was appended."""
        await log.append([draft(1), draft(2)], expected=0, actor="a")
        with pytest.raises(IdempotencyConflict):
            await log.append(drafts, expected=expected, actor="a")
        assert len(await all_of(log)) == 2
        assert await log.verify() == 2

    async def test_a_caller_with_nothing_or_twice_the_same_is_wrong(self, log: VerifiableLog) -> None:
        """No drafts, or one id twice in an append, is the caller's bug: ValueError."""
        with pytest.raises(ValueError, match="at least one draft"):
            await log.append([], expected=0, actor="a")
        with pytest.raises(ValueError, match="same event id"):
            await log.append([draft(1), draft(1)], expected=0, actor="a")
        with pytest.raises(ValueError, match="limit is 0"):
            await log.read(0, 0)
        with pytest.raises(ValueError, match="after is -1"):
            await log.read(-1)

    async def test_an_event_that_would_be_read_back_otherwise_is_refused(self, log: VerifiableLog) -> None:
        """All drafts or none: a bad one keeps the good ones out."""
        bad = KeyDefined("k", "00", opens_all_pools=False, labels={}, requests_per_second=math.nan)
        with pytest.raises(ValueError, match="requests_per_second"):
            await log.append([draft(1), draft(2, bad)], expected=0, actor="a")
        assert await all_of(log) == []

    async def test_wait_returns_at_once_where_there_is_more(self, log: VerifiableLog) -> None:
        """Level-triggered: an append before the wait counts."""
        await log.append([draft(1), draft(2)], expected=0, actor="a")
        with trio.fail_after(5):
            assert await log.wait(0) is Wake.OWN
            assert await log.wait(1) is Wake.OWN

    async def test_an_append_wakes_everyone_who_waits(self, log: VerifiableLog) -> None:
        """Many wait; one append wakes all of them, and each finds the event."""
        found = []

        async def follow() -> None:
            while not (page := await log.read(0)):
                await log.wait(0)
            found.append([one.position for one in page])

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for _ in range(50):
                    nursery.start_soon(follow)
                await trio.testing.wait_all_tasks_blocked()
                assert found == []
                await log.append([draft(1)], expected=0, actor="a")
        assert found == [[1]] * 50

    async def test_a_follower_sees_each_event_once_and_in_order(self, log: VerifiableLog) -> None:
        """Read, wait, read: no event is lost between a read and the wait after it."""
        seen: list[Position] = []

        async def follow() -> None:
            while len(seen) < 60:
                page = await log.read(len(seen), 5)
                seen.extend(one.position for one in page)
                if len(page) < 5 and len(seen) < 60:
                    await log.wait(len(seen))

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                for position in range(60):
                    await log.append([draft(position + 1)], expected=position, actor="a")
        assert seen == list(range(1, 61))

    async def test_of_many_writers_on_one_position_one_wins(self, log: VerifiableLog) -> None:
        """All others get WrongPosition with the winner's position, and win in a later round."""
        outcomes: list[Position | WrongPosition] = []

        async def write(number: int, expected: Position) -> None:
            try:
                outcomes.append((await log.append([draft(number)], expected=expected, actor="a")).position)
            except WrongPosition as error:
                outcomes.append(error)

        for round_ in range(5):
            outcomes.clear()
            async with trio.open_nursery() as nursery:
                for number in range(12):
                    nursery.start_soon(write, round_ * 100 + number + 1, round_)
            lost = [one for one in outcomes if isinstance(one, WrongPosition)]
            assert [one for one in outcomes if not isinstance(one, WrongPosition)] == [round_ + 1]
            assert {(one.expected, one.actual) for one in lost} == {(round_, round_ + 1)}
            assert len(lost) == 11

    async def test_a_cancelled_append_was_not_applied(self, log: VerifiableLog) -> None:
        """Told is truth: who got a position has its event there, who was cancelled or refused has not."""
        dice = random.Random(7)
        told: dict[UUID, Position] = {}
        cancelled = 0

        async def write(number: int, patience: float) -> None:
            nonlocal cancelled
            expected = len(await all_of(log))
            with trio.move_on_after(patience) as scope, suppress(WrongPosition):
                told[an_id(number)] = (await log.append([draft(number)], expected=expected, actor="a")).position
            cancelled += scope.cancelled_caught

        for start in range(1, 201, 4):
            async with trio.open_nursery() as nursery:
                for number in range(start, start + 4):
                    nursery.start_soon(write, number, dice.choice([0, 0, dice.uniform(0, 0.01), 1]))
        there = {event_id: position for position, event_id, _ in await all_of(log)}
        assert there == told
        assert sorted(there.values()) == list(range(1, len(there) + 1))
        assert there
        assert cancelled >= 90
        assert await log.verify() == len(there)

    @given(
        steps=st.lists(
            st.tuples(
                st.lists(
                    st.tuples(st.integers(1, 6), st.integers(0, 1)), min_size=1, max_size=3, unique_by=lambda t: t[0]
                ),
                st.integers(-1, 1),
            ),
            max_size=8,
        )
    )
    @settings(
        max_examples=30,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    async def test_any_sequence_of_appends_is_as_in_the_model(
        self, open_log: OpenLog, steps: list[tuple[list[tuple[int, int]], int]]
    ) -> None:
        """The model: a list; ids few enough that repetitions, conflicts and stale positions all occur."""
        model: list[tuple[int, int]] = []
        async with open_log() as log:
            for wished, error in steps:
                drafts = [draft(number, removed(f"k-{variant}")) for number, variant in wished]
                expected = len(model) + error
                ids = [number for number, _ in model]
                known = [one for one in wished if one[0] in ids]
                if known:
                    if len(known) == len(wished) and all(one in model for one in wished):
                        position = max(model.index(one) for one in wished) + 1
                        assert (await log.append(drafts, expected=expected, actor="a")).position == position
                    else:
                        with pytest.raises(IdempotencyConflict):
                            await log.append(drafts, expected=expected, actor="a")
                elif error:
                    with pytest.raises(WrongPosition):
                        await log.append(drafts, expected=expected, actor="a")
                else:
                    model += wished
                    assert (await log.append(drafts, expected=expected, actor="a")).position == len(model)
                assert [(event_id.int, event) for _, event_id, event in await all_of(log)] == [
                    (number, removed(f"k-{variant}")) for number, variant in model
                ]
            assert await log.verify() == len(model)
