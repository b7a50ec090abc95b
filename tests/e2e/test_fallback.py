"""When a request is tried again, how long it waits before, and what is left when nothing helped: FB-4 to FB-9.

What is found inside an answer (FB-11 to FB-13) is in `test_embedded`, what happens inside a body (FB-10) in
`test_failures_midstream`, and what a client that leaves ends (FB-15) in `test_vectors` (T25).
"""

from collections.abc import Iterator
from itertools import pairwise

import pytest
import trio

from tests.e2e.rig import NO_CIRCUIT, RETRIED, Document, Known, Rig, at_most, pool, rig, served, tokens
from tests.e2e.sockets import Message, Peer, answered, says, stay

ON = {"enabled": True, "on_status": list(RETRIED)}
INITIAL_MS, MOST_MS = 60, 90


def document(known: Known) -> Document:
    steady, faulty, near, nowhere = (known[name] for name in ("steady", "faulty", "near", "nowhere"))
    backoff = {"initial_ms": INITIAL_MS, "max_ms": MOST_MS, "jitter": "none"}
    small = {"initial_ms": 20, "factor": 1, "jitter": "none"}
    drawn = {"initial_ms": 20, "factor": 1, "jitter": "full"}
    slow = {**near, "name": "slow", "timeouts": {"first_byte_secs": 0.05}}
    targets = {
        "grows": pool(near, fallback={**ON, "max_attempts": 4, "backoff": backoff}),
        "bounded": pool(faulty, fallback={**ON, "max_attempts": 9, "backoff": small, "max_total_backoff_ms": 50}),
        "drawn": pool(faulty, fallback={**ON, "max_attempts": 9, "backoff": drawn}),
        "no-connect": pool(nowhere, steady, fallback={**ON, "on_connect_error": False}),
        "no-timeout": pool(slow, steady, fallback={**ON, "on_timeout": False}),
        "no-broken": pool(near, steady, fallback={**ON, "on_maybe_executed": False}),
        "no-doubt": pool(slow, steady, fallback={**ON, "on_connect_error": False, "on_maybe_executed": False}),
        "all-failed": pool(near, nowhere, slow, fallback={**ON, "exhausted": "mask"}),
        "then-no-token": pool(faulty, {**steady, **tokens(1)}, fallback={**ON, "exhausted": "mask"}),
        "then-full": pool(faulty, {**steady, **at_most(0)}, fallback=ON),
        "failed-then-broken": pool(faulty, near, fallback={**ON, "exhausted": "mask", "on_maybe_executed": False}),
    }
    return {"targets": {alias: {**target, **NO_CIRCUIT} for alias, target in targets.items()}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("fallback"), document) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


def code(answer: Message) -> tuple[int, str]:
    return answer.status, answer.json()["error"]["code"]


async def test_fb_8_pauses_grow_to_a_bound(world: Rig) -> None:
    """FB-8, FB-9, LB-13: four attempts at the one provider, 60, 90 and 90 ms apart at least; none after the last."""
    came: list[float] = []

    async def fails(peer: Peer) -> None:
        await peer.request()
        came.append(trio.current_time())
        await peer.send(answered(b"{}", status="500 Internal Server Error"))

    async with world.near.serving(fails):
        answer = await world.ask("grows")
    assert (answer.status, *served(answer), answer.header("x-should-retry")) == (500, "4", "near", "false")
    pauses_ms = [1000 * (later - earlier) for earlier, later in pairwise(came)]
    least = (INITIAL_MS, MOST_MS, MOST_MS)
    assert all(pause >= low for pause, low in zip(pauses_ms, least, strict=True)), pauses_ms
    assert await world.count("retries_total", "grows") == 3
    assert await world.count("retry_budget_exhausted_total", "grows") == 0


