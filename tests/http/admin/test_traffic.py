"""Recorded traffic over the API: what happened, why, how it was, and what another table would have made of it.

The traffic is an engine's own (`tests/projections/gateway.py`), recorded by the real recorder.
"""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.pool.view import view
from tests.http.admin.rig import Desk, desk
from tests.http.admin.test_apply import with_loader


def routes(weight: int = 3, *, rate: float = 0.5, **more: Any) -> dict[str, Any]:
    """A file: a key with limits and one without, a pool that falls back and one with a rate limit."""
    providers = [
        {"name": "a", "url": "http://a.example/v1", "weight": weight},
        {"name": "b", "url": "http://b.example/v1", "weight": 1},
    ]
    team = {"key": "sk-team", "rate_limit": {"requests_per_second": 2, "burst_size": 3}}
    chat = {"keys": ["team", "guest"], "fallback": {"enabled": True, "on_status": [5, 429]}, "providers": providers}
    mini = {"url": "http://d.example/v1", "rate_limit": {"requests_per_second": rate, "burst_size": 2}}
    keys = {"team": team, "guest": {"key": "sk-guest"}}
    return {"auth": {"key_definitions": keys}, "targets": {"chat": chat, "mini": {**mini, "name": "d"}, **more}}


def sent(document: Any, name: str = "routes.json") -> dict[str, str]:
    return {"name": name, "content": json.dumps(document)}


@asynccontextmanager
async def world(steps: int = 300) -> AsyncIterator[Desk]:
    """The file is in force; `a` mostly fails."""
    async with with_loader(records=True) as here:
        await here.done("POST", "/apply", sent(routes()))
        await here.serve(steps, failing="a")
        yield here


async def listed(here: Desk, query: str = "") -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    until = ""
    while True:
        page = await here.done("GET", f"/requests?{query}{until}")
        found += page["data"]
        if page["next"] is None:
            return found
        until = f"&until={page['next']}"


