"""What all changes have in common: conditions, repetitions, dry runs, waiting, ownership, and a store that is away."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import attrs
import pytest
import trio
import trio.testing

from adapters.store.memory import MemoryEventLog
from engine.commands import ChangeEntities, ChangeSettings, DefinePool
from engine.errors import LogDamaged, OutcomeUnknown, StoreUnavailable
from engine.events import CreditsBooked, Draft, Recorded, UserDefined
from engine.names import Position
from engine.ports import Appended, Found, Wake
from engine.snapshot import Pool, Settings
from tests.http.admin.rig import NOW_US, Desk, desk

USER = "/users/u"


class Troubled:
    """An event log whose store can go away, or lose its answers."""

    def __init__(self) -> None:
        self.log = MemoryEventLog(clock_us=itertools.count(NOW_US).__next__)
        self.on_append: Callable[[], None] = lambda: None
        self.on_answer: Callable[[], None] = lambda: None
        self.on_read: Callable[[], None] = lambda: None

    async def append(
        self, drafts: Sequence[Draft], *, expected: Position, actor: str, causation: UUID | None = None
    ) -> Appended:
        self.on_append()
        appended = await self.log.append(drafts, expected=expected, actor=actor, causation=causation)
        self.on_answer()
        return appended

    async def find(self, event_id: UUID) -> Found | None:
        self.on_read()
        return await self.log.find(event_id)

    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]:
        self.on_read()
        return await self.log.read(after, limit)

    async def wait(self, after: Position) -> Wake:
        return await self.log.wait(after)


def away() -> None:
    raise StoreUnavailable("postgresql://gateway:secret@db.internal refused")


def lost() -> None:
    raise OutcomeUnknown("the connection to db.internal broke")


@asynccontextmanager
async def troubled() -> AsyncIterator[tuple[Desk, Troubled]]:
    log = Troubled()
    async with desk(log) as here:
        yield here, log


async def test_a_change_is_meant_for_a_state() -> None:
    """RFC 9110, 13.1: If-Match and If-None-Match, by the version of the entity; 412 tells the present one."""
    async with desk() as here:

        async def put(name: str, **conditions: str) -> tuple[int, str | None]:
            answer = await here.ask("PUT", USER, {"name": name}, **conditions)
            return answer.status_code, answer.headers.get("etag")

        assert await put("a", if_match="*") == (412, None)
        assert await put("a", if_match='"0"') == (412, None), "an entity that is not there has no state"
        assert await put("a", if_none_match="*") == (200, '"1"')
        assert await put("b", if_none_match="*") == (412, '"1"')
        assert await put("b", if_match='"2"') == (412, '"1"')
        assert await put("b", if_match='W/"1"') == (412, '"1"'), "a weak one is none for a change"
        assert await put("b", if_match='"7", "1"') == (200, '"2"')
        assert await put("c", if_match="*", if_none_match='"1"') == (200, '"3"')
        assert await put("d", if_none_match='"3"') == (412, '"3"')
        position = await here.head()
        for conditions in ({"if_match": "3"}, {"if_none_match": "x"}, {"if_match": '"3" "4"'}):
            refused = await here.ask("PUT", USER, {"name": "d"}, **conditions)
            assert (refused.status_code, refused.json()["errors"][0]["valid"]) == (422, '* or ETags such as "7"')
        assert (await here.ask("PATCH", USER, {"name": "d"}, if_match='"2"')).status_code == 412
        assert (await here.ask("DELETE", USER, if_match='"2"')).status_code == 412
        assert (await here.ask("PUT", "/settings", {"strict_mode": True}, if_match='"1"')).status_code == 412
        assert await here.head() == position
        assert (await here.ask("PUT", "/settings", {"strict_mode": True}, if_match='"0"')).status_code == 200
        assert (await here.ask("DELETE", USER, if_match='"3"')).status_code == 200
        assert await put("a", if_match='"4"') == (412, None)
        assert await put("a", if_none_match="*") == (200, '"5"'), "a version is never used twice"


async def test_a_patch_does_not_undo_what_came_between() -> None:
    """What a patch is merged into is what it is decided on, also while others write."""
    async with desk() as here:
        await here.done("PUT", "/endpoints/e", {"url": "http://a.example"})
        fields = ("name", "auth_header", "auth_prefix")
        async with trio.open_nursery() as nursery:
            for field in fields:
                nursery.start_soon(here.done, "PATCH", "/endpoints/e", {field: "x-new"})
        shown = await here.done("GET", "/endpoints/e")
        assert {shown[field] for field in fields} == {"x-new"}


async def test_a_request_with_a_key_counts_once() -> None:
    """The retry tells the first one's position and does nothing, whatever has changed since; a key is one request's."""
    async with desk() as here:
        await here.done("PUT", USER, {})
        path, entry = f"{USER}/credits", {"kind": "purchase", "amount": "5"}
        first = await here.ask("POST", path, entry, idempotency_key="k-1")
        await here.done("POST", path, {"kind": "usage", "amount": "1"})
        await here.done("DELETE", USER)
        head = await here.head()
        again = await here.ask("POST", path, entry, idempotency_key="k-1")
        told = {"position": first.json()["position"], "is_repeated": True}
        assert again.json() == told, "though there is no such user any more"
        assert again.headers["x-pointsman-position"] == first.headers["x-pointsman-position"]
        for changed in (
            await here.ask("POST", path, {**entry, "amount": "6"}, idempotency_key="k-1"),
            await here.ask("POST", path + "?dry_run=false", entry, idempotency_key="k-1"),
            await here.ask("PUT", "/users/v", {}, idempotency_key="k-1"),
        ):
            assert (changed.status_code, changed.json()["errors"][0]["where"]) == (422, "idempotency-key")
        assert await here.head() == head
        other = await here.token("operate", "other")
        assert (await here.ask("PUT", "/users/v", {}, idempotency_key="k-1", token=other)).status_code == 200
        assert (await here.ask("PUT", "/users/v", {}, idempotency_key="x" * 256)).status_code == 422


async def test_the_same_request_at_the_same_time_counts_once() -> None:
    """As a client does that gives up waiting too early."""
    async with desk() as here:
        await here.done("PUT", USER, {})
        answers = []

        async def book() -> None:
            entry = {"kind": "purchase", "amount": "5"}
            answers.append(await here.done("POST", f"{USER}/credits", entry, idempotency_key="k"))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(book)
        assert (await here.done("GET", f"{USER}/credits"))["balance"] == "5"
        assert len({answer["position"] for answer in answers}) == 1
        assert [answer.get("is_repeated") for answer in answers].count(None) == 1


async def test_the_same_request_at_two_gateways_counts_once() -> None:
    """The other one was quicker, and had decided it on a table of its own: the ledger's next number was another."""

    class Raced(Troubled):
        async def append(
            self, drafts: Sequence[Draft], *, expected: Position, actor: str, causation: UUID | None = None
        ) -> Appended:
            if isinstance(drafts[0].event, CreditsBooked):
                other = Draft(UUID(int=1), attrs.evolve(drafts[0].event, kind="admin_grant"))
                await self.log.append([other], expected=expected, actor="token:another")
                same = Draft(drafts[0].event_id, attrs.evolve(drafts[0].event, seq=2))
                await self.log.append([same, *drafts[1:]], expected=expected + 1, actor=actor, causation=causation)
            return await super().append(drafts, expected=expected, actor=actor, causation=causation)

    async with desk(Raced()) as here:
        await here.done("PUT", USER, {})
        entry = {"kind": "purchase", "amount": "5"}
        told = await here.done("POST", f"{USER}/credits", entry, idempotency_key="k")
        assert told == {"position": 4, "is_repeated": True}
        assert (await here.done("GET", f"{USER}/credits"))["balance"] == "10"


