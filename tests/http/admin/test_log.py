"""The event log over HTTP: pages, the stream, and the proof that it is what was written."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
import trio

from adapters.http.admin.feed import Feed
from adapters.http.admin.log import event_told
from adapters.http.admin.office import MOST_FEEDS
from adapters.store.memory import MemoryEventLog
from engine.commands import ApplyManifest, ChangeEntities, DefineKey, DefinePool
from engine.errors import LogDamaged, StoreUnavailable
from engine.events import Draft, EndpointDefined, UserDefined
from engine.names import Position
from engine.runtime.follower import Follower
from projections import routing
from tests.engine.tables import deny, key, manifest, pool, provider
from tests.http.admin.rig import NOW_US, TOKEN, Desk, desk


async def filled(here: Desk) -> None:
    """A pool with its provider and rule, a key, an endpoint and three users."""
    commands: list[tuple[Any, str]] = [
        (ApplyManifest(manifest([pool("chat", provider("a"), rules=(deny(tier="x"),))], [key("k")])), "file:a.json"),
        (DefinePool(pool("chat", provider("a", weight=3), rules=(deny(tier="x"),))), "file:a.json"),
        (ChangeEntities((EndpointDefined("e", "http://e.example/"), UserDefined("u1"), UserDefined("u2"))), "token:x"),
        (ChangeEntities((UserDefined("u1", "Ann"),)), "token:y"),
    ]
    for command, actor in commands:
        written = await here.office.writer.write(command, actor=actor)
        await here.office.follower.applied(written.position)


async def test_a_page_of_the_log() -> None:
    """Issue 4, item 6: all of each event but its digests, in order, with what was decided together."""
    async with desk() as here:
        await filled(here)
        page = await here.done("GET", "/events")
        assert [one["position"] for one in page["data"]] == list(range(1, 10))
        assert (page["next"], page["position"]) == (None, 9)
        first, key_defined = page["data"][:2]
        by_type = {one["type"]: one for one in page["data"]}
        assert set(by_type) == {
            *("key.defined", "pool.defined", "provider.defined", "rule.defined", "endpoint.defined", "user.defined"),
        }
        told = by_type["key.defined"]
        assert (told["stream"], told["actor"], told["event"]["key_id"]) == ("key:k", "file:a.json", "k")
        assert not {"digest", "previous_digest"} & set(told["event"])
        assert datetime.fromisoformat(told["recorded_at"]).tzinfo == UTC
        assert first["correlation"] == first["event_id"] == key_defined["correlation"] != key_defined["event_id"]
        assert first["sentence"] is None


@pytest.mark.parametrize(
    ("query", "positions"),
    [
        ("?after=7", [8, 9]),
        ("?after=9", []),
        ("?after=9007199254740991", []),
        ("?stream=user:u1", [7, 9]),
        ("?stream=user:u1&after=7", [9]),
        ("?stream=user:nobody", []),
        ("?stream=%00", []),
        ("?type=user.defined", [7, 8, 9]),
        ("?type=user.defined&actor=token:y", [9]),
        ("?actor=nobody", []),
        ("?stream=pool:chat&type=provider.defined", [3, 5]),
    ],
)
@pytest.mark.parametrize("sentences", [False, True])
async def test_a_part_of_the_log(query: str, positions: list[int], *, sentences: bool) -> None:
    """By entity, type and actor, alone and together; with sentences the same events."""
    async with desk() as here:
        await filled(here)
        page = await here.done("GET", f"/events{query}&sentences={'true' if sentences else 'false'}")
        assert [one["position"] for one in page["data"]] == positions
        assert page["next"] is None
        assert all((one["sentence"] is not None) == sentences for one in page["data"])


@pytest.mark.parametrize("query", ["", "&type=user.defined", "&stream=pool:chat", "&sentences=true"])
async def test_pages_go_on_where_the_one_before_ended(query: str) -> None:
    """Page by page the same as at once, and nothing twice."""
    async with desk() as here:
        await filled(here)
        whole = (await here.done("GET", f"/events?after=0{query}"))["data"]
        found: list[Any] = []
        after: int | None = 0
        while after is not None:
            page = await here.done("GET", f"/events?after={after}&limit=2{query}")
            assert len(page["data"]) <= 2
            found += page["data"]
            after = page["next"]
        assert found == whole


async def test_sentences_say_what_each_event_changed() -> None:
    """From the table before it, wherever the page begins."""
    async with desk() as here:
        await filled(here)
        page = await here.done("GET", "/events?after=4&sentences=true")
        assert page["data"][0]["sentence"] == "provider a of pool chat: weight 1 → 3"
        assert page["data"][-1]["sentence"] == "user u1: name none → Ann"


async def test_a_type_that_does_not_exist_is_said_with_those_that_do() -> None:
    """DEF-10."""
    async with desk() as here:
        answer = await here.ask("GET", "/events?type=pool.destroyed")
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["where"] == "?type"


class Reader:
    """A client of the stream that takes a piece at a time."""

    def __init__(self, wire: trio.SocketStream) -> None:
        self._wire = wire
        self._text = b""
        self.head = b""

    async def part(self) -> tuple[str, Any] | None:
        """An event as its id and data, a comment as two of nothing; None: the stream has ended as it should."""
        while True:
            found = _PART.search(self._text)
            if found is not None:
                self._text = self._text[found.end() :]
                if found["end"] is not None:
                    return None
                return (found["id"].decode(), json.loads(found["data"])) if found["id"] else ("", None)
            piece = await self._wire.receive_some()
            assert piece, "the connection ended in the middle"
            self._text += piece

    async def some(self, count: int) -> list[tuple[str, Any]]:
        """The next events; comments are passed over."""
        found = []
        with trio.fail_after(5):
            while len(found) < count:
                part = await self.part()
                assert part is not None
                found += [part] if part[0] else []
        return found

    async def rest(self) -> list[tuple[str, Any]]:
        """The events up to the stream's end."""
        found = []
        with trio.fail_after(5):
            while (part := await self.part()) is not None:
                found += [part] if part[0] else []
        return found


