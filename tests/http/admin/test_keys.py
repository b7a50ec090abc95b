"""Client keys over the admin API."""

import itertools
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from engine.access import admit, digest
from engine.commands import ApplyManifest, ChangeEntities, DefineKeys, DefinePool
from engine.credentials import LONGEST_OVERLAP_S
from engine.errors import Refused, StoreUnavailable
from engine.events import UserDefined
from engine.snapshot import Manifest
from tests.engine.tables import key, pool, provider
from tests.http.admin.rig import NOW_US, Desk, desk

CHAT = pool("chat", provider("a"), keys=frozenset())
SECRET = "sk-brought-along-0123456789"
HOUR = 3_600_000_000


@pytest.fixture
async def at() -> AsyncIterator[Desk]:
    async with desk() as opened:
        await opened.office.follower.applied((await opened.office.writer.write(DefinePool(CHAT), actor="me")).position)
        yield opened


def opens(at: Desk, secret: str) -> bool:
    """Whether the data plane serves who presents a secret now."""
    try:
        admit(at.snapshot, "chat", digest(secret.encode()), at.now_us // 1_000_000, "10.0.0.1")
    except Refused:
        return False
    return True


async def told(at: Desk) -> str:
    """All that the log, the table and the API tell of keys."""
    events = [attrs.evolve(one, event_id=None) for one in await at.log.read(0)]
    pages = [(await at.ask("GET", path)).text for path in ("/keys", *(f"/keys/{one}" for one in at.snapshot.keys))]
    return f"{events} {at.snapshot} {pages}"


async def test_a_new_key_is_shown_with_its_secret_once(at: Desk) -> None:
    """Issue item 6: 201; the secret opens what it is for; nothing that is kept or told later has it or its digest."""
    with capture_logs() as logged:
        answer = await at.ask("POST", "/keys", {"aliases": ["chat"], "labels": {"team": "café"}})
    made = answer.json()
    secret = made["secret"]
    assert (answer.status_code, made["position"], answer.headers["etag"]) == (201, 3, '"1"')
    assert secret.startswith("pm-")
    assert opens(at, secret)
    kept = await told(at) + str(logged)
    assert secret not in kept
    assert secret.removeprefix("pm-") not in kept
    assert sha256(secret.encode()).hexdigest() not in kept
    assert at.snapshot.keys[made["key_id"]].digest == digest(secret.encode())


async def test_what_is_stated_is_what_is_shown(at: Desk) -> None:
    """Every field; ids may be chosen; what has ended says so."""
    await at.office.writer.write(ChangeEntities((UserDefined("u"),)), actor="me")
    stated = {
        "user_id": "u",
        "purpose": "batch",
        "labels": {"tier": "gold"},
        "aliases": ["chat", "other"],
        "opens_all_pools": False,
        "limits": {"max_concurrent": 3, "requests_per_second": 0.5, "burst": 7},
        "cidrs": ["10.0.0.0/8"],
    }
    until = "2027-01-15T09:00:00Z"
    made = await at.done("POST", "/keys", {"key_id": "mine", "expires_at": until, **stated})
    answer = await at.ask("GET", "/keys/mine")
    assert answer.headers["etag"] == '"1"'
    assert answer.json() == {
        "key_id": "mine",
        "expires_at": until,
        "expiry": "ahead",
        "previous_until": None,
        "owner": None,
        "version": 1,
        "position": made["position"],
        "created_position": made["position"],
        **stated,
    }
    at.now_us = NOW_US + HOUR
    assert (await at.done("GET", "/keys/mine"))["expiry"] == "past"


async def test_a_key_tells_where_it_began(at: Desk) -> None:
    """Also the second of its id; and goes without it while the log cannot be read."""
    await at.done("POST", "/keys", {"key_id": "k"})
    await at.done("DELETE", "/keys/k")
    made = await at.done("POST", "/keys", {"key_id": "k"})
    changed = await at.done("PATCH", "/keys/k", {"purpose": "batch"})
    shown = await at.done("GET", "/keys/k")
    assert (shown["created_position"], shown["position"]) == (made["position"], changed["position"])

    async def away(*_: Any) -> None:
        raise StoreUnavailable("away")

    at.log.history = away
    assert (await at.done("GET", "/keys/k"))["created_position"] is None


async def test_every_change_is_an_event_of_its_actor(at: Desk) -> None:
    """DELTA-7: each route of keys, tokens and sources that changes something moves the position; its plan does not."""
    written = await at.office.writer.write(ApplyManifest(Manifest({}, {"f": key("f")})), actor="file:f.json")
    await at.office.follower.applied(written.position)
    token = await at.token("admin", "boss")
    made = await at.done("POST", "/tokens", {"name": "x", "scope": "read"})
    for method, path, body in (
        ("POST", "/keys", {"key_id": "k"}),
        ("PATCH", "/keys/k", {"purpose": "batch"}),
        ("POST", "/keys/k/rotate", {}),
        ("DELETE", "/keys/k", None),
        ("POST", "/tokens", {"name": "y", "scope": "read"}),
        ("DELETE", f"/tokens/{made['token_id']}", None),
        ("POST", "/sources/file:f.json/release", None),
        ("POST", "/sources/file:f.json/claim", None),
    ):
        before = await at.head()
        planned = await at.ask(method, f"{path}?dry_run=true", body, token=token)
        assert (planned.is_success, await at.head()) == (True, before), planned.text
        answer = await at.ask(method, path, body, token=token)
        assert answer.json()["position"] == await at.head() == before + len(planned.json()["events"]) > before, path
        assert {one.actor for one in await at.log.read(before)} == {"token:boss"}


async def test_keys_are_listed_by_id_a_page_at_a_time(at: Desk) -> None:
    """Each once, whatever is made between."""
    for name in ("c", "a", "e"):
        await at.done("POST", "/keys", {"key_id": name})
    first = await at.done("GET", "/keys?limit=2")
    await at.done("POST", "/keys", {"key_id": "b"})
    second = await at.done("GET", f"/keys?limit=2&after={first['next']}")
    assert [[one["key_id"] for one in page["data"]] for page in (first, second)] == [["a", "c"], ["e"]]
    assert second["next"] is None


async def test_the_same_creation_again_makes_no_second_key(at: Desk) -> None:
    """Nor shows the secret again, and says so; another body under that Idempotency-Key is refused."""
    first = await at.done("POST", "/keys", {"aliases": ["chat"]}, Idempotency_Key="k")
    head = await at.head()
    again = await at.ask("POST", "/keys", {"aliases": ["chat"]}, Idempotency_Key="k")
    assert (again.status_code, await at.head(), len(at.snapshot.keys)) == (201, head, 1)
    body = again.json()
    assert (body["key_id"], body["position"], body["is_repeated"]) == (first["key_id"], head, True)
    assert body["secret"] is None
    assert f"/admin/v1/keys/{first['key_id']}/rotate" in body["detail"]
    assert opens(at, first["secret"])
    other = await at.ask("POST", "/keys", {"aliases": []}, Idempotency_Key="k")
    assert (other.status_code, await at.head()) == (422, head)


async def test_a_creation_that_is_sent_twice_at_once_makes_one_key(at: Desk) -> None:
    """Issue item 6: one of the answers has the secret, the others say that they are repetitions."""
    answers: list[Any] = []

    async def send() -> None:
        answers.append(await at.ask("POST", "/keys", {}, Idempotency_Key="k"))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(send)
    assert {one.status_code for one in answers} == {201}, [one.text for one in answers]
    secrets = [one.json()["secret"] for one in answers if one.json()["secret"] is not None]
    assert (len(secrets), len(at.snapshot.keys), await at.head()) == (1, 1, 3)
    assert {one.json()["key_id"] for one in answers} == set(at.snapshot.keys)
    assert at.snapshot.callers[digest(secrets[0].encode())].key_id in at.snapshot.keys


async def test_a_dry_run_issues_nothing(at: Desk) -> None:
    """It tells the event, without a digest, and no secret that would never be good."""
    head = await at.head()
    for path, body in (("/keys", {"secret": SECRET}), ("/keys", {"key_id": "x"})):
        answer = await at.ask("POST", f"{path}?dry_run=true", body)
        planned = answer.json()
        assert (answer.status_code, planned["secret"], planned["events"][0]["type"]) == (200, None, "key.defined")
        assert planned["diff"]
        assert SECRET not in answer.text
        assert sha256(SECRET.encode()).hexdigest() not in answer.text
        assert "digest" not in answer.text
    assert (await at.head(), len(at.snapshot.keys)) == (head, 0)


async def test_a_secret_may_be_brought_along(at: Desk) -> None:
    """For clients that have one already; one key's secret is no other's (CFG-12)."""
    made = await at.done("POST", "/keys", {"secret": SECRET, "aliases": ["chat"]})
    assert made["secret"] == SECRET
    assert opens(at, SECRET)
    again = await at.ask("POST", "/keys", {"secret": SECRET})
    assert (again.status_code, again.json()["errors"][0]["where"]) == (422, "secret")
    assert SECRET not in again.text
    assert SECRET not in await told(at)


async def test_a_secret_that_cannot_be_one_is_refused_unquoted(at: Desk) -> None:
    """422 in words that do not repeat it, and nothing in the log."""
    head = await at.head()
    unfit = ["x" * 15, "x" * 600, "secret with spaces", "line\nbreaks-aaaaaaaaaa", "é" * 20, "", "nul-aaaaaaaaaaa\x00"]
    for secret in unfit:
        with capture_logs() as logged:
            answer = await at.ask("POST", "/keys", {"secret": secret})
        where = "" if "\x00" in secret else "secret"
        assert (answer.status_code, [one["where"] for one in answer.json()["errors"]]) == (422, [where])
        assert not secret or secret[:12] not in answer.text + str(logged)
    assert await at.head() == head


async def test_a_rotation_overlaps_and_a_second_one_drops_the_oldest(at: Desk) -> None:
    """House §7: over the data plane's own `admit`; at the second the overlap ends, and at once where it is 0."""
    first = (await at.done("POST", "/keys", {"key_id": "k", "aliases": ["chat"]}))["secret"]
    second = (await at.done("POST", "/keys/k/rotate", {"overlap_s": 3600}))["secret"]
    assert [opens(at, one) for one in (first, second)] == [True, True]
    assert (await at.done("GET", "/keys/k"))["previous_until"] == "2027-01-15T09:00:00Z"
    third = (await at.done("POST", "/keys/k/rotate"))["secret"]
    assert [opens(at, one) for one in (first, second, third)] == [False, True, True]
    at.now_us += HOUR - 1
    assert opens(at, second)
    at.now_us += 1
    assert [opens(at, one) for one in (second, third)] == [False, True]
    assert (await at.done("GET", "/keys/k"))["previous_until"] is None
    fourth = (await at.done("POST", "/keys/k/rotate", {"overlap_s": 0}))["secret"]
    assert [opens(at, one) for one in (third, fourth)] == [False, True]
    kept = await told(at)
    for secret in (first, second, third, fourth):
        assert secret not in kept
        assert sha256(secret.encode()).hexdigest() not in kept


async def test_a_rotation_that_is_sent_again_rotates_once(at: Desk) -> None:
    """The secret that was shown stays the good one."""
    await at.done("POST", "/keys", {"key_id": "k", "aliases": ["chat"]})
    secret = (await at.done("POST", "/keys/k/rotate", Idempotency_Key="r"))["secret"]
    again = await at.done("POST", "/keys/k/rotate", Idempotency_Key="r")
    assert (again["secret"], again["is_repeated"]) == (None, True)
    assert opens(at, secret)


async def test_an_overlap_has_bounds(at: Desk) -> None:
    """0 to 30 days, whole seconds; the key keeps its secret."""
    secret = (await at.done("POST", "/keys", {"key_id": "k", "aliases": ["chat"]}))["secret"]
    for overlap in (-1, LONGEST_OVERLAP_S + 1, 1.5, "1", None):
        answer = await at.ask("POST", "/keys/k/rotate", {"overlap_s": overlap})
        assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, "overlap_s"), overlap
    assert opens(at, secret)


