"""What one request is refused for, what that costs, and when it may come back."""

import pytest
import trio
import trio.testing

from engine.errors import Failure, Reason, Refused, Scope
from engine.pool.messages import Acquire, Message
from engine.snapshot import AllOpen, CircuitPolicy, Fallback, RoutingSnapshot, Strategy
from tests.engine.runtime.running import CancelledAt, Running, a_request, running
from tests.engine.runtime.scripted_upstream import Reply, ScriptedUpstream
from tests.engine.tables import key, pool, provider, secret_of, table

A, B = provider("a"), provider("b")
K = secret_of("k")
S = 10**9
ON = Fallback(enabled=True, on_rate_limit=True, on_status=(5,))
REFUSE = CircuitPolicy(when_all_open=AllOpen.REFUSE)


async def refused(gateway: Running, alias: str = "chat", caller: bytes | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        await gateway.ask(alias, caller)
    return caught.value


SCOPES: list[tuple[RoutingSnapshot, Reason, Scope | None, int | None]] = [
    # A table that lets one request in at a time, or in ten seconds; what the second one is told.
    (table([pool("chat", A, rps=0.1)], [key("k")]), Reason.RATE_LIMIT, Scope.POOL, 10 * S),
    (table([pool("chat", A, limit=1)], [key("k")]), Reason.CONCURRENCY_LIMIT, Scope.POOL, None),
    (table([pool("chat", provider("a", rps=0.1))], [key("k")]), Reason.RATE_LIMIT, Scope.PROVIDER, 10 * S),
    (table([pool("chat", provider("a", limit=1))], [key("k")]), Reason.CONCURRENCY_LIMIT, Scope.PROVIDER, None),
    (table([pool("chat", A)], [key("k", rps=0.1)]), Reason.RATE_LIMIT, Scope.KEY, 10 * S),
    (table([pool("chat", A)], [key("k", limit=1)]), Reason.CONCURRENCY_LIMIT, Scope.KEY, None),
    (table([pool("chat", A, rps=0.1)], [key("k", rps=0.05)]), Reason.RATE_LIMIT, Scope.KEY, 20 * S),
]


@pytest.mark.parametrize(("snapshot", "reason", "scope", "wait_ns"), SCOPES)
async def test_a_refusal_says_whose_limit_it_was_and_when_to_come_back(
    snapshot: RoutingSnapshot, reason: Reason, scope: Scope, wait_ns: int | None, autojump_clock: trio.testing.MockClock
) -> None:
    """RL-3, RL-4, CL-3, CL-4, ORDER-3: the key's before the pool's before the provider's."""
    del autojump_clock
    async with running(snapshot, ScriptedUpstream()) as gateway:
        answer = await gateway.forward(a_request("chat", K))
        async with answer:
            error = await refused(gateway, "chat", K)
            assert (error.reason, error.scope, error.retry_after_ns) == (reason, scope, wait_ns)
            assert (error.quota is not None) == (reason is Reason.RATE_LIMIT and scope is not Scope.PROVIDER)
        await gateway.assert_nothing_is_held()
        if wait_ns is not None:
            await trio.sleep(wait_ns / S)
        assert (await gateway.ask("chat", K))[0].status == 200


@pytest.mark.parametrize("of_pool", [{"rps": 0.1}, {"limit": 0}, {"strategy": Strategy.PRIORITY}])
async def test_a_keys_token_comes_back_when_its_pool_refuses(
    of_pool: dict[str, float], autojump_clock: trio.testing.MockClock
) -> None:
    """ORDER-2, DEF-28: by the pool's rate, its limit, or for want of a provider; nothing is spent anywhere."""
    del autojump_clock
    full = provider("a", limit=None if "rps" in of_pool else 0)
    tables = [pool("chat", full, **of_pool), pool("other", B)]
    keys = [key("k", rps=0.001, burst=2, opens_all=True), key("other", opens_all=True)]
    async with running(table(tables, keys), ScriptedUpstream()) as gateway:
        if "rps" in of_pool:
            await gateway.ask("chat", secret_of("other"))
        for _ in range(5):
            assert (await refused(gateway, "chat", K)).scope in {Scope.POOL, Scope.PROVIDER}
        assert [(await gateway.ask("other", K))[0].status for _ in range(2)] == [200, 200]
        assert (await refused(gateway, "other", K)).scope is Scope.KEY
        await gateway.assert_nothing_is_held()


async def test_a_keys_token_is_spent_by_what_was_sent(autojump_clock: trio.testing.MockClock) -> None:
    """ORDER-2, RL-1: whatever came of it."""
    del autojump_clock
    upstream = ScriptedUpstream(a=[Failure.CONNECT, Reply(500), Reply(400), Reply(200)])
    snapshot = table([pool("chat", A, circuit=REFUSE)], [key("k", rps=0.001, burst=4, opens_all=True)])
    async with running(snapshot, upstream) as gateway:
        assert (await refused(gateway, "chat", K)).reason is Reason.UNAVAILABLE
        for status in (500, 400, 200):
            assert (await gateway.ask("chat", K))[0].status == status
        assert (await refused(gateway, "chat", K)).scope is Scope.KEY


async def test_a_request_that_no_provider_could_be_sent_spends_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """ORDER-2, FB-7: the key's, the pool's and the provider's token come back."""
    del autojump_clock
    upstream = ScriptedUpstream(a=[Refused(Reason.BAD_REQUEST)] * 5 + [Reply()])
    one = provider("a", rps=0.001, burst=1)
    snapshot = table([pool("chat", one, rps=0.001, burst=1)], [key("k", rps=0.001, burst=1, opens_all=True)])
    async with running(snapshot, upstream) as gateway:
        for _ in range(5):
            assert (await refused(gateway, "chat", K)).reason is Reason.BAD_REQUEST
        assert (await gateway.ask("chat", K))[0].status == 200
        assert (await refused(gateway, "chat", K)).scope is Scope.KEY


async def test_open_circuits_are_no_limit(
    autojump_clock: trio.testing.MockClock, told: list[tuple[str, Message]]
) -> None:
    """HEALTH-6, ERR-12: 503 with the time of the first reopening; nothing is sent until then, and then one probe."""
    del autojump_clock
    upstream = ScriptedUpstream(a=[Reply(500)] * 3 + [Reply(200, (5.0, b"late"))])
    async with running(table([pool("chat", A, circuit=REFUSE)]), upstream) as gateway:
        for _ in range(3):
            await gateway.ask()
        error = await refused(gateway)
        assert (error.reason, error.scope, error.retry_after_ns) == (Reason.UNAVAILABLE, None, 60 * S)
        assert len(upstream.sent) == 3
        await trio.sleep(60)
        told.clear()
        answer = await gateway.forward(a_request())
        async with answer:
            # Its head was good, so its body, which takes longer, keeps nobody away.
            assert (await gateway.ask())[0].status == 200
        await gateway.assert_nothing_is_held()
    assert [type(message).__name__ for _, message in told][:4] == ["Acquire", "Answered", "Acquire", "Finish"]


async def test_what_all_providers_ask_for_is_passed_on(autojump_clock: trio.testing.MockClock) -> None:
    """DEF-27, HEALTH-6: 429 with Retry-After from each: the next request is refused as a rate limit of theirs."""
    del autojump_clock
    upstream = ScriptedUpstream(a=[Reply(429, told_s=7.0)], b=[Reply(429, told_s=30.0)])
    fallback = Fallback(enabled=True, on_status=(429,))
    async with running(table([pool("chat", A, B, strategy=Strategy.PRIORITY, fallback=fallback)]), upstream) as gateway:
        answer, _ = await gateway.ask()
        assert (answer.status, answer.is_exhausted, answer.retry_after_ns) == (429, True, 30 * S)
        error = await refused(gateway)
        assert (error.reason, error.scope, error.retry_after_ns) == (Reason.RATE_LIMIT, Scope.UPSTREAM, 7 * S)


async def test_a_provider_without_tokens_ends_what_another_began(autojump_clock: trio.testing.MockClock) -> None:
    """FB-6, RL-5: the first fell, the second is at its limit: 429, and when it has a token again."""
    del autojump_clock
    upstream = ScriptedUpstream(a=[Failure.CONNECT])
    limited = provider("b", rps=0.1, burst=1)
    async with running(table([pool("chat", A, limited, strategy=Strategy.PRIORITY, fallback=ON)]), upstream) as gateway:
        assert (await gateway.ask())[0].provider.name == "b"
        error = await refused(gateway)
        assert (error.reason, error.scope, error.is_exhausted) == (Reason.RATE_LIMIT, Scope.PROVIDER, True)
        assert error.retry_after_ns == 10 * S


async def test_cancelled_at_any_moment_it_spends_its_own_token_at_most(
    autojump_clock: trio.testing.MockClock, told: list[tuple[str, Message]]
) -> None:
    """FB-15, ORDER-2, CL-6: one of each scope, or none; and whoever comes next finds the rest."""
    del autojump_clock
    one = provider("a", rps=0.001, burst=5, limit=1)
    snapshot = table(
        [pool("chat", one, rps=0.001, burst=5, limit=1)], [key("k", rps=0.001, burst=5, limit=1, opens_all=True)]
    )
    moment, spent = 0, set()
    while True:
        moment += 1
        told.clear()
        async with running(snapshot, ScriptedUpstream()) as gateway:
            with trio.CancelScope() as scope:
                request = CancelledAt(gateway.ask("chat", K), scope, moment)
                await request
            await gateway.assert_nothing_is_held()
            state, keys = gateway.state(), gateway.callers.state.keys
            buckets = [state.limiter, state.slots[0].meter.limiter, keys["k"].limiter if "k" in keys else None]
            left = [5 if bucket is None else bucket.quota(0).remaining for bucket in buckets]
            assert set(left) <= {4, 5}
            assert left[0] == left[1]
            # A key's token is gone only where its pool's is.
            assert left[2] >= left[0]
            spent.add(tuple(left))
            assert sum(isinstance(message, Acquire) for _, message in told) <= 1
        if not scope.cancelled_caught:
            break
    assert moment > 4
    assert (5, 5, 5) in spent
    assert (4, 4, 4) in spent