_PART = re.compile(rb"id: (?P<id>\d+)\ndata: (?P<data>.*)\n\n|^:.*\n\n|^(?P<end>0)\r\n\r\n", re.MULTILINE)


@asynccontextmanager
async def stream(here: Desk, query: str = "", **headers: str) -> AsyncIterator[Reader]:
    fields = {"host": "h", "authorization": f"Bearer {TOKEN}"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    url = here.client.base_url
    async with await trio.open_tcp_stream(url.host, url.port or 0) as wire:
        told = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        await wire.send_all(f"GET /admin/v1/events/stream{query} HTTP/1.1\r\n{told}\r\n".encode())
        reader = Reader(wire)
        head = b""
        while b"\r\n\r\n" not in head:
            head += await wire.receive_some()
        reader.head, _, reader._text = head.partition(b"\r\n\r\n")
        assert reader.head.startswith(b"HTTP/1.1 200 ")
        assert b"content-type: text/event-stream" in reader.head.lower()
        yield reader


async def test_the_stream_tells_what_is_there_and_what_comes() -> None:
    """Each event once, its position as its id, and a resumed stream goes on after the last one."""
    async with desk() as here:
        await filled(here)
        async with stream(here, "?after=7") as reader:
            assert [number for number, _ in await reader.some(2)] == ["8", "9"]
            await here.office.writer.write(ChangeEntities((UserDefined("u3"),)), actor="token:z")
            ((number, told),) = await reader.some(1)
            assert (number, told["position"], told["actor"]) == ("10", 10, "token:z")
        async with stream(here, "?after=0", Last_Event_ID="9") as reader:
            assert [number for number, _ in await reader.some(1)] == ["10"]
        async with stream(here) as reader:
            await here.office.writer.write(DefineKey(key("k2")), actor="token:z")
            ((number, told),) = await reader.some(1)
            assert (number, told["type"]) == ("11", "key.defined")
            assert "digest" not in told["event"]


async def test_a_stream_of_many_events_has_them_all() -> None:
    """More than a page; the log waits for a client that reads slowly."""
    async with desk() as here:
        users = tuple(UserDefined(f"u{number}") for number in range(250))
        written = await here.office.writer.write(ChangeEntities(users), actor="test")
        await here.office.follower.applied(written.position)
        async with stream(here, "?after=0") as reader:
            assert [int(number) for number, _ in await reader.some(250)] == list(range(1, 251))


async def test_a_stream_ends_when_the_process_drains() -> None:
    """Completely, so that the client knows it for an end; and none begins then."""
    async with desk() as here:
        await filled(here)
        async with stream(here, "?after=8") as reader:
            await reader.some(1)
            here.office.draining.set()
            with trio.fail_after(5):
                assert await reader.rest() == []


async def test_a_stream_ends_with_its_token() -> None:
    """AUTH-9: a token that is revoked reads nothing from that position on."""
    async with desk() as here:
        secret = await here.token("read", "reader")
        position = here.snapshot.position
        async with stream(here, f"?after={position}", authorization=f"Bearer {secret}") as reader:
            await here.done("DELETE", "/tokens/reader")
            with trio.fail_after(5):
                seen = await reader.rest()
        assert len(seen) <= 1


class Troubled:
    """A log that can go away, and be damaged."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.is_away = False
        self.damage: LogDamaged | None = None

    async def read(self, after: Position, limit: int = 500) -> Any:
        if self.is_away:
            raise StoreUnavailable("postgresql://gateway:secret@db.internal refused")
        if self.damage is not None:
            raise self.damage
        return await self._log.read(after, limit)

    async def verify(self, progress: Any = None) -> Position:
        if self.damage is not None:
            raise self.damage
        return await self._log.verify(progress)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


@asynccontextmanager
async def troubled() -> AsyncIterator[tuple[Desk, Troubled]]:
    """Only what the API reads is; the follower has the log itself."""
    memory = MemoryEventLog(clock_us=lambda: NOW_US)
    log = Troubled(memory)
    async with desk(memory) as here:
        # The follower keeps the log itself.
        object.__setattr__(here.office, "log", log)
        yield here, log


async def test_a_log_that_is_what_was_written() -> None:
    """Store design: the chain is computed again; the head's hash is what can be kept elsewhere."""
    async with desk() as here:
        empty = await here.done("GET", "/verify")
        assert (empty["intact"], empty["position"], empty["head_hash"]) == (True, 0, "0" * 64)
        await filled(here)
        told = await here.done("GET", "/verify")
        head = await here.log.hash_at(9)
        assert (told["intact"], told["position"], told["head_hash"]) == (True, 9, head.hex())
        assert told["took_s"] >= 0


async def test_a_log_that_was_tampered_with_is_a_409_that_names_the_place() -> None:
    """So that a script goes by the status, and a person by the detail."""
    async with troubled() as (here, log):
        await filled(here)
        log.damage = LogDamaged(4, "its hash is not that of its fields")
        answer = await here.ask("GET", "/verify")
        assert answer.status_code == 409
        told = answer.json()
        assert (told["intact"], told["position"], told["head_hash"]) == (False, 4, None)
        assert "its hash is not" in told["detail"]


async def test_a_stream_outlasts_a_store_that_is_away() -> None:
    """It says so in a comment, and goes on when the store is back; a log that is damaged ends it."""
    async with troubled() as (here, log):
        await filled(here)
        async with stream(here, "?after=8") as reader:
            await reader.some(1)
            log.is_away = True
            await here.office.writer.write(ChangeEntities((UserDefined("u3"),)), actor="token:z")
            with trio.fail_after(10):
                assert await reader.part() == ("", None)
                log.is_away = False
                number = ""
                while not number:
                    part = await reader.part()
                    assert part is not None
                    number = part[0]
            assert number == "10"
            log.damage = LogDamaged(11, "x")
            await here.office.writer.write(ChangeEntities((UserDefined("u4"),)), actor="token:z")
            with trio.fail_after(10):
                assert await reader.rest() == []
        log.damage = None
        log.is_away = True
        answer: httpx.Response = await here.ask("GET", "/events")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "db.internal" not in answer.text


@pytest.mark.usefixtures("autojump_clock")
async def test_a_quiet_stream_is_kept_awake() -> None:
    """A comment every 15 seconds, so that nobody between takes it for dead; an event comes at once."""
    memory = MemoryEventLog(clock_us=lambda: NOW_US)
    follower = Follower(memory, routing.empty(), fold=routing.fold)
    office: Any = SimpleNamespace(log=memory, follower=follower, draining=trio.Event())
    feed = Feed(office, 0, show=event_told, is_admitted=lambda: True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run, lambda *_: None)
        assert await anext(feed) == b"retry: 1000\n\n"
        begin = trio.current_time()
        assert await anext(feed) == b": \n\n"
        assert trio.current_time() - begin == pytest.approx(15, abs=0.5)
        await memory.append([Draft(UUID(int=1), UserDefined("u"))], expected=0, actor="test")
        told = await anext(feed)
        while told == b": \n\n":
            told = await anext(feed)
        assert told.startswith(b"id: 1\ndata: {")
        assert trio.current_time() - begin == pytest.approx(15, abs=0.5)
        office.draining.set()
        with pytest.raises(StopAsyncIteration):
            await anext(feed)
        nursery.cancel_scope.cancel()


async def test_streams_are_bounded() -> None:
    """What one more would cost the gateway is refused, and can be asked for later."""
    async with desk() as here:
        others = [Feed(here.office, 0, show=event_told, is_admitted=lambda: True) for _ in range(MOST_FEEDS)]
        here.office.feeds.update(others)
        answer = await here.ask("GET", "/events/stream")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        others.pop()
        async with stream(here, "?after=0") as reader:
            here.office.draining.set()
            assert await reader.rest() == []