async def test_a_revoked_key_is_refused_from_the_answer_on(at: Desk) -> None:
    """DELTA-3: with the secret before its rotation too. Once more changes nothing; what never was is not found."""
    first = (await at.done("POST", "/keys", {"key_id": "k", "aliases": ["chat"]}))["secret"]
    second = (await at.done("POST", "/keys/k/rotate"))["secret"]
    position = (await at.done("DELETE", "/keys/k"))["position"]
    assert [opens(at, one) for one in (first, second)] == [False, False]
    assert (await at.done("DELETE", "/keys/k"))["position"] == await at.head() == position
    for method, path in (("GET", "/keys/k"), ("PATCH", "/keys/k"), ("POST", "/keys/k/rotate"), ("DELETE", "/keys/x")):
        assert (await at.ask(method, path, {} if method != "DELETE" else None)).status_code == 404
    assert await at.head() == position


async def test_the_going_of_the_last_global_key_is_warned_of(at: Desk) -> None:
    """CFG-11: pools without lists are anybody's then; the plan says so, and so does the answer, of at most five."""
    writer = at.office.writer
    await at.done("PUT", "/users/u", {})
    for name in ("one", "two"):
        made = attrs.evolve(key(name, opens_all=True), user_id="u" if name == "two" else None)
        await writer.write(DefineKeys((made,)), actor="me")
    for number in range(6):
        await writer.write(DefinePool(pool(f"p{number}", provider("a"))), actor="me")
    await at.office.follower.applied(await at.head())
    assert "warnings" not in await at.done("DELETE", "/keys/one")
    warned = [
        "6 pools ask for no key from here on, and so anybody may use: p0, p1, p2, p3, p4, …. Give each a list of keys."
    ]
    for path in ("/keys/two?dry_run=true", "/users/u?dry_run=true", "/keys/two"):
        assert (await at.done("DELETE", path))["warnings"] == warned
    assert "warnings" not in await at.done("DELETE", "/keys/two")
    assert at.snapshot.pools["chat"].keys == frozenset()