async def test_a_dry_run_tells_and_does_nothing() -> None:
    """Events without digests or secrets, and the difference they would make; nothing goes into the vault."""
    async with desk() as here:
        body = {"url": "http://a.example", "api_key": "sk-very-secret"}
        planned = await here.done("PUT", "/endpoints/e?dry_run=true", body, idempotency_key="k")
        [event] = planned["events"]
        assert (event["type"], event["endpoint_id"]) == ("endpoint.defined", "e")
        assert [(one["kind"], one["name"], one["change"]) for one in planned["diff"]] == [("endpoint", "e", "added")]
        assert "sk-very-secret" not in str(planned)
        with pytest.raises(LookupError):
            here.vault.resolve(event["credential"])
        assert (await here.head(), planned["position"]) == (0, 0)
        assert (await here.done("PUT", "/endpoints/e", body, idempotency_key="k")) == {"position": 1}
        assert here.vault.resolve(event["credential"]) == "sk-very-secret"
        assert (await here.done("DELETE", "/endpoints/e?dry_run=1"))["events"] == [
            {"type": "endpoint.removed", "endpoint_id": "e"}
        ]
        refused = await here.ask("PUT", "/endpoints/e?dry_run=true", {"url": "nonsense"})
        assert (refused.status_code, await here.head()) == (422, 1)


