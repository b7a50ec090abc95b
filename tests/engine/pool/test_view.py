"""What observers see of a pool."""

from typing import Any

import attrs

from engine.caller import KeyState
from engine.limiter import adjusted
from engine.pool.view import CircuitView, KeyView, PoolView, ProviderView, RateView, key_view, view
from engine.snapshot import Backoff, CircuitPolicy, Fallback, Limits, Strategy
from tests.engine.pool.conversation import MS, Conversation, failed, took
from tests.engine.tables import deny, pool, provider

CLOSED = CircuitView("closed", 0, None)
ON = Fallback(enabled=True, backoff=Backoff(100, jitter="none"), max_attempts=2)


def seen(talk: Conversation) -> PoolView:
    shown = view(talk.state, talk.at)
    assert shown is not None
    return shown


def shown(name: str, **fields: Any) -> ProviderView:
    """A provider with nothing to tell but its name."""
    plain = ProviderView(name, f"http://{name}.example/v1/", 1, 0, None, None, CLOSED, CLOSED, None)
    return attrs.evolve(plain, **fields)


def test_a_view_tells_the_whole_pool() -> None:
    """LB-15, WS-1: providers with weight, limits and active count, and the pool's own facts; no secret."""
    a = provider("a", weight=3, limit=5, rps=2, burst=4, deployment="d", credential="env:SECRET")
    definition = pool(
        "chat",
        a,
        provider("b"),
        limit=9,
        rps=1,
        burst=7,
        keys=frozenset({"k"}),
        strategy=Strategy.PRIORITY,
        fallback=ON,
        rules=(deny(),),
    )
    talk = Conversation(definition)
    talk.reconfigure(definition)
    talk.acquire(1)
    talk.acquire(2)
    talk.finish(2, outcome=took(250))
    assert seen(talk) == PoolView(
        alias="chat",
        position=2,
        strategy="priority",
        active=1,
        waiting=0,
        limit=9,
        rate=RateView(7, 5),
        fallback=True,
        rules=1,
        keys=1,
        retries=0,
        budgets_exhausted=0,
        providers=(
            shown("a", weight=3, active=1, limit=5, rate=RateView(4, 2), latency_ms=250.0, deployment="d", chosen=2),
            shown("b"),
        ),
    )
    assert "SECRET" not in repr(seen(talk))


def test_a_pause_is_seen_and_so_are_its_counters() -> None:
    """FB-9, LB-14: in the pool, at no provider; the additional attempt is counted when it is made."""
    talk = Conversation(pool("chat", provider("a"), fallback=ON, circuit=CircuitPolicy(enabled=False)))
    talk.acquire(1)
    talk.retry(1)
    shown_now = seen(talk)
    assert (shown_now.active, shown_now.waiting, shown_now.retries) == (1, 1, 0)
    assert shown_now.providers[0].active == 0
    talk.pass_s(0.1)
    talk.tick()
    shown_now = seen(talk)
    assert (shown_now.active, shown_now.waiting, shown_now.retries) == (1, 0, 1)
    assert shown_now.providers[0].active == 1


def test_circuits_are_seen_with_their_time() -> None:
    """HEALTH-6, WS-1: whole seconds, rounded up; half open when they are over; the credential's apart."""
    talk = Conversation(pool("chat", provider("a", credential="env:KEY")))
    for ticket in (1, 2):
        talk.fails(ticket)
    assert seen(talk).providers[0].circuit == CircuitView("closed", 2, None)
    talk.fails(3)
    talk.at = 500 * MS
    assert seen(talk).providers[0].circuit == CircuitView("open", 3, 60)
    talk.pass_s(60)
    assert seen(talk).providers[0].circuit == CircuitView("half_open", 3, None)
    talk.fails(4, failed(401))
    provider_seen = seen(talk).providers[0]
    assert (provider_seen.circuit.phase, provider_seen.credential) == ("half_open", CircuitView("open", 1, 60))


def test_what_was_chosen_and_refused_is_counted() -> None:
    """LB-15: attempts of a provider, and requests that got none by why; a question asked twice is one question."""
    talk = Conversation(pool("chat", provider("a", limit=1), provider("b", limit=1), limit=2, rps=1, burst=3))
    for ticket in (1, 2, 2, 3, 4):
        talk.acquire(ticket)
    assert seen(talk).refused == {"pool_full": 2}
    talk.finish(1)
    talk.acquire(5)
    talk.finish(2)
    talk.acquire(6)
    assert seen(talk).refused == {"pool_full": 2, "pool_rate": 1}
    assert sorted(provider_seen.chosen for provider_seen in seen(talk).providers) == [1, 2]


def test_a_key_is_seen_with_what_it_has_left() -> None:
    """WS-1: in flight and the bucket."""
    limits = Limits(3, 1, 4)
    state = KeyState(limits, 1, adjusted(None, limits, 0), active=2)
    assert state.limiter is not None
    state.limiter.take(0)
    assert key_view(state, 0) == KeyView(2, 3, RateView(4, 3))
    assert key_view(KeyState(Limits(), 1, None), 0) == KeyView(0)


def test_a_draining_provider_is_marked() -> None:
    """ADOPT-3: seen until its last request ends."""
    talk = Conversation(pool("chat", provider("a", weight=3, limit=5)))
    talk.acquire(1)
    talk.reconfigure(pool("chat"))
    assert seen(talk).keys is None
    assert seen(talk).providers == (shown("a", weight=3, active=1, limit=5, draining=True, chosen=1),)
    talk.finish(1)
    assert seen(talk).providers == ()


def test_a_pool_that_is_gone_is_not_seen() -> None:
    """ADOPT-9: also while its last request ends."""
    talk = Conversation(pool("chat", provider("a")))
    talk.acquire(1)
    talk.reconfigure(None)
    assert view(talk.state, 0) is None
    assert view(Conversation().state, 0) is None


def test_a_view_is_a_value() -> None:
    """WS-1: what was seen does not change under the observer, and seeing changes nothing."""
    talk = Conversation(pool("chat", provider("a", rps=1, burst=5)))
    before = seen(talk)
    assert seen(talk) == before
    talk.acquire(1)
    assert before.active == before.providers[0].active == 0
    assert before.providers[0].rate == RateView(5, 5)
    assert seen(talk) != before
