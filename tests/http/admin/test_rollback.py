"""Rolling back over HTTP: the plan, the append, its conditions, and what is told of what stays."""

from typing import Any

import pytest

from adapters.http.admin.when import VALID
from adapters.store.memory import MemoryEventLog
from engine.commands import ApplyManifest, ChangeEntities, DefineKey, RemoveKey
from engine.events import CreditsBooked, EndpointDefined, UserDefined, UserRemoved
from tests.engine.tables import key, manifest, pool, provider
from tests.http.admin.rig import NOW_US, Desk, desk
from tests.projections.worlds import FIRST, content

SECOND = 1_000_000


async def write(here: Desk, command: Any, actor: str = "token:x") -> int:
    written = await here.office.writer.write(command, actor=actor)
    await here.office.follower.applied(written.position)
    return written.position


def routes(weight: int) -> ApplyManifest:
    return ApplyManifest(
        manifest([pool("chat", provider("a", weight=weight), keys=frozenset({"team"}))], [key("team")])
    )


async def incident(here: Desk) -> int:
    """A good table, and what became of it; the good one's position."""
    await write(here, ChangeEntities((*FIRST, CreditsBooked("u1", 0, "purchase", "10"))))
    await write(here, DefineKey(key("laptop")))
    good = await write(here, routes(1), "file:routes.json")
    await write(here, routes(9), "file:routes.json")
    await write(here, ChangeEntities((EndpointDefined("e1", "https://evil.example/", "env:E"),)))
    await write(here, RemoveKey("laptop"))
    await write(here, ChangeEntities((CreditsBooked("u1", 0, "usage", "4"),)))
    return good


async def test_the_plan_and_what_becomes_of_it() -> None:
    """Issue 5, item 6: first shown, then appended as one append; the log is longer, and the table as it was."""
    async with desk() as here:
        good = await incident(here)
        then, head = await here.office.past.table_at(good, here.snapshot), await here.head()
        plan = await here.done("POST", "/rollback?dry_run=true", {"to": good})
        assert (plan["position"], plan["dry_run"], plan["to"], await here.head()) == (head, True, good, head)
        assert [one["type"] for one in plan["events"]] == ["endpoint.defined", "provider.defined"]
        assert plan["sentences"] == [
            "endpoint e1: url https://evil.example/ → https://e.example/v1",
            "provider a of pool chat: weight 9 → 1",
        ]
        assert {one["name"] for one in plan["diff"]} == {"e1", "small", "both", "chat"}
        assert plan["stays"] == ["key laptop stays revoked", "balances and funds stay as they are (1 differ)"]
        (warning,) = plan["warnings"]
        assert warning.startswith("The file routes.json itself still says otherwise")

        answer = await here.ask("POST", "/rollback", {"to": good}, prefer="wait=applied", if_match=f'"{head}"')
        done = answer.json()
        assert (done["position"], done["to"], done["is_applied"]) == (head + 2, good, True)
        assert (done["stays"], done["warnings"]) == (plan["stays"], plan["warnings"])
        assert answer.headers["etag"] == f'"{head + 2}"'
        events = await here.log.read(head)
        assert [one.actor for one in events] == ["token:local", "token:local for file:routes.json"]
        assert {one.correlation for one in events} == {events[0].event_id}
        left, right = content(here.snapshot), content(then)
        for name in ("keys", "callers", "catalogue.ledgers"):
            del left[name], right[name]
        assert left == right
        assert here.snapshot.owner("pool:chat") == "file:routes.json"
        told = await here.done("GET", "/events?actor=file:routes.json&sentences=true")
        assert told["data"][-1]["actor"] == "token:local for file:routes.json"
        assert (await here.done("POST", "/rollback", {"to": good}))["position"] == head + 2, "it is so already"


async def test_the_file_goes_on_from_there() -> None:
    """What was put back in its place is its own: its next version is taken, and nobody else may change it."""
    async with desk() as here:
        good = await incident(here)
        await here.done("POST", "/rollback", {"to": good})
        assert (await here.ask("DELETE", "/pools/chat")).status_code == 409
        await write(here, routes(3), "file:routes.json")
        assert here.snapshot.pools["chat"].providers[0].weight == 3


async def test_back_and_forth() -> None:
    """Nothing is cut, so a rollback is rolled back by another one; with revoked keys where that is asked for."""
    async with desk() as here:
        good = await incident(here)
        head, former = await here.head(), content(here.snapshot)
        await here.done("POST", "/rollback", {"to": good, "with_revoked_keys": True})
        assert set(here.snapshot.keys) == {"team", "laptop"}
        await here.done("POST", "/rollback", {"to": head})
        assert content(here.snapshot) == former


