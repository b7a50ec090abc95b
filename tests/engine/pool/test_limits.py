"""Limits of a pool and its providers, as dialogues."""

import attrs
import pytest

from engine.limiter import Quota
from engine.pool.messages import ABANDONED, SUCCEEDED, UNSENT, Refusal
from engine.snapshot import Fallback, Provider, Strategy
from tests.engine.pool.conversation import FAILED, Conversation, S
from tests.engine.tables import pool, provider

A, B, C = (provider(name) for name in "abc")
ON = Fallback(enabled=True)
PRIORITY = Strategy.PRIORITY


def test_a_provider_without_a_limit_counts_and_never_refuses() -> None:
    """CL-2: what balances the load."""
    talk = Conversation(pool("chat", A))
    assert [talk.acquire(ticket) for ticket in range(500)] == ["a"] * 500
    assert talk.counts == [500]


def test_limits_refuse_at_once() -> None:
    """CL-1, CL-2, CL-4: limit 2: two get in, the third does not; one ends, the next gets in."""
    talk = Conversation(pool("chat", provider("a", limit=2)))
    assert [talk.acquire(ticket) for ticket in (1, 2, 3)] == ["a", "a", Refusal.PROVIDERS_FULL]
    talk.finish(1)
    assert [talk.acquire(ticket) for ticket in (4, 5)] == ["a", Refusal.PROVIDERS_FULL]


def test_a_full_provider_is_passed_over() -> None:
    """CL-3: not an error by itself."""
    talk = Conversation(pool("chat", provider("a", limit=1), B, strategy=PRIORITY))
    assert [talk.acquire(ticket) for ticket in (1, 2, 3)] == ["a", "b", "b"]


def test_the_pools_own_limit_counts_requests() -> None:
    """CL-3: whatever provider they are at, and also between attempts; it refuses before any provider is touched."""
    talk = Conversation(pool("chat", A, B, limit=2, fallback=ON))
    assert isinstance(talk.acquire(1), str)
    assert isinstance(talk.acquire(2), str)
    assert talk.acquire(3) is Refusal.POOL_FULL
    assert sum(talk.counts) == 2
    assert isinstance(talk.retry(1), str)
    assert talk.retry(1) is Refusal.EXHAUSTED
    assert sum(talk.counts) == 1
    assert talk.acquire(3) is Refusal.POOL_FULL
    talk.finish(1)
    assert isinstance(talk.acquire(3), str)


@pytest.mark.parametrize(
    ("providers", "refusal"),
    [
        ((), Refusal.NO_PROVIDERS),
        ((attrs.evolve(A, weight=0), attrs.evolve(B, weight=0)), Refusal.NO_PROVIDERS),
        ((provider("a", limit=0),), Refusal.PROVIDERS_FULL),
        ((provider("a", limit=0), attrs.evolve(B, weight=0)), Refusal.PROVIDERS_FULL),
    ],
)
@pytest.mark.parametrize("strategy", list(Strategy))
def test_why_nobody_serves(providers: tuple[Provider, ...], refusal: Refusal, strategy: Strategy) -> None:
    """CL-4, LB-6, LB-9, CL-7: full is one thing, drained or empty another, in both strategies."""
    assert Conversation(pool("chat", *providers, strategy=strategy)).acquire(1) is refusal


def test_a_lowered_limit_cancels_nothing() -> None:
    """CL-5: three run, the limit becomes 2: a new one waits for two to end."""
    talk = Conversation(pool("chat", A))
    assert [talk.acquire(ticket) for ticket in (1, 2, 3)] == ["a"] * 3
    talk.reconfigure(pool("chat", provider("a", limit=2)))
    assert talk.counts == [3]
    for ending in (1, 2):
        assert talk.acquire(9) is Refusal.PROVIDERS_FULL
        talk.finish(ending)
    assert talk.acquire(9) == "a"


def test_a_pools_lowered_limit_cancels_nothing() -> None:
    """CL-5, ADOPT-4: the count is of requests in flight, so a limit set later knows them."""
    talk = Conversation(pool("chat", A))
    for ticket in (1, 2):
        talk.acquire(ticket)
    talk.reconfigure(pool("chat", A, limit=1))
    talk.finish(1)
    assert talk.acquire(3) is Refusal.POOL_FULL
    talk.finish(2)
    assert talk.acquire(3) == "a"


