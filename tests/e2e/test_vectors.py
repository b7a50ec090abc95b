"""The acceptance vectors of spec §29 that ask for a pool's limits, fallback and circuits, each named by its number.

Elsewhere: T1 in `test_forwarded`, T2 and T5 in `test_access`, T3 in `test_catalogue`, T12 and T13 in
`test_wire_changes`, T14 in `test_continuity`, T23 in `test_wire_streaming`, T24 in `test_failures_midstream`.
"""

from collections.abc import Iterator

import pytest
import trio

from tests.e2e.rig import Document, Known, Rig, at_most, pool, rig, served, tokens
from tests.e2e.running import until
from tests.e2e.sockets import Message, Peer, answered, connect, posted, says, stay

BATCH, PEOPLE = "Authorization: Bearer sk-batch", "Authorization: Bearer sk-people"
ON_5XX = {"enabled": True, "on_status": [5]}
HALF_OPEN, OPEN = 1, 2


def document(known: Known) -> Document:
    steady, faulty, spare, near = (known[name] for name in ("steady", "faulty", "spare", "near"))
    again = {**faulty, "name": "again"}
    deny = {"match_labels": {"purpose": "batch"}, "action": {"type": "deny"}}
    redirect = {"match_labels": {"purpose": "realtime"}, "action": {"type": "redirect", "target": "t6"}}
    locked = {**faulty, "onwards_key": "sk-refused", "priority": 0, "weight": 1_000_000}
    channels = (locked, {**spare, "onwards_key": "sk-good", "priority": 0})
    slow = {"initial_ms": 60_000, "max_ms": 60_000, "jitter": "none"}
    probed = {"failures": 1, "cooldown_secs": [0.2], "when_all_open": "refuse"}
    return {
        "auth": {
            "key_definitions": {
                "batch": {"key": "sk-batch", "labels": {"purpose": "batch"}},
                "people": {"key": "sk-people", "labels": {"purpose": "realtime"}},
            }
        },
        "targets": {
            "t4": pool(steady, keys=["batch", "people"], routing_rules=[deny], **tokens(1)),
            "t6": pool(faulty, steady, fallback=ON_5XX),
            "t7": pool(faulty, again, fallback=ON_5XX),
            "t7-mask": pool(faulty, again, fallback={**ON_5XX, "exhausted": "mask"}),
            "t8": pool(faulty, steady, fallback={**ON_5XX, "enabled": False, "max_attempts": 5}),
            "t9": pool({**steady, **at_most(1)}, {**spare, **at_most(1)}),
            "t11": {
                "providers": [{**steady, **tokens(1)}, {**spare, **tokens(1)}],
                "fallback": {"enabled": True, "on_rate_limit": True},
            },
            "t17": {"providers": [], "keys": ["batch", "people"], "routing_rules": [redirect]},
            "t20": pool(*channels, fallback={"enabled": True}),
            "t20-alone": pool(*channels),
            "t22": pool(near, circuit=probed),
            "t22-left": pool(near, circuit=probed),
            "t22-stream": pool(faulty, circuit=probed),
            "t25": pool(faulty, steady, fallback={**ON_5XX, "backoff": slow}),
        },
    }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("vectors"), document) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


def code(answer: Message) -> str:
    found: str = answer.json()["error"]["code"]
    return found


async def test_t4_a_denied_request_spends_no_token(world: Rig) -> None:
    """T4, ORDER-2: the pool has one token; two denials leave it to the caller who may pass."""
    for _ in range(2):
        assert (await world.ask("t4", BATCH)).status == 403
    assert (await world.ask("t4", PEOPLE)).status == 200
    assert code(await world.ask("t4", PEOPLE)) == "rate_limit"


async def test_t6_a_failing_provider_is_followed_by_the_next(world: Rig) -> None:
    """T6, FB-1 to FB-3: 200 from the second after two attempts; the first holds nothing afterwards."""
    before = await world.received()
    await world.faulty.change(error_status=500)
    answer = await world.ask("t6")
    assert (answer.status, *served(answer)) == (200, "2", "steady")
    assert await world.received() == {**before, "faulty": before["faulty"] + 1, "steady": before["steady"] + 1}
    await world.gateway.at_rest()
    assert await world.count("provider_in_flight", "t6", "faulty") == 0


async def test_t7_the_last_real_answer_stands_unless_it_is_masked(world: Rig) -> None:
    """T7, FB-6, DEF-27: both answer 500, so the client gets that 500, or where the pool masks it a 502 as ever."""
    await world.faulty.change(error_status=500)
    relayed = await world.ask("t7")
    assert (relayed.status, *served(relayed)) == (500, "2", "again")
    assert relayed.json()["error"]["message"].startswith("faulty was told")
    masked = await world.ask("t7-mask")
    assert (masked.status, code(masked)) == (502, "internal_error")
    assert b"faulty" not in masked.body
    for answer in (relayed, masked):
        assert answer.header("x-should-retry") == "false", "all was tried"


async def test_t8_without_fallback_the_error_is_the_providers(world: Rig) -> None:
    """T8, FB-1, ERR-14, DEF-48: whatever the fallback says while it is off; the body comes back as it is."""
    await world.faulty.change(error_status=500)
    before = await world.received()
    answer = await world.ask("t8")
    assert (answer.status, *served(answer)) == (500, "1", "faulty")
    assert answer.json()["error"]["message"] == "faulty was told to answer 500: Internal Server Error"
    assert answer.header("x-should-retry") is None, "nothing else was tried"
    assert await world.received() == {**before, "faulty": before["faulty"] + 1}


