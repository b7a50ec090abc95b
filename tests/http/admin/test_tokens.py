"""Admin tokens over the admin API."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import attrs
import pytest
from structlog.testing import capture_logs

from tests.http.admin.rig import NOW_US, TOKEN, Desk, desk

HOUR = 3_600_000_000


@pytest.fixture
async def at() -> AsyncIterator[Desk]:
    async with desk() as opened:
        yield opened


async def test_a_token_opens_what_its_scope_says_and_is_shown_once(at: Desk) -> None:
    """Issue item 6: hashed; each scope includes the ones before; the tokens themselves are the scope admin's."""
    with capture_logs() as logged:
        made = {
            scope: await at.done("POST", "/tokens", {"name": f"for {scope}", "scope": scope})
            for scope in ("read", "operate", "admin")
        }
    statuses = {}
    for scope, one in made.items():
        asked = [
            await at.ask(method, path, body, token=one["secret"])
            for method, path, body in (("GET", "/keys", None), ("POST", "/keys", {}), ("GET", "/tokens", None))
        ]
        statuses[scope] = [answer.status_code for answer in asked]
    assert statuses == {"read": [200, 403, 403], "operate": [200, 201, 403], "admin": [200, 201, 200]}
    assert {one.actor for one in await at.log.read(3)} == {f"token:{made[s]['token_id']}" for s in ("operate", "admin")}
    kept = f"{[attrs.evolve(one, event_id=None) for one in await at.log.read(0)]} {at.snapshot} {logged}"
    kept += (await at.ask("GET", "/tokens")).text
    for one in made.values():
        assert one["secret"].startswith("pmt-")
        assert one["secret"].removeprefix("pmt-") not in kept
        assert sha256(one["secret"].encode()).hexdigest() not in kept


async def test_tokens_are_listed_by_id(at: Desk) -> None:
    """With what they may and until when; one that has ended opens nothing and says so."""
    until = "2027-01-15T09:00:00Z"
    made = await at.done("POST", "/tokens", {"name": "mine", "scope": "read", "expires_at": until})
    (shown,) = (await at.done("GET", "/tokens"))["data"]
    assert shown == {
        "token_id": made["token_id"],
        "name": "mine",
        "scope": "read",
        "expires_at": until,
        "expiry": "ahead",
        "version": 1,
        "position": 1,
    }
    assert (await at.ask("GET", "/keys", token=made["secret"])).status_code == 200
    at.now_us = NOW_US + HOUR
    assert (await at.ask("GET", "/keys", token=made["secret"])).status_code == 401
    assert (await at.done("GET", "/tokens"))["data"][0]["expiry"] == "past"


async def test_a_removed_token_opens_nothing_from_the_answer_on(at: Desk) -> None:
    """Also the one the request came with; once more changes nothing."""
    made = await at.done("POST", "/tokens", {"name": "", "scope": "admin"})
    path = f"/tokens/{made['token_id']}"
    answer = await at.ask("DELETE", path, token=made["secret"])
    assert answer.status_code == 200
    assert (await at.ask("GET", "/keys", token=made["secret"])).status_code == 401
    assert (await at.done("DELETE", path))["position"] == await at.head() == 2
    assert (await at.ask("DELETE", "/tokens/x")).status_code == 404


async def test_removing_the_last_one_is_done_and_told(at: Desk) -> None:
    """What the way back is; where a good admin token is left there is nothing to tell."""
    first, second, third = [await at.done("POST", "/tokens", {"name": n, "scope": "admin"}) for n in ("a", "b", "c")]
    await at.done("POST", "/tokens", {"name": "late", "scope": "admin", "expires_at": "2020-01-01T00:00:00Z"})
    assert "detail" not in await at.done("DELETE", f"/tokens/{first['token_id']}")
    assert "detail" not in await at.done("DELETE", f"/tokens/{second['token_id']}")
    path = f"/tokens/{third['token_id']}"
    for target in (f"{path}?dry_run=true", path):
        detail = (await at.done("DELETE", target))["detail"]
        assert "No token of scope admin is left" in detail
        assert "pointsman token create --database" in detail


async def test_removing_the_gateways_own_says_that_it_stays_good_there() -> None:
    """The first token: it is in the log and in the file."""
    secret = "secret-of-first"
    async with desk(local_token=sha256(secret.encode()).digest()) as at:
        assert await at.token("admin", "first") == secret
        answer = await at.ask("DELETE", "/tokens/first", token=secret)
        assert "still takes this secret" in answer.json()["detail"]
        assert (await at.ask("GET", "/tokens", token=secret)).status_code == 200


async def test_the_same_creation_again_makes_no_second_token(at: Desk) -> None:
    """Nor shows its secret again, and says so; a dry run shows none."""
    body = {"name": "x", "scope": "read"}
    planned = await at.ask("POST", "/tokens?dry_run=true", body)
    assert (planned.json()["secret"], planned.json()["events"][0]["type"]) == (None, "token.defined")
    assert "digest" not in planned.text
    assert await at.head() == 0
    first = await at.done("POST", "/tokens", body, Idempotency_Key="k")
    again = await at.done("POST", "/tokens", body, Idempotency_Key="k")
    assert (again["token_id"], again["secret"], again["is_repeated"]) == (first["token_id"], None, True)
    assert (await at.head(), len(at.snapshot.tokens)) == (1, 1)


WRONG: list[tuple[Any, str]] = [
    ({"scope": "read"}, ""),
    ({"name": "x"}, ""),
    ({"name": "x", "scope": "root"}, "scope"),
    ({"name": "x", "scope": "Read"}, "scope"),
    ({"name": "x", "scope": "read", "expires_at": 5}, "expires_at"),
    ({"name": "x", "scope": "read", "expires_at": "1960-01-01T00:00:00Z"}, "expires_at"),
    ({"name": "x", "scope": "read", "secret": "mine-mine-mine-mine"}, "secret"),
    ({"name": "x" * 257, "scope": "read"}, "name"),
    ({"name": "x\nforged", "scope": "read"}, "name"),
    ({"name": "\u202eevil", "scope": "read"}, "name"),
    ([], ""),
]


async def test_a_wrong_field_is_named(at: Desk) -> None:
    """DEF-10: 422, and nothing is changed."""
    for body, where in WRONG:
        answer = await at.ask("POST", "/tokens", body)
        assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, where), answer.text
        assert not {"\n", "\u202e"} & set(answer.text)
    assert await at.head() == 0


async def test_a_name_is_kept_as_it_is(at: Desk) -> None:
    """Whatever SQL and templates make of it elsewhere."""
    name = "'; DROP TABLE events; -- {{7*7}} ${x} %s <b> ё東京"
    await at.done("POST", "/tokens", {"name": name, "scope": "read"})
    assert (await at.done("GET", "/tokens"))["data"][0]["name"] == name


async def test_without_a_token_nothing_is_told(at: Desk) -> None:
    """401 for whatever is asked, in the same words."""
    answers = [
        await at.ask(method, path, body, token=token)
        for method, path, body in (("GET", "/tokens", None), ("POST", "/tokens", {}), ("DELETE", "/tokens/x", None))
        for token in (None, "wrong", TOKEN + "x")
    ]
    assert {(one.status_code, one.text) for one in answers} == {(401, answers[0].text)}
