"""What one request holds, for how long, and that nothing stays held."""

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from engine.access import digest
from engine.errors import Failure, Reason, Refused, UpstreamFailed
from engine.pool.messages import ABANDONED, SUCCEEDED, UNSENT, Acquire, Finish
from engine.runtime.answer import outcome_of
from engine.snapshot import Fallback, Strategy
from tests.engine.runtime.forwarding import BAD, ON, A, B, C, Told, assert_all_closed, chat, outcomes, refused
from tests.engine.runtime.running import CancelledAt, a_request, running
from tests.engine.runtime.scripted_upstream import Reply, Scripted, ScriptedUpstream
from tests.engine.tables import key, pool, provider, redirect, secret_of, table

KEYED = table(
    [pool("chat", A, provider("x"), fallback=ON), pool("open", B)],
    [key("k", limit=2, opens_all=True), key("free", opens_all=True)],
)


async def test_a_keys_limit_spans_pools_and_rides_the_body() -> None:
    """CL-3, CL-6, RL-3: two in flight anywhere; the third is refused before any pool; the body's end frees."""
    async with running(KEYED, ScriptedUpstream()) as gateway:
        k = secret_of("k")
        first, second = await gateway.forward(a_request("chat", k)), await gateway.forward(a_request("open", k))
        async with second:
            async with first:
                assert gateway.trails[0].served.key_id == "k"
                assert await refused(gateway, "open", k) is Reason.CONCURRENCY_LIMIT
                await gateway.ask("open", secret_of("free"))
                assert gateway.trails[-1].served.key_id == "free"
                assert await refused(gateway, "open", digest(b"nobody's")) is Reason.FORBIDDEN
                await trio.testing.wait_all_tasks_blocked()
                assert gateway.callers.standing() == {"k": (2, None)}
            assert (await gateway.ask("open", k))[1] == b"hello world"
        await gateway.assert_nothing_is_held()


async def test_slots_ride_the_body(told: Told) -> None:
    """CL-6, DEF-24: a provider's and a pool's slot are held until the last byte was read."""
    async with running(chat(provider("a", limit=1)), ScriptedUpstream()) as gateway:
        answer = await gateway.forward(a_request())
        async with answer:
            assert await answer.receive() == b"hello "
            assert await refused(gateway) is Reason.CONCURRENCY_LIMIT
        await gateway.assert_nothing_is_held()
        assert (await gateway.ask())[1] == b"hello world"
    assert outcomes(told) == [UNSENT, ABANDONED, SUCCEEDED]


@pytest.mark.parametrize("status", [200, 500])
async def test_a_client_that_leaves_blames_nobody(told: Told, status: int) -> None:
    """FB-15: before the body, in it, or before its end was seen: abandoned."""
    upstream = ScriptedUpstream(a=[Reply(status)])
    async with running(chat(A, fallback=Fallback()), upstream) as gateway:
        for reads in range(3):
            answer = await gateway.forward(a_request())
            async with answer:
                for _ in range(reads):
                    await answer.receive()
        await gateway.assert_nothing_is_held()
    assert outcomes(told) == [ABANDONED] * 3
    assert_all_closed(upstream)


async def test_a_redirected_request_uses_the_targets_slots(told: Told) -> None:
    """RULE-5, RULE-7: the pool asked for is not told anything."""
    snapshot = table([pool("chat", A, rules=(redirect("big"),), limit=0), pool("big", B)], [key("k")])
    async with running(snapshot, ScriptedUpstream()) as gateway:
        answer, _ = await gateway.ask("chat", secret_of("k"))
        assert (answer.provider, answer.pool.alias) == (B, "big")
    assert {alias for alias, message in told if isinstance(message, Acquire)} == {"big"}


async def test_an_alias_that_goes_while_its_key_is_asked_is_not_found() -> None:
    """ADOPT-9, ORDER-5: the pool's actor ends in between; the request is refused, not left waiting for it."""
    async with running(KEYED, ScriptedUpstream()) as gateway:
        await trio.testing.wait_all_tasks_blocked()
        reasons: list[Reason] = []

        async def ask() -> None:
            reasons.append(await refused(gateway, "chat", secret_of("k")))

        # trio shuffles who comes first, so that both orders occur.
        for _ in range(20):
            with trio.fail_after(5):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask)
                    snapshot = table([pool("open", B)], KEYED.keys.values())
                    await trio.lowlevel.checkpoint()
                    gateway.apply(snapshot, "chat")
            gateway.apply(KEYED, "chat")
            await gateway.assert_nothing_is_held()
        assert set(reasons) == {Reason.MODEL_NOT_FOUND}


WALKED: list[tuple[dict[str, Sequence[Scripted]], bool]] = [
    ({}, True),
    ({"a": [Failure.CONNECT], "b": [Reply(500)]}, True),
    ({"a": [Reply(500)], "b": [Reply(429)], "c": [Reply(503)]}, True),
    ({"a": [Reply(500)], "b": [Reply(429)], "c": [Failure.TIMEOUT]}, True),
    ({"a": [Failure.CONNECT], "b": [Failure.BROKEN], "c": [Failure.TIMEOUT]}, False),
    ({"a": [Reply(500)], "b": [BAD]}, False),
    ({"a": [Reply(200, (b"one", Failure.BROKEN))]}, False),
]


@pytest.mark.parametrize(("script", "is_served"), WALKED)
async def test_cancelled_at_any_moment_nothing_is_held(
    script: dict[str, Sequence[Scripted]], is_served: bool, told: Told
) -> None:
    """FB-15, CL-6, house §5: at the first wait, the second … until none is left: no ticket stays, all is closed."""
    snapshot = table(
        [pool("chat", A, B, C, strategy=Strategy.PRIORITY, fallback=ON, limit=1)],
        [key("k", limit=1, opens_all=True)],
    )
    moment = 0
    while True:
        moment += 1
        upstream = ScriptedUpstream(**script)
        told.clear()
        async with running(snapshot, upstream) as gateway:
            ended = None
            with trio.CancelScope() as scope:
                request = CancelledAt(gateway.ask("chat", secret_of("k")), scope, moment)
                try:
                    await request
                    ended = "served"
                except (Refused, UpstreamFailed) as error:
                    ended = type(error).__name__
            await gateway.assert_nothing_is_held()
            assert_all_closed(upstream)
            assert sum(isinstance(message, Finish) for _, message in told) <= 1
            if scope.cancelled_caught:
                # Nobody is blamed for the attempt that the client's leaving ended; what failed before it has failed.
                last = [message.outcome for _, message in told if isinstance(message, Finish)]
                assert all(outcome in {ABANDONED, outcome_of(Failure.TIMEOUT)} for outcome in last)
        if request.waits < moment:
            break
    assert (ended == "served") == is_served
    assert moment > 5