def test_a_pool_out_of_tokens_refuses_and_says_until_when() -> None:
    """RL-1, RL-3, RL-4: 2 a second, 2 at once: the third is refused until 500 ms have passed."""
    talk = Conversation(pool("chat", A, rps=2, burst=2))
    assert [talk.acquire(ticket) for ticket in (1, 2, 3)] == ["a", "a", Refusal.POOL_RATE]
    assert (talk.refused.retry_at, talk.refused.quota) == (S // 2, Quota(2, 0, S))
    assert talk.refused.decision is None
    talk.pass_s(0.5)
    assert [talk.acquire(4), talk.acquire(5)] == ["a", Refusal.POOL_RATE]


def test_a_finished_request_does_not_bring_its_token_back() -> None:
    """RL-1: however it ended, unless it was never sent."""
    for outcome, again in ((SUCCEEDED, False), (ABANDONED, False), (FAILED, False), (UNSENT, True)):
        talk = Conversation(pool("chat", provider("a", rps=1, burst=1), rps=1, burst=1))
        talk.acquire(1)
        talk.finish(1, outcome=outcome)
        assert (talk.acquire(2) == "a") is again


@pytest.mark.parametrize(
    ("providers", "limit", "refusal"),
    [
        ((), None, Refusal.NO_PROVIDERS),
        ((provider("a", weight=0),), None, Refusal.NO_PROVIDERS),
        ((provider("a", limit=0),), None, Refusal.PROVIDERS_FULL),
        ((A,), 0, Refusal.POOL_FULL),
    ],
)
def test_a_refused_request_spends_nothing(providers: tuple[Provider, ...], limit: int | None, refusal: Refusal) -> None:
    """ORDER-2, DEF-28: whatever it is refused for, the pool's tokens are all there."""
    talk = Conversation(pool("chat", *providers, limit=limit, rps=1, burst=2))
    for ticket in range(9):
        assert talk.acquire(ticket) is refusal
    assert talk.state.limiter is not None
    assert talk.state.limiter.quota(0) == Quota(2, 2, 0)
    assert (sum(talk.counts), talk.state.journeys) == (0, {})


def test_a_provider_without_a_token_is_refused_for_unless_rate_limits_fall_back() -> None:
    """RL-5: on: the next provider; off: refused at once, and neither the pool's nor its own tokens are touched."""
    limited = provider("a", rps=1, burst=1)
    talk = Conversation(pool("chat", limited, B, strategy=PRIORITY, rps=1, burst=9))
    assert [talk.acquire(1), talk.acquire(2)] == ["a", Refusal.PROVIDER_RATE]
    assert talk.refused.retry_at == S
    assert talk.state.limiter is not None
    assert talk.state.limiter.quota(0).remaining == 8
    on = Fallback(enabled=True, on_rate_limit=True)
    talk = Conversation(pool("chat", limited, B, strategy=PRIORITY, fallback=on))
    assert [talk.acquire(1), talk.acquire(2)] == ["a", "b"]


def test_when_no_provider_has_a_token_the_first_one_that_comes_is_told() -> None:
    """RL-4, RL-5: 2 s here, 0.5 s there."""
    on = Fallback(enabled=True, on_rate_limit=True)
    talk = Conversation(pool("chat", provider("a", rps=0.5), provider("b", rps=2, burst=1), fallback=on))
    assert {talk.acquire(1), talk.acquire(2)} == {"a", "b"}
    assert talk.acquire(3) is Refusal.PROVIDER_RATE
    assert talk.refused.retry_at == S // 2
    talk.pass_s(0.5)
    assert [talk.acquire(4), talk.acquire(5)] == ["b", Refusal.PROVIDER_RATE]


def test_another_attempt_takes_a_token_of_its_provider_and_none_of_the_pool() -> None:
    """RL-3, ORDER-2: the request was let in once; each provider it is sent to counts it."""
    talk = Conversation(
        pool("chat", provider("a", rps=1, burst=3), provider("b", rps=1, burst=3), rps=1, burst=3, fallback=ON)
    )
    assert {talk.acquire(1), talk.retry(1)} == {"a", "b"}
    talk.finish(1, outcome=UNSENT)
    limiters = [talk.state.limiter, *(slot.meter.limiter for slot in talk.state.slots)]
    left = [one.quota(0).remaining for one in limiters if one is not None]
    # The second attempt was never sent, the first was: the pool's token is spent, and one provider's.
    assert (left[0], sorted(left[1:])) == (2, [2, 3])


@pytest.mark.parametrize("on_rate_limit", [True, False])
def test_a_retry_that_finds_no_token_says_so(on_rate_limit: bool) -> None:
    """RL-5, FB-6: provider 1 failed, provider 2 is at its rate limit: the first is not asked again instead."""
    fallback = Fallback(enabled=True, on_rate_limit=on_rate_limit)
    talk = Conversation(pool("chat", A, provider("b", rps=1, burst=1), strategy=PRIORITY, fallback=fallback))
    assert [talk.acquire(1), talk.retry(1)] == ["a", "b"]
    assert [talk.acquire(2), talk.retry(2)] == ["a", Refusal.EXHAUSTED]
    assert (talk.refused.because, talk.refused.retry_at) == (Refusal.PROVIDER_RATE, S)