async def test_who_was_removed_comes_back_with_what_was_left() -> None:
    """Bookings are facts: also those between the position and the removal."""
    async with desk() as here:
        good = await incident(here)
        await write(here, ChangeEntities((UserRemoved("u1"),)))
        await here.done("POST", "/rollback", {"to": good})
        ledger = here.snapshot.catalogue.ledgers["u1"]
        assert (format(ledger.balance, "f"), ledger.seq, here.snapshot.users["u1"].is_funded) == ("6", 2, True)
        for command in (
            UserRemoved("u1"),
            UserDefined("u1"),
            CreditsBooked("u1", 0, "purchase", "1"),
            UserRemoved("u1"),
        ):
            await write(here, ChangeEntities((command,)))
        await here.done("POST", "/rollback", {"to": good})
        assert format(here.snapshot.catalogue.ledgers["u1"].balance, "f") == "1"


async def test_it_is_as_every_other_change() -> None:
    """If-Match, Idempotency-Key and the scope."""
    async with desk() as here:
        good = await incident(here)
        head = await here.head()
        stale = await here.ask("POST", "/rollback", {"to": good}, if_match=f'"{head - 1}"')
        assert (stale.status_code, stale.headers["etag"], await here.head()) == (412, f'"{head}"', head)
        operator = await here.token("operate", "operator")
        refused = await here.ask("POST", "/rollback?dry_run=true", {"to": good}, token=operator)
        assert refused.status_code == 403
        once = await here.done("POST", "/rollback", {"to": good}, idempotency_key="k")
        again = await here.done("POST", "/rollback", {"to": good}, idempotency_key="k")
        assert (again["position"], again["is_repeated"], again["to"]) == (once["position"], True, good)
        other = await here.ask("POST", "/rollback", {"to": good - 1}, idempotency_key="k")
        assert other.status_code == 422


async def timed() -> Any:
    """A log whose events are a minute apart, the first at NOW_US."""
    minutes = iter(range(10))
    return MemoryEventLog(clock_us=lambda: NOW_US + next(minutes) * 60 * SECOND)


async def test_a_time_is_a_position_everywhere() -> None:
    """Issue 5, item 3: snapshot, diff, export, events and rollback take times as they take positions."""
    async with desk(log=await timed()) as here:
        for name in ("one", "two", "three"):
            await write(here, ChangeEntities((UserDefined("u", name),)))
        here.now_us = NOW_US + 150 * SECOND
        assert await here.done("GET", "/positions?at=2027-01-15T08:01:30Z") == {
            "position": 2,
            "recorded_at": "2027-01-15T08:01:00Z",
        }
        assert (await here.done("GET", "/positions?at=3"))["recorded_at"] == "2027-01-15T08:02:00Z"
        assert await here.done("GET", "/positions?at=0") == {"position": 0, "recorded_at": None}
        for at in ("90s", "08:01", "08:01:59", "2027-01-15T08:01:00", "2027-01-15T09:01:00%2B01:00"):
            assert (await here.done("GET", f"/snapshot?at={at}"))["users"] == {"u": {"name": "two"}}, at
            assert (await here.done("GET", f"/export?at={at}"))["users"] == {"u": {"name": "two"}}
        (difference,) = (await here.done("GET", "/diff?from=08:00&to=1m"))["data"]
        assert difference["fields"] == [{"field": "name", "before": "one", "after": "two"}]
        page = await here.done("GET", "/events?since=08:00&until=08:01&limit=1")
        assert ([one["position"] for one in page["data"]], page["next"]) == ([2], None)
        assert (await here.done("GET", "/events?until=07:00"))["data"] == []
        assert len((await here.done("GET", "/events?since=07:00"))["data"]) == 3
        assert (await here.done("POST", "/rollback", {"to": "2m ago"}))["to"] == 1
        assert here.snapshot.users["u"].name == "one"


@pytest.mark.parametrize("path", ["/snapshot?at=", "/diff?from=", "/diff?from=0&to=", "/export?at=", "/positions?at="])
@pytest.mark.parametrize(
    ("at", "status", "said"),
    [
        ("9", 404, "Position 9 is not in the log, whose head is 1; valid: 0 to 1."),
        ("07:59", 404, "the log begins at 2027-01-15T08:00:00Z; valid: a later time, or position 0."),
        ("soon", 422, "'soon' is neither a position nor a time"),
        ("08:45", 422, "'08:45' is still to come: it is 2027-01-15T08:00:01+00:00"),
    ],
)
async def test_what_is_not_in_the_past_is_told_with_what_is(path: str, at: str, status: int, said: str) -> None:
    """Issue 5, must hold: beyond the head, before the first event, to come, and no time at all."""
    async with desk(log=await timed()) as here:
        await write(here, ChangeEntities((UserDefined("u"),)))
        here.now_us = NOW_US + SECOND
        answer = await here.ask("GET", path + at)
        assert answer.status_code == status
        assert said in answer.text
        if status == 422:
            assert answer.json()["errors"][0]["valid"] == VALID
            assert answer.json()["errors"][0]["where"] in {"?at", "?from", "?to"}
        back = await here.ask("POST", "/rollback", {"to": int(at) if at.isdigit() else at})
        assert (back.status_code, said in back.text) == (status, True)