async def test_requests_are_listed_newest_first_and_each_once_whatever_the_page() -> None:
    async with world() as here:
        found = await listed(here, "limit=1000")
        assert len(found) > 60
        times = [one["at"] for one in found]
        assert times == sorted(times, reverse=True)
        names = [one["request_id"] for one in found]
        assert len(set(names)) == len(names)
        for limit in (1, 7, 50):
            assert [one["request_id"] for one in await listed(here, f"limit={limit}")] == names
        middle = found[len(found) // 2]["at"]
        older, newer = await listed(here, f"until={middle}"), await listed(here, f"since={middle}")
        assert sorted(one["request_id"] for one in (*older, *newer)) == sorted(names)


async def test_requests_are_found_by_what_they_were() -> None:
    """Pool (also as it was asked for), provider, status, outcome, reason, position."""
    async with world() as here:
        everything = await listed(here)
        for query, holds in (
            ("pool=mini", lambda one: "mini" in {one["pool"], one["alias"]}),
            ("pool=nothing", lambda one: one["alias"] == "nothing"),
            ("provider=d", lambda one: one["provider"] == "d"),
            ("outcome=refused", lambda one: one["outcome"] == "refused"),
            ("reason=model_not_found", lambda one: one["reason"] == "model_not_found"),
            ("status=200", lambda one: one["status"] == 200),
            ("status=2", lambda one: one["status"] == 200),
            ("status=5", lambda _: False),
            ("key=team", lambda one: one["key"] == "team"),
            ("key=nobody", lambda _: False),
            (f"position_from={here.snapshot.position}", lambda one: one["position"] == here.snapshot.position),
            ("position_to=1", lambda one: one["position"] <= 1),
        ):
            wanted = [one["request_id"] for one in everything if holds(one)]
            assert [one["request_id"] for one in await listed(here, query)] == wanted, query
            assert wanted or query in {"status=5", "key=nobody", "position_to=1"}, query


async def test_every_request_comes_out_again() -> None:
    """Issue 5, item 2: by its id and by its decision's number alike."""
    async with world(150) as here:
        for one in await listed(here):
            told = await here.done("GET", f"/decisions/{one['request_id']}")
            assert (told["recomputed"], told["difference"], told["cannot"]) == (True, None, None), one
            assert (told["request_id"], len(told["attempts"])) == (one["request_id"], one["attempts"])
            if one["decision"] is not None:
                assert await here.done("GET", f"/decisions/{one['decision']}") == told


async def test_what_made_a_decision_so_is_named_by_position() -> None:
    """The newest few of each entity, however many there were, and none that came later."""
    async with world(1) as here:
        for weight in range(2, 30):
            await here.done("POST", "/apply", sent(routes(weight)))
        await here.serve(150)
        seen = here.snapshot.position
        await here.done("POST", "/apply", sent(routes(99)))
        (one, *_) = await listed(here, "provider=a&limit=1000")
        told = await here.done("GET", f"/decisions/{one['request_id']}")
        assert told["position"] == seen
        positions = [event["position"] for event in told["events"]]
        assert positions == sorted(positions, reverse=True)
        assert positions[0] == seen
        of_pool = [event["sentence"] for event in told["events"] if event["stream"] == "pool:chat"]
        assert len(of_pool) == 6
        assert of_pool[:2] == [
            "provider a of pool chat: weight 28 → 29",
            "provider a of pool chat: weight 27 → 28",
        ]


async def test_the_state_of_a_moment_is_computed_from_the_record() -> None:
    """As the actors had it then; what is not in the record is said to be unknown."""
    async with world() as here:
        assert here.gateway is not None
        seen = view(here.gateway.states["mini"], here.gateway.at)
        assert seen is not None
        now = await here.done("GET", "/state")
        assert [pool["alias"] for pool in now["pools"]] == ["chat", "mini"]
        assert (now["unknown"], now["differences"], now["position"]) == ([], [], here.snapshot.position)
        assert now["pools"][1]["providers"][0]["chosen"] == seen.providers[0].chosen > 5
        (first, *_) = reversed(await listed(here))
        then = await here.done("GET", f"/state?at={first['at']}&pool=mini")
        assert [pool["alias"] for pool in then["pools"]] == ["mini"]
        assert then["pools"][0]["providers"][0]["chosen"] <= 1
        await here.done("PUT", "/pools/new", {"providers": [{"name": "n", "url": "http://n.example"}]})
        assert (await here.done("GET", "/state"))["unknown"] == ["new"]
        early = await here.ask("GET", "/state?at=2020-01-01T00:00:00Z")
        assert early.status_code == 404
        assert "the log begins at 2027-01-15T08:00:00" in early.json()["detail"]
        gone = (await here.ask("GET", "/state?pool=none")).json()["detail"]
        assert f"There is no pool 'none' at position {here.snapshot.position}" in gone
        assert (await here.ask("GET", "/state?at=0")).status_code == 404


async def test_of_many_pools_the_state_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block is read once, however many pools it tells of; what is not looked for any longer is said."""
    more = {f"more-{number:03}": {"url": "http://m.example/v1"} for number in range(510)}
    async with with_loader(records=True) as here:
        await here.done("POST", "/apply", sent(routes(**more)))
        await here.serve(60)
        assert here.recorder is not None
        reader: Any = here.recorder.reader
        decoded = reader._decoded
        taken: list[int] = []
        reader._decoded = lambda docs: taken.extend(number for number, _ in docs) or decoded(docs)
        told = await here.done("GET", "/state")
        assert (len(told["pools"]) + len(told["unknown"]), told["left_out"], told["is_cut"]) == (500, 12, False)
        assert len(told["pools"]) > 400
        assert len(set(taken)) == len(taken) > 0
        last = await here.done("GET", "/state?pool=more-509&pool=mini")
        assert (len(last["pools"]), last["left_out"], last["unknown"]) == (2, 0, [])
        monkeypatch.setattr("adapters.http.admin.state._LONGEST_S", 0)
        late = await here.done("GET", "/state?pool=mini")
        assert (late["pools"], late["unknown"], late["is_cut"]) == ([], ["mini"], True)


async def test_what_is_missing_in_a_window_is_told(tmp_path: Path) -> None:
    """Entries and requests that were lost, blocks that cannot be read, and each time that it is asked."""
    none = {"dropped_entries": 0, "dropped_requests": 0, "unreadable_blocks": 0, "gaps": 0}
    file = tmp_path / "a.journal"
    async with with_loader(records=file) as here:
        await here.done("POST", "/apply", sent(routes()))
        first = (await here.serve(80)).snapshot.position
        assert (await planned(here, routes()))["traffic"]["unanswerable"] == none
        await here.serve(80)
        with sqlite3.connect(file) as database:
            database.execute("UPDATE content SET doc = x'00' WHERE id = (SELECT max(id) FROM content)")
        await here.serve(80)
        assert here.recorder is not None
        assert here.gateway is not None
        here.gateway.go_on(40)
        lost, lost_requests = len(here.recorder.journal._notes), len(here.recorder.journal._served)
        here.recorder.journal.take()
        here.recorder._break_off("overrun", lost)
        here.recorder._lose_requests("overrun", lost_requests)
        await here.serve(80)
        missing = {"dropped_entries": lost, "dropped_requests": lost_requests, "unreadable_blocks": 1, "gaps": 1}
        for _ in range(2):
            assert (await planned(here, routes()))["traffic"]["unanswerable"] == missing
        await here.done("POST", "/apply", sent(routes(0)))
        found = await here.done("GET", f"/bisect?bad=share(provider='a',pool='chat')<0.1&from={first}&since=0")
        assert found["unanswerable"] == missing


async def planned(here: Desk, document: Any, query: str = "since=0", name: str = "routes.json") -> dict[str, Any]:
    before = await here.head()
    found: dict[str, Any] = await here.done("POST", f"/plan?{query}", sent(document, name))
    assert await here.head() == before, "nothing is changed"
    return found


async def test_the_same_file_changes_nothing_and_the_simulation_is_the_record() -> None:
    """Issue 5, item 4: an identity plan has zero differences; the self-check always runs."""
    async with world() as here:
        found = await planned(here, routes())
        traffic = found["traffic"]
        assert (found["events"], found["diff"]) == ([], [])
        check = traffic["self_check"]
        assert (check["is_good"], check["difference"], check["differing"]) == (True, None, 0)
        assert check["simulated"] > 0
        assert check["recomputed"] > 200
        assert check["simulated"] > 50
        assert check["left_out"] == traffic["requests"] - check["simulated"]
        assert (traffic["requests"], traffic["is_cut"]) == (len(await listed(here)), False)
        assert [traffic[name] for name in ("differing", "newly_refused", "newly_served", "attempts_saved")] == [
            0,
            [],
            0,
            0,
        ]
        assert all(one["before"] == one["after"] for one in traffic["shifts"])


async def test_what_a_plan_would_do_to_recorded_requests_is_counted() -> None:
    """Shares, refusals by scope, who would be served, attempts saved."""
    async with world(500) as here:
        drained = (await planned(here, routes(0)))["traffic"]
        (a,) = [one for one in drained["shifts"] if one["provider"] == "a"]
        assert (a["pool"], a["after"]) == ("chat", 0)
        assert a["before"] > 0.05
        assert drained["attempts_saved"] > 0
        assert drained["attempts_after"] < drained["attempts_before"]
        slow = (await planned(here, routes(rate=0.02)))["traffic"]
        assert [(one["scope"], one["reason"]) for one in slow["newly_refused"]] == [("provider", "rate_limit")]
        assert slow["newly_refused"][0]["count"] > 5
        quick = (await planned(here, routes(rate=1000)))["traffic"]
        assert (quick["newly_served"] > 5, quick["newly_refused"]) == (True, [])
        closed = routes()
        del closed["auth"]["key_definitions"]["guest"]
        closed["targets"]["chat"]["keys"] = ["team"]
        refused = (await planned(here, closed))["traffic"]["newly_refused"]
        assert ("access", "forbidden") in {(one["scope"], one["reason"]) for one in refused}
        strict = routes()
        strict["auth"]["key_definitions"]["guest"]["rate_limit"] = {"requests_per_second": 0.1, "burst_size": 1}
        refused = (await planned(here, strict))["traffic"]["newly_refused"]
        assert ("key", "rate_limit") in {(one["scope"], one["reason"]) for one in refused}
        assert (await planned(here, routes(), query=""))["traffic"] is None


async def test_a_copy_of_a_file_is_planned_as_that_file() -> None:
    """And whoever forgets to say so is told."""
    async with world(20) as here:
        answer = await here.ask("POST", "/plan", sent(routes(9), "copy.json"))
        assert answer.status_code == 422
        (*_, hint) = answer.json()["errors"]
        assert hint == {
            "where": "?as",
            "what": "this is another file than routes.json, which manages some of what is in it",
            "valid": "routes.json, to plan it as if it were that file",
        }
        found = await planned(here, routes(9), "as=routes.json", "copy.json")
        assert found["sentences"] == ["provider a of pool chat: weight 3 → 9"]
        assert found["source"] == "sent:routes.json"


async def test_where_something_began_is_found_by_halving() -> None:
    """Issue 5, item 5: among twenty changes, by the table alone; the traffic stays the same."""
    async with world(300) as here:
        began = here.snapshot.position
        for change in range(4, 24):
            document = routes(change) if change < 17 else routes(0, rate=change)
            document = routes(0) if change == 17 else document
            await here.done("POST", "/apply", sent(document))
            if change == 17:
                bad = here.snapshot.position
        assert here.snapshot.position == began + 20
        predicate = 'share(provider="a", pool="chat") < 0.1'
        found = await here.done("GET", f"/bisect?bad={predicate}&from={began}&since=0")
        assert (found["position"], found["event"]["position"]) == (bad, bad)
        assert found["event"]["sentence"] == "provider a of pool chat: weight 16 → 0"
        assert len(found["tried"]) <= 7
        assert found["self_check"]["is_good"]
        (low, high, *_) = found["tried"]
        assert (low["holds"], high["holds"], low["position"]) == (False, True, began)
        assert high["values"] == {'share(provider="a", pool="chat")': 0}


async def test_what_cannot_be_asked_is_said_with_what_can() -> None:
    async with world(40) as here:
        head = here.snapshot.position
        good = "bad=requests()>9999"
        for method, path, status, words in (
            ("GET", "/decisions/nobody", 404, ("Nothing is recorded of 'nobody'", "the journal reaches from 2027-")),
            ("GET", f"/decisions/{'9' * 300}", 404, ("Nothing is recorded",)),
            ("GET", "/requests?since=1h&until=2h", 422, ("?until", "is not after ?since")),
            ("GET", "/requests?outcome=bad", 422, ("outcome",)),
            ("GET", "/requests?since=yesterday", 422, ("?since", "neither a position nor a time")),
            ("GET", f"/state?at={head + 1}", 404, (f"valid: 0 to {head}",)),
            ("GET", f"/bisect?{good}&from={head}", 422, ("?from", f"is not before the log's head, {head}")),
            ("GET", f"/bisect?{good}&from=99", 422, ("?from", "position 99 is not before")),
            ("GET", f"/bisect?{good}&from=0&to=99", 422, ("?to", f"position 99 is beyond the log's head, {head}")),
            ("GET", f"/bisect?{good}&from=3&to=2", 422, ("?to", "not after ?from, position 3", f"4 to {head}")),
            ("GET", f"/bisect?{good}&from=0&since=0", 422, ("does not hold at position", "requests() is")),
            ("GET", "/bisect?bad=requests()>0&from=1&since=0", 422, ("holds at position 1 already",)),
            ("GET", "/bisect?bad=share(nobody='x')>1&from=0", 422, ("?bad", "column 7: share has no filter 'nobody'")),
            ("GET", f"/bisect?{good}&from=0&since=0&until=1", 422, ("No request was recorded in this window",)),
            ("POST", "/plan?since=0&until=1", 422, ("No request was recorded in this window",)),
            ("POST", "/plan?since=4&until=3", 422, ("?until",)),
        ):
            body = sent(routes()) if method == "POST" else None
            answer = await here.ask(method, path, body)
            told = answer.json()
            text = told["detail"] + str(told.get("errors", ""))
            assert answer.status_code == status, (path, text)
            assert all(word in text for word in words), (path, text)


async def test_without_a_journal_it_is_said() -> None:
    """501: there is none, whatever is asked."""
    async with with_loader() as here:
        for method, path in (
            ("GET", "/decisions/x"),
            ("GET", "/requests"),
            ("GET", "/state"),
            ("GET", "/bisect?bad=requests()>0&from=0"),
            ("POST", "/plan?since=0"),
        ):
            await here.done("PUT", "/users/u", {})
            answer = await here.ask(method, path, sent(routes()) if method == "POST" else None)
            assert answer.status_code == 501, path
            assert "--journal off" in answer.json()["detail"]
        missing = (await here.ask("GET", "/bisect")).json()["errors"]
        assert [(one["where"], one["what"]) for one in missing] == [("?bad", "is missing"), ("?from", "is missing")]
        assert (await here.done("POST", "/plan", sent(routes())))["traffic"] is None
    async with desk(why_no_journal="The journal x is written by another gateway.") as here:
        detail = (await here.ask("GET", "/requests")).json()["detail"]
        assert detail.endswith("past requests: The journal x is written by another gateway.")