async def test_prefer_wait_applied() -> None:
    """RFC 7240: the answer waits for the actors, and says that it did."""
    async with desk() as here:
        here.settled = trio.Event()
        done: list[Any] = []

        async def ask() -> None:
            done.append(await here.ask("PUT", USER, {}, prefer='respond-async, wait="applied"'))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            with trio.fail_after(5):
                await here.office.follower.applied(1)
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert not done, "the table has it, and the actors do not"
            here.settled.set()
        assert done[0].json() == {"position": 1, "is_applied": True}
        assert done[0].headers["preference-applied"] == "wait=applied"
        plain = await here.ask("PUT", USER, {"name": "n"})
        assert ("preference-applied" in plain.headers, plain.json()) == (False, {"position": 2})


async def test_what_is_not_applied_in_time_is_202(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the log, so it is no failure; it is not in force here, so it is no 200."""
    monkeypatch.setattr("adapters.http.admin.mutation._APPLIED_S", 0.05)
    async with desk() as here:
        here.settled = trio.Event()
        answer = await here.ask("PUT", USER, {}, prefer="wait=applied")
        assert (answer.status_code, answer.json()) == (202, {"position": 1, "is_applied": False})
        assert "preference-applied" not in answer.headers


async def test_what_a_file_manages_is_not_changed() -> None:
    """409 names the file, and what would let go of it; a dry run says so too."""
    async with desk() as here:
        facts = ChangeEntities((UserDefined("u"),))
        for command in (facts, DefinePool(Pool("chat")), ChangeSettings(Settings(strict_mode=True))):
            position = (await here.office.writer.write(command, actor="file:routes.json")).position
        await here.office.follower.applied(position)
        for method, path, body in (
            ("PUT", USER, {"name": "mine"}),
            ("DELETE", USER, None),
            ("PATCH", USER + "?dry_run=true", {"name": "mine"}),
            ("PUT", "/pools/chat", {"strategy": "priority"}),
            ("DELETE", "/pools/chat", None),
            ("PUT", "/settings", {}),
        ):
            refused = await here.ask(method, path, body)
            assert refused.status_code == 409, (path, refused.text)
            detail = refused.json()["detail"]
            assert "managed by the file 'routes.json'" in detail
            assert "POST /admin/v1/sources/file%3Aroutes.json/release" in detail
        assert await here.head() == position
        assert (await here.done("GET", "/settings"))["strict_mode"] is True, "it can be read"
        assert (await here.done("PUT", USER, {}))["position"] == position, "what holds already is no change"


async def test_a_store_that_is_away_is_a_503() -> None:
    """Nothing was changed, and it is safe to send again; reading goes on; nothing of the store's address is told."""
    async with troubled() as (here, log):
        await here.done("PUT", USER, {})
        log.on_append = away
        refused = await here.ask("PUT", USER, {"name": "n"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "nothing was changed" in refused.json()["detail"]
        assert "secret" not in refused.text
        assert "internal" not in refused.text
        log.on_read = away
        assert (await here.ask("PUT", USER, {"name": "n"}, idempotency_key="k")).status_code == 503
        assert (await here.ask("GET", USER)).json()["name"] == ""
        log.on_append = log.on_read = lambda: None
        assert (await here.done("PUT", USER, {"name": "n"}, idempotency_key="k"))["position"] == 2


async def test_what_holds_already_cannot_be_told_while_the_log_cannot_be_read() -> None:
    """Another gateway may have changed it meanwhile."""
    async with troubled() as (here, log):
        await here.done("PUT", USER, {"name": "mine"})
        log.on_read = away
        theirs = Draft(UUID(int=1), UserDefined("u", "theirs"))
        await log.log.append([theirs], expected=1, actor="token:another-gateways")
        with trio.fail_after(5):
            while here.office.follower.failing_since is None:
                await trio.sleep(0.001)
        assert (await here.ask("PUT", USER, {"name": "mine"})).status_code == 503
        assert (await here.done("PUT", USER + "?dry_run=1", {"name": "x"}))["position"] == 1, "it says at which"


async def test_an_append_without_an_answer_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store's answer is lost the change is asked for again, and found; where it stays lost, 503 says so."""
    monkeypatch.setattr("engine.runtime.writer._RETRY_S", 0.001)
    async with troubled() as (here, log):

        def lost_once() -> None:
            log.on_answer = lambda: None
            lost()

        log.on_answer = lost_once
        assert (await here.done("PUT", USER, {}))["position"] == 1
        log.on_answer = lost
        doubtful = await here.ask("PUT", USER, {"name": "n"}, idempotency_key="k")
        assert (doubtful.status_code, "with the same Idempotency-Key" in doubtful.text) == (503, True)
        assert "internal" not in doubtful.text
        log.on_answer = lambda: None
        again = await here.done("PUT", USER, {"name": "n"}, idempotency_key="k")
        assert again == {"position": 2, "is_repeated": True}


async def test_a_log_that_cannot_be_understood_takes_no_change() -> None:
    """A guess at the present table is nothing to decide on."""
    async with troubled() as (here, log):

        def damaged() -> None:
            raise LogDamaged(2, "its hash is another")

        log.on_read = damaged
        await log.log.append([Draft(UUID(int=1), UserDefined("x"))], expected=0, actor="other")
        with trio.fail_after(5):
            while not here.office.follower.is_stuck:
                await trio.sleep(0.001)
        for path in (USER, USER + "?dry_run=true"):
            refused = await here.ask("PUT", path, {})
            assert (refused.status_code, "cannot be understood" in refused.text) == (503, True)


@pytest.mark.parametrize(
    ("body", "where", "valid"),
    [
        (b"", "", "a JSON object"),
        (b"{", "", "one JSON value in UTF-8"),
        (b"[" * 100_000, "", "one JSON value in UTF-8"),
        (b'{"url": "\xff"}', "", "one JSON value in UTF-8"),
        (b"[]", "", "object"),
        (b"{}", "", "field url"),
        (b'{"url": 7}', "url", "str"),
        (b'{"url": "http://a.example", "key": "x"}', "key", "url, name, auth_header, auth_prefix, credential, api_key"),
        (b'{"url": "http://a\\u0000.example"}', "", "text without U+0000 and lone surrogates"),
        (b'{"url": "nonsense"}', "url", "an absolute http or https URL such as https://api.example/v1"),
        (b'{"url": "http://a.example", "auth_header": "a b"}', "auth_header", "an HTTP header name"),
        (b'{"url": "http://a.example", "credential": "; DROP TABLE"}', "credential", "a name that was shown, env:NAME"),
        (b'{"url": "http://a.example", "api_key": "sk\\n"}', "api_key", "1 to 8192 printable ASCII characters"),
        (b'{"url": "http://a.example", "api_key": "env:"}', "api_key", "env:NAME or file:PATH"),
    ],
)
async def test_what_is_wrong_with_a_body(body: bytes, where: str, valid: str) -> None:
    """Which field, what is wrong with it, and what is valid there; nothing is changed."""
    async with desk() as here:
        refused = await here.ask("PUT", "/endpoints/e", body)
        assert refused.status_code == 422, refused.text
        assert refused.headers["content-type"] == "application/problem+json"
        [error] = refused.json()["errors"]
        assert (error["where"], error["valid"][: len(valid)]) == (where, valid)
        assert error["what"]
        assert await here.head() == 0


async def test_every_problem_is_told_at_its_place() -> None:
    """All of them at once, by their paths in the body."""
    async with desk() as here:
        provider = {"name": "", "url": "ftp://x", "weight": -1}
        body = {"providers": [{"name": "ok", "url": "http://a.example"}, provider], "limits": {"burst": 0}}
        refused = await here.ask("PUT", "/pools/chat", body)
        places = [error["where"] for error in refused.json()["errors"]]
        assert places == ["limits.burst", "providers[1].url", "providers[1].name", "providers[1].weight"]
        await here.done("PUT", "/endpoints/e", {"url": "http://a.example"})
        await here.done("PUT", "/deployments/d", {"alias": "chat", "model_name": "m", "endpoint_id": "e"})
        parts = [{"deployment_id": "d"}, {"deployment_id": "x"}, {"deployment_id": "y"}]
        composite = {"alias": "chat", "components": parts}
        refused = await here.ask("PUT", "/composites/c", composite)
        places = [error["where"] for error in refused.json()["errors"]]
        assert places == ["alias", "components[1].deployment_id", "components[2].deployment_id"]
        twice = await here.ask("PUT", "/composites/c", {"alias": "both", "components": [parts[0], parts[0]]})
        assert twice.json()["errors"][0]["where"] == "components[1].deployment_id"
        assert await here.head() == 2


async def test_an_answer_quotes_little() -> None:
    """No more than 128 characters of what was asked."""
    long = "x" * 5000
    async with desk() as here:
        for method, path, body in (
            ("GET", f"/users/{long}", None),
            ("GET", f"/{long}", None),
            ("PUT", f"/users/{long}", {}),
            ("PUT", USER, {long: 1}),
            ("PUT", USER, {"name": long}),
            ("PUT", "/deployments/d", {"alias": "a", "model_name": "m", "endpoint_id": long}),
            ("PUT", "/endpoints/e", {"url": long}),
            ("PUT", f"/pools/{long}", {}),
            ("POST", f"{USER}/credits", {"kind": "k", "amount": long}),
            ("GET", f"/users?limit={long}", None),
        ):
            refused = await here.ask(method, path, body)
            assert refused.status_code in {404, 422}, (path[:30], refused.text)
            assert "x" * 129 not in refused.text