async def test_a_change_is_a_merge_patch(at: Desk) -> None:
    """RFC 7396: what is not stated stays, null takes away, the secret and a running overlap are not touched."""
    limits = {"max_concurrent": 3, "requests_per_second": 0.5, "burst": 7}
    start = {"key_id": "k", "aliases": ["chat"], "labels": {"a": "1", "b": "2"}, "limits": limits, "purpose": "batch"}
    first = (await at.done("POST", "/keys", {**start, "expires_at": "2030-01-01T00:00:00Z"}))["secret"]
    second = (await at.done("POST", "/keys/k/rotate"))["secret"]
    changes: list[dict[str, Any]] = [
        {"limits": {"max_concurrent": None, "burst": 9}},
        {"labels": {"a": None, "c": "3"}},
        {"expires_at": None, "purpose": None, "cidrs": ["10.0.0.0/8"]},
    ]
    for body in changes:
        await at.done("PATCH", "/keys/k", body)
    found = await at.done("GET", "/keys/k")
    assert found["limits"] == {"max_concurrent": None, "requests_per_second": 0.5, "burst": 9}
    assert (found["labels"], found["expiry"], found["purpose"]) == ({"b": "2", "c": "3"}, "never", None)
    assert (found["cidrs"], found["aliases"]) == (["10.0.0.0/8"], ["chat"])
    assert [opens(at, one) for one in (first, second)] == [True, True]
    head = await at.head()
    assert (await at.done("PATCH", "/keys/k", {"purpose": None}))["position"] == head
    assert await at.head() == head, "what holds already appends nothing (DELTA-7)"
    stale = await at.ask("PATCH", "/keys/k", {"purpose": "x"}, If_Match='"1"')
    assert (stale.status_code, stale.headers["etag"], await at.head()) == (412, f'"{found["version"]}"', head)


