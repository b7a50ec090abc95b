"""Every refusal that is about load or about time, by the scope that makes it, with what it tells SDKs to do.

What a client may read: whose limit it was, how the limit stands, and when to come back (RL-4, DEF-28, DEF-95).
"""

import re
from collections.abc import Iterator

import pytest

from tests.e2e.rig import Document, Known, Rig, at_most, pool, rig, served, tokens
from tests.e2e.sockets import Message, answered, asked, posted, says, stay

LIMITED, FREE = "Authorization: Bearer sk-limited", "Authorization: Bearer sk-free"
NARROW, THRIFTY = "Authorization: Bearer sk-narrow", "Authorization: Bearer sk-thrifty"
ANTHROPIC = "anthropic-version: 2023-06-01"
EACH_S = 40
SCOPES = ("key", "pool", "provider")
QUOTA = ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")


def document(known: Known) -> Document:
    steady, faulty, near = known["steady"], known["faulty"], known["near"]
    rate, one = tokens(2, each_s=EACH_S), at_most(1)
    refuse = {"failures": 1, "when_all_open": "refuse"}
    return {
        "auth": {
            "key_definitions": {
                "limited": {"key": "sk-limited", **rate},
                "narrow": {"key": "sk-narrow", **one},
                "thrifty": {"key": "sk-thrifty", **tokens(1)},
                "free": {"key": "sk-free"},
            }
        },
        "targets": {
            "any": pool(steady),
            "rate-pool": pool(steady, **rate),
            "rate-provider": pool({**steady, **rate}),
            "rare": pool(steady, **tokens(1, each_s=86_400)),
            "full-pool": pool(steady, **one),
            "full-provider": pool({**steady, **one}),
            "renamed": pool({**steady, "onwards_model": "another", **tokens(1)}, **tokens(1)),
            "shut": pool(steady, **at_most(0)),
            "open": pool(near, faulty, fallback={"enabled": True, "on_status": [5]}, circuit=refuse),
            "open-by-429": pool(near, faulty, fallback={"enabled": True, "on_status": [429]}, circuit=refuse),
            "probed": pool(faulty, circuit={"failures": 1}),
            "bare": pool(near, circuit={"enabled": False}),
            "short": pool(near, circuit={"enabled": False, "max_retry_after_secs": 5}),
            "late": pool(near, circuit={"enabled": False}, timeouts={"first_byte_secs": 0.05}),
        },
    }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("refusals"), document) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


async def anthropic(world: Rig, alias: str, *fields: str) -> Message:
    data = posted(alias, *fields, ANTHROPIC, target="/v1/messages", max_tokens=9)
    return await asked(world.gateway.data, data)