async def test_t9_and_t10_full_providers_are_passed_over_and_then_refuse(world: Rig) -> None:
    """T9, T10, LB-3, CL-4: a stream holds the first, so the second serves; with both held it is a 429."""
    async with world.holding("t9") as first:
        assert first == "steady"
        assert served(await world.ask("t9")) == ("1", "spare")
        async with world.holding("t9") as second:
            assert second == "spare"
            assert code(await world.ask("t9")) == "concurrency_limit_exceeded"
    await world.gateway.at_rest()
    assert served(await world.ask("t9")) == ("1", "steady")


async def test_t11_a_provider_without_a_token_is_passed_over(world: Rig) -> None:
    """T11, RL-5, RL-1: one token each; the third request finds none and is refused for the providers' rate."""
    first, second, third = [await world.ask("t11") for _ in range(3)]
    assert {served(first), served(second)} == {("1", "steady"), ("1", "spare")}
    assert (third.status, code(third), third.header("x-pointsman-scope")) == (429, "rate_limit", "provider")


async def test_t17_a_pool_without_providers_redirects_who_may(world: Rig) -> None:
    """T17, ORDER-4: rules come before the empty pool."""
    answer = await world.ask("t17", PEOPLE)
    assert (answer.status, answer.header("x-pointsman-pool")) == (200, "t6")
    refused = await world.ask("t17", BATCH)
    assert (refused.status, code(refused)) == (503, "service_unavailable")


@pytest.mark.parametrize(("alias", "first"), [("t20", (200, "2", "spare")), ("t20-alone", (401, "1", "faulty"))])
async def test_t20_a_refused_credential_is_not_shown_again(world: Rig, alias: str, first: tuple[object, ...]) -> None:
    """T20, DEF-71: the first answers 401 to the gateway's key, once; from then on the other serves."""
    await world.faulty.change(error_status=401)
    before = await world.received()
    answer = await world.ask(alias)
    assert (answer.status, *served(answer)) == first
    for _ in range(5):
        assert served(await world.ask(alias)) == ("1", "spare")
    assert (await world.received())["faulty"] == before["faulty"] + 1
    assert await world.count("provider_credential", alias, "faulty") == OPEN
    assert await world.count("provider_circuit", alias, "faulty") == 0, "its health is another matter"


async def test_t22_one_probe_reaches_a_provider_that_failed(world: Rig) -> None:
    """T22, HEALTH-6, DEF-68: of ten requests after the cooldown one is sent; the others are told to come back."""
    async with world.near.serving(says()):
        assert (await world.ask("t22")).status == 502
        assert await world.count("provider_circuit", "t22", "near") in {HALF_OPEN, OPEN}
    await world.counted(HALF_OPEN, "provider_circuit", "t22", "near")
    answers: list[Message] = []
    nine, refused = trio.Event(), trio.Event()

    async def answers_at_last(peer: Peer) -> None:
        await peer.request()
        await refused.wait()
        await peer.send(answered(b"{}"))

    async def one() -> None:
        answers.append(await world.ask("t22"))
        if len(answers) == 9:
            nine.set()

    async with world.near.serving(answers_at_last), trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(one)
        with trio.fail_after(10):
            await nine.wait()
        assert {answer.status for answer in answers} == {503}
        assert all(answer.header("retry-after") == "1" for answer in answers)
        refused.set()
    assert answers[-1].status == 200
    assert world.near.connections == 1
    await world.counted(0, "provider_circuit", "t22", "near")


async def test_t22_a_probe_whose_client_leaves_makes_room_for_another(world: Rig) -> None:
    """T22, FB-15, HEALTH-6: it is nobody's failure, and the provider does not stay barred by it."""
    async with world.near.serving(says()):
        assert (await world.ask("t22-left")).status == 502
    await world.counted(HALF_OPEN, "provider_circuit", "t22-left", "near")
    async with world.near.serving(says(then=stay)):
        async with await connect(world.gateway.data) as peer:
            await peer.send(posted("t22-left"))
            await world.in_flight("t22-left", 1)
            assert (await world.ask("t22-left")).status == 503
        await world.gateway.at_rest()
    async with world.near.serving(says(answered(b"{}"))):
        assert (await world.ask("t22-left")).status == 200


async def test_t22_a_probe_has_succeeded_with_the_head_of_its_answer(world: Rig) -> None:
    """T22, HEALTH-6: a stream that probes does not keep the others out until it ends."""
    await world.faulty.change(error_status=500)
    assert (await world.ask("t22-stream")).status == 500
    await world.calm()
    await world.counted(HALF_OPEN, "provider_circuit", "t22-stream", "faulty")
    async with world.holding("t22-stream"):
        await world.counted(0, "provider_circuit", "t22-stream", "faulty")
        assert (await world.ask("t22-stream")).status == 200


async def test_t25_leaving_while_waiting_to_try_again(world: Rig) -> None:
    """T25, FB-15: no further attempt, and within a second all counters are zero."""
    await world.faulty.change(error_status=500)
    before = await world.received()
    async with await connect(world.gateway.data) as peer:
        await peer.send(posted("t25"))

        async def waits() -> bool:
            asked_once = (await world.received())["faulty"] == before["faulty"] + 1
            return asked_once and await world.count("provider_in_flight", "t25", "faulty") == 0

        await until(waits)
        assert await world.count("pool_in_flight", "t25") == 1
    with trio.fail_after(1):
        await world.gateway.at_rest()
    assert await world.received() == {**before, "faulty": before["faulty"] + 1}
    assert await world.count("retries_total", "t25") == 0