async def test_what_a_file_manages_is_the_files(at: Desk) -> None:
    """Issue item 5: 409 naming it; the id of a file's key is refused to a new one too."""
    manifest = Manifest({}, {"f": key("f")})
    written = await at.office.writer.write(ApplyManifest(manifest), actor="file:routes.json")
    await at.office.follower.applied(written.position)
    head = await at.head()
    assert (await at.done("GET", "/keys/f"))["owner"] == "file:routes.json"
    for method, path, body in (
        ("PATCH", "/keys/f", {"purpose": "x"}),
        ("POST", "/keys/f/rotate", {}),
        ("DELETE", "/keys/f", None),
        ("POST", "/keys", {"key_id": "f"}),
    ):
        answer = await at.ask(method, path, body)
        assert answer.status_code == 409, (method, path, answer.text)
    assert "routes.json" in (await at.ask("DELETE", "/keys/f")).json()["detail"]
    assert await at.head() == head


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"key_id": ""}, "key_id"),
    ({"key_id": "a/b"}, "key_id"),
    ({"key_id": "x" * 129}, "key_id"),
    ({"user_id": "nobody"}, "user_id"),
    ({"cidrs": ["10.0.0.0/33"]}, "cidrs[0]"),
    ({"cidrs": ["host.example"]}, "cidrs[0]"),
    ({"limits": {"burst": 0}}, "limits.burst"),
    ({"limits": {"requests_per_second": 0}}, "limits.requests_per_second"),
    ({"limits": {"max_concurrent": -1}}, "limits.max_concurrent"),
    ({"limits": {"max_concurrent": 10**40}}, ""),
    ({"limits": {"rate": 1}}, "limits.rate"),
    ({"expires_at": "tomorrow"}, "expires_at"),
    ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
    ({"expires_at": "1960-01-01T00:00:00Z"}, "expires_at"),
    ({"expires_at": 1_800_000_000}, "expires_at"),
    ({"labels": {"n": 1}}, "labels[...]"),
    ({"labels": {str(n): "" for n in range(100)}}, "labels"),
    ({"labels": {"purpose": "batch"}}, "labels.purpose"),
    ({"aliases": "chat"}, "aliases"),
    ({"digest": "00"}, "digest"),
]