def wait_s(answer: Message) -> float:
    """How long an answer says to wait; its two fields agree, the one in seconds rounded up."""
    seconds, ms = answer.header("retry-after"), answer.header("retry-after-ms")
    assert seconds is not None
    assert ms is not None
    assert int(seconds) == -(-int(ms) // 1000)
    return int(ms) / 1000


def is_refused(answer: Message, status: int, code: str, scope: str | None) -> None:
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert answer.header("x-pointsman-scope") == scope


@pytest.mark.parametrize("scope", SCOPES)
async def test_err_8_a_rate_limit_says_whose_it_is_and_when_to_come_back(world: Rig, scope: str) -> None:
    """ERR-8, RL-3, RL-4: a burst of two, then a 429 until the next token; another caller, pool, provider is free."""
    alias, field = ("any", LIMITED) if scope == "key" else (f"rate-{scope}", FREE)
    before = await world.received()
    passed = [await world.ask(alias, field) for _ in range(2)]
    assert [answer.status for answer in passed] == [200, 200]
    if scope == "key":
        assert [answer.header(QUOTA[1]) for answer in passed] == ["1", "0"], "told on answers too"
    refused = await world.ask(alias, field)
    is_refused(refused, 429, "rate_limit", scope)
    assert EACH_S - 10 < wait_s(refused) <= EACH_S
    assert refused.header("x-should-retry") is None
    quota = [refused.header(name) for name in QUOTA]
    if scope == "provider":
        assert quota == [None, None, None], "a pool has many"
    else:
        assert quota[:2] == ["2", "0"]
        assert re.fullmatch(r"1m1?[0-9](\.[0-9]+)?s", quota[2] or ""), "both tokens are back after eighty seconds"
    other = await anthropic(world, alias, field)
    assert (other.status, other.json()["error"]["type"]) == (429, "rate_limit_error")
    assert other.header("x-pointsman-scope") == scope
    assert EACH_S - 10 < wait_s(other) <= EACH_S
    assert (await world.ask("any", FREE)).status == 200
    assert await world.received() == {**before, "steady": before["steady"] + 3}


async def test_err_8_nobody_is_told_to_wait_for_a_day(world: Rig) -> None:
    """RL-4, A13: a wait beyond the bearable is cut, and said to be not worth trying."""
    assert (await world.ask("rare")).status == 200
    refused = await world.ask("rare")
    assert (refused.status, wait_s(refused), refused.header("x-should-retry")) == (429, 60, "false")
    assert (refused.header(QUOTA[2]) or "").startswith(("23h59m", "24h0m0s"))


async def test_err_8_upstream_rate_limits(world: Rig) -> None:
    """ERR-8: every provider has asked for a pause with a 429, so the gateway answers for them, to the soonest."""
    limited = answered(b"{}", "Retry-After: 40", status="429 Too Many Requests")
    await world.faulty.change(error_status=429, retry_after="20")
    async with world.near.serving(says(limited)):
        assert (await world.ask("open-by-429")).status == 429
    before = await world.received()
    for refused in (await world.ask("open-by-429"), await anthropic(world, "open-by-429")):
        assert (refused.status, refused.json()["error"]["type"]) == (429, "rate_limit_error")
        assert refused.header("x-pointsman-scope") == "upstream"
        assert 10 < wait_s(refused) <= 20
    assert await world.received() == before


@pytest.mark.parametrize("scope", SCOPES)
async def test_err_9_a_concurrency_limit_says_whose_it_is(world: Rig, scope: str) -> None:
    """ERR-9, CL-3, CL-4, CL-6, DEF-24: the slot rides the body, in all three scopes; nobody knows when it is free."""
    alias, field = ("any", NARROW) if scope == "key" else (f"full-{scope}", FREE)
    async with world.holding(alias, field):
        for refused in (await world.ask(alias, field), await anthropic(world, alias, field)):
            assert (refused.status, refused.json()["error"]["type"]) == (429, "rate_limit_error")
            assert refused.header("x-pointsman-scope") == scope
            assert refused.header("retry-after") is None
        is_refused(await world.ask(alias, field), 429, "concurrency_limit_exceeded", scope)
        assert (await world.ask("any", FREE)).status == 200
    await world.gateway.at_rest()
    assert (await world.ask(alias, field)).status == 200


async def test_a_request_refused_by_its_pool_keeps_its_keys_token(world: Rig) -> None:
    """ORDER-2, DEF-28: the pool is always full; after five refusals the key has the one token it began with."""
    for _ in range(5):
        is_refused(await world.ask("shut", THRIFTY), 429, "concurrency_limit_exceeded", "pool")
    assert (await world.ask("any", THRIFTY)).status == 200
    is_refused(await world.ask("any", THRIFTY), 429, "rate_limit", "key")


async def test_a_request_that_cannot_be_sent_spends_no_token(world: Rig) -> None:
    """ORDER-2, MODEL-5: a provider was chosen, and its model could not be written; the pool's and its tokens stay."""
    bad = b"POST /v1/x HTTP/1.1\r\nHost: g\r\nModel-Override: renamed\r\nContent-Length: 2\r\n\r\n{}"
    for _ in range(3):
        is_refused(await asked(world.gateway.data, bad), 400, "bad_request", None)
    await world.gateway.at_rest()
    assert (await world.ask("renamed")).status == 200
    is_refused(await world.ask("renamed"), 429, "rate_limit", "pool")


async def test_err_12_open_circuits_say_when_the_first_reopens(world: Rig) -> None:
    """ERR-12, HEALTH-6: with `refuse` nothing is sent, and the Retry-After is the soonest of the two reopenings."""
    away = answered(b"{}", "Retry-After: 50", status="503 Service Unavailable")
    await world.faulty.change(error_status=503, retry_after="30")
    async with world.near.serving(says(away)):
        assert served(await world.ask("open")) == ("2", "faulty")
    before = await world.received()
    async with world.near.serving(says(away)):
        refused = await world.ask("open")
        is_refused(refused, 503, "service_unavailable", None)
        assert 20 < wait_s(refused) <= 30
        assert refused.header("x-should-retry") is None, "there is a time to ask again"
        other = await anthropic(world, "open")
        assert (other.status, other.json()["error"]["type"]) == (503, "overloaded_error")
        assert 20 < wait_s(other) <= 30
        assert world.near.connections == 0
    assert await world.received() == before


async def test_err_12_or_the_one_that_failed_longest_ago_is_tried(world: Rig) -> None:
    """HEALTH-6, DEF-65: with `probe`, the default, a single provider is asked all the same, and serves again."""
    await world.faulty.change(error_status=500)
    assert (await world.ask("probed")).status == 500
    assert await world.count("provider_circuit", "probed", "faulty") == 2
    await world.calm()
    assert (await world.ask("probed")).status == 200
    assert await world.count("provider_circuit", "probed", "faulty") == 0


async def test_err_13_a_head_that_does_not_come_in_time(world: Rig) -> None:
    """ERR-13, DEF-40: the pool's own bound for the first byte."""
    async with world.near.serving(says(then=stay)):
        is_refused(await world.ask("late"), 504, "gateway_timeout", None)
        other = await anthropic(world, "late")
        assert (other.status, other.json()["error"]["type"]) == (504, "timeout_error")


@pytest.mark.parametrize(("alias", "most"), [("bare", 60), ("short", 5)])
async def test_a_provider_cannot_make_clients_sleep_for_a_day(world: Rig, alias: str, most: int) -> None:
    """A13: its Retry-After is cut to the pool's `max_retry_after_secs`, and x-should-retry says not to."""
    limited = answered(b'{"error":"slow down"}', "Retry-After: 86400", status="429 Too Many Requests")
    async with world.near.serving(says(limited)):
        for answer in (await world.ask(alias), await anthropic(world, alias)):
            assert (answer.status, answer.body) == (429, b'{"error":"slow down"}')
            assert (wait_s(answer), answer.header("x-should-retry")) == (most, "false")
    bearable = answered(b"{}", "Retry-After: 3", status="429 Too Many Requests")
    async with world.near.serving(says(bearable)):
        answer = await world.ask(alias)
        assert (wait_s(answer), answer.header("x-should-retry")) == (3, None)