async def test_fb_8_all_pauses_together_have_a_bound(world: Rig) -> None:
    """FB-8, FB-9: of pauses of 20 ms only two fit into 50 ms, so that the fourth attempt is never made."""
    await world.faulty.change(error_status=503)
    before = await world.received()
    answer = await world.ask("bounded")
    assert (answer.status, *served(answer), answer.header("x-should-retry")) == (503, "3", "faulty", "false")
    assert await world.received() == {**before, "faulty": before["faulty"] + 3}
    assert await world.count("retries_total", "bounded") == 2
    assert await world.count("retry_budget_exhausted_total", "bounded") == 1


async def test_fb_8_a_provider_that_recovers_in_the_pause_serves(world: Rig) -> None:
    """FB-8: with jitter, too; nine attempts of which each fails with one half."""
    await world.faulty.change(error_status=503, error_rate=0.5, seed=3)
    answers = [await world.ask("drawn") for _ in range(10)]
    assert {answer.status for answer in answers} == {200}
    assert await world.count("retries_total", "drawn") == sum(int(served(answer)[0] or 0) - 1 for answer in answers) > 0


async def test_fb_5_each_kind_of_failure_has_its_switch(world: Rig) -> None:
    """FB-4, FB-5, DEF-41: off, the failure is the client's answer at once; the other kinds are tried again as ever."""
    before = await world.received()
    refused = await world.ask("no-connect")
    async with world.near.serving(says(then=stay)):
        late = await world.ask("no-timeout")
    async with world.near.serving(says()):
        broken = await world.ask("no-broken")
        assert served(await world.ask("no-timeout")) == ("2", "steady")
    assert code(refused) == (503, "service_unavailable")
    assert code(late) == (504, "gateway_timeout")
    assert code(broken) == (502, "internal_error")
    async with world.near.serving(says(then=stay)):
        assert served(await world.ask("no-doubt")) == ("2", "steady")
    assert await world.received() == {**before, "steady": before["steady"] + 2}


async def test_fb_6_the_last_error_is_the_clients_where_all_are_masked(world: Rig) -> None:
    """FB-6: a 500, no connection, a timeout: the last decides, so 504; and none of it names a provider."""
    statuses = [answered(b"secret", status="500 Internal Server Error")]

    async def fails_and_then_hangs(peer: Peer) -> None:
        await peer.request()
        await (peer.send(statuses.pop()) if statuses else stay(peer))

    async with world.near.serving(fails_and_then_hangs):
        answer = await world.ask("all-failed")
    assert (code(answer), answer.header("x-should-retry")) == ((504, "gateway_timeout"), "false")
    assert b"secret" not in answer.body


async def test_fb_6_a_provider_that_may_not_be_asked_is_no_attempt(world: Rig) -> None:
    """FB-6, CL-4, LB-13: the first fails and the second is full, so the first is asked again, to the budget."""
    await world.faulty.change(error_status=500)
    before = await world.received()
    answer = await world.ask("then-full")
    assert (answer.status, *served(answer)) == (500, "2", "faulty")
    assert await world.received() == {**before, "faulty": before["faulty"] + 2}


async def test_fb_6_and_a_rate_limit_at_the_end_is_a_429(world: Rig) -> None:
    """FB-6, RL-5: a 500 first, and then a provider at its own limit: 429."""
    await world.faulty.change(error_status=500)
    assert served(await world.ask("then-no-token")) == ("2", "steady")
    before = await world.received()
    answer = await world.ask("then-no-token")
    assert code(answer) == (429, "rate_limit")
    assert await world.received() == {**before, "faulty": before["faulty"] + 1}


async def test_fb_6_a_mask_covers_an_earlier_answer_too(world: Rig) -> None:
    """FB-6, DEF-41: a 500, and then a break that is not tried again: the last error, and nothing of the first."""
    await world.faulty.change(error_status=500)
    async with world.near.serving(says()):
        answer = await world.ask("failed-then-broken")
    assert code(answer) == (502, "internal_error")