async def test_a_wrong_field_is_named(at: Desk) -> None:
    """DEF-10, issue "bad input": 422 with the field and what is valid; nothing is changed."""
    head = await at.head()
    for body, where in WRONG:
        answer = await at.ask("POST", "/keys", body)
        assert (answer.status_code, [one["where"] for one in answer.json()["errors"]]) == (422, [where]), answer.text
        assert all(one["valid"] for one in answer.json()["errors"])
    assert await at.head() == head


HARMLESS = "'; DROP TABLE events; --\" OR 1=1 {{7*7}} ${jndi:ldap://x} %s %n <script> ё東京"
FORGED = [
    'x\n{"event":"forged"}',
    "x\r\nSet-Cookie: a=b",
    "x\x1b[2J",
    "\u202etxt",
    "a\u2028b",
    "\x00",
    "\ud800",
    "x" * 100_000,
]


@pytest.mark.parametrize("field", ["key_id", "user_id", "purpose", "labels", "label", "aliases", "cidrs"])
async def test_no_text_field_lets_anything_in(at: Desk, field: str) -> None:
    """Issue "must hold": what could forge a line is refused in every text field; the rest is kept as it is."""

    def body(text: str) -> dict[str, Any]:
        match field:
            case "labels":
                return {"labels": {text: "v"}}
            case "label":
                return {"labels": {"n": text}}
            case "aliases" | "cidrs":
                return {field: [text]}
        return {field: text}

    head = await at.head()
    for text in FORGED:
        with capture_logs() as logged:
            answer = await at.ask("POST", "/keys", body(text))
        assert answer.status_code == 422, (text, answer.text)
        assert len(answer.content) < 2_000
        assert not logged
        assert not {"\n", "\r", "\x1b", "\u202e", "\u2028", "\x00"} & set(answer.text)
    assert await at.head() == head
    answer = await at.ask("POST", "/keys", body(HARMLESS))
    if field in {"key_id", "user_id", "cidrs"}:
        assert (answer.status_code, await at.head()) == (422, head)
    else:
        shown = await at.done("GET", f"/keys/{answer.json()['key_id']}")
        expected = body(HARMLESS)
        assert {name: shown[name] for name in expected} == expected
    assert (await at.ask("GET", "/keys")).status_code == 200


async def test_no_address_finds_what_is_not_there(at: Desk) -> None:
    """404, with at most a piece of what was asked for."""
    for path in ("/keys/%00", "/keys/..%2f..%2fetc", "/keys/%27%20OR%201=1", "/keys/" + "x" * 3000):
        answer = await at.ask("GET", path)
        assert (answer.status_code, len(answer.content) < 1_000) == (404, True), path


async def test_each_scope_may_do_what_it_may(at: Desk) -> None:
    """Issue "must hold": read lists and shows; operate changes; without a token nothing is told."""
    secrets = {scope: await at.token(scope, scope) for scope in ("read", "operate")}
    await at.done("POST", "/keys", {"key_id": "k"})
    changes: list[tuple[str, str, Any]] = [
        ("POST", "/keys", {}),
        ("PATCH", "/keys/k", {}),
        ("POST", "/keys/k/rotate", {}),
        ("DELETE", "/keys/k", None),
    ]
    reads: list[tuple[str, str, Any]] = [("GET", "/keys", None), ("GET", "/keys/k", None)]
    head = await at.head()
    for (method, path, body), token in itertools.product([*reads, *changes], [None, "wrong"]):
        assert (await at.ask(method, path, body, token=token)).status_code == 401
    for method, path, body in changes:
        assert (await at.ask(method, path, body, token=secrets["read"])).status_code == 403
    assert await at.head() == head
    for method, path, body in reads:
        assert (await at.ask(method, path, body, token=secrets["read"])).status_code == 200
    for method, path, body in changes:
        assert (await at.ask(method, path, body, token=secrets["operate"])).is_success
