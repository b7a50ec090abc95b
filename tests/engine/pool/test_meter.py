"""Limits that belong to a deployment, whichever pools lead to it."""

import attrs

from engine.pool.messages import UNSENT, Refusal
from engine.pool.meter import Meters
from engine.snapshot import Fallback, Pool, Provider, Strategy
from tests.engine.pool.conversation import Conversation, S
from tests.engine.tables import pool, provider

ON = Fallback(enabled=True, on_rate_limit=True)


def chat(*providers: Provider) -> Pool:
    return pool("chat", *providers, strategy=Strategy.PRIORITY, fallback=ON)


def two(one: Provider, other: Provider | None = None) -> tuple[Conversation, Conversation]:
    """Two pools of one process that lead to a deployment."""
    meters = Meters()
    return Conversation(chat(one), meters=meters), Conversation(chat(other or one), meters=meters)


def test_its_slots_are_counted_over_all_pools() -> None:
    """SYNC-17, DEF-20: a limit of 3: two here and one there, then nobody anywhere; one ends, one gets in."""
    here, there = two(provider("a", limit=3, deployment="d"))
    assert [here.acquire(1), here.acquire(2), there.acquire(1)] == ["a", "a", "a"]
    assert (here.counts, there.counts) == ([2], [1])
    assert [here.acquire(3), there.acquire(3)] == [Refusal.PROVIDERS_FULL] * 2
    here.finish(1)
    assert [there.acquire(4), here.acquire(4)] == ["a", Refusal.PROVIDERS_FULL]


def test_its_tokens_are_counted_over_all_pools() -> None:
    """SYNC-17: 1 a second, 2 at once: one here, one there, then nobody for a second; what was not sent comes back."""
    here, there = two(provider("a", rps=1, burst=2, deployment="d"))
    assert [here.acquire(1), there.acquire(1)] == ["a", "a"]
    assert [here.acquire(2), there.acquire(2)] == [Refusal.PROVIDER_RATE] * 2
    assert (here.refused.retry_at, there.refused.retry_at) == (S, S)
    here.finish(1, outcome=UNSENT)
    assert [there.acquire(3), here.acquire(3)] == ["a", Refusal.PROVIDER_RATE]


def test_it_is_known_by_its_name_whatever_the_address() -> None:
    """SYNC-17: two addresses, two upstream models, one deployment."""
    one = provider("a", limit=1, deployment="d")
    here, there = two(one, attrs.evolve(one, url="http://other.example/", model="m"))
    assert [here.acquire(1), there.acquire(1)] == ["a", Refusal.PROVIDERS_FULL]


def test_twice_in_one_pool_it_is_still_one() -> None:
    """SYNC-17, ADOPT-7: two slots of their own, one meter."""
    both = [provider(name, limit=2, deployment="d") for name in "ab"]
    talk = Conversation(chat(*both))
    assert [talk.acquire(ticket) for ticket in (1, 2, 3)] == ["a", "a", Refusal.PROVIDERS_FULL]
    talk.reconfigure(pool("chat", *both))
    assert talk.counts == [2, 0]


def test_without_a_deployment_nothing_is_shared() -> None:
    """SYNC-17: the same address in two pools, a limit each."""
    here, there = two(provider("a", limit=1, rps=1, burst=1))
    assert [here.acquire(1), there.acquire(1)] == ["a", "a"]


def test_health_is_each_pools_own() -> None:
    """SYNC-17, HEALTH-6: pools may have other thresholds, other credentials, other models."""
    here, there = two(provider("a", limit=9, deployment="d"))
    for ticket in (1, 2, 3):
        here.fails(ticket)
    assert here.slot("a").is_barred
    assert not there.slot("a").is_barred


def test_a_change_in_one_pool_keeps_what_is_used_of_it() -> None:
    """RL-7, CL-5, SYNC-17: new limits hold for both pools at once; nothing is refilled, nothing is forgotten."""
    one = provider("a", limit=2, rps=1, burst=5, deployment="d")
    here, there = two(one)
    assert [here.acquire(1), there.acquire(1)] == ["a", "a"]
    here.reconfigure(chat(attrs.evolve(one, weight=7), provider("b")))
    assert [there.acquire(2), here.acquire(2)] == [Refusal.PROVIDERS_FULL, "b"]
    here.reconfigure(chat(attrs.evolve(one, limits=attrs.evolve(one.limits, max_concurrent=9, burst=2))))
    assert [there.acquire(3), here.acquire(3), there.acquire(4)] == ["a", "a", Refusal.PROVIDER_RATE]
    assert (here.slot("a").meter.active, there.slot("a").meter.active) == (4, 4)


def test_the_meter_lives_as_long_as_a_slot_of_it() -> None:
    """ADOPT-3, SYNC-17: removed here, it is kept there; a slot that drains still counts; with the last it is gone."""
    one = provider("a", limit=9, rps=0.001, burst=2, deployment="d")
    here, there = two(one)
    meters = here.state.meters
    assert [here.acquire(1), there.acquire(1)] == ["a", "a"]
    here.reconfigure(chat())
    there.reconfigure(None)
    assert meters.shared["d"].slots == 2
    here.reconfigure(chat(one))
    assert here.acquire(2) is Refusal.PROVIDER_RATE
    there.finish(1)
    assert there.state.is_over
    assert (meters.shared["d"].slots, meters.shared["d"].active) == (1, 1)
    here.reconfigure(None)
    here.finish(1)
    assert meters.shared == {}


def test_a_pool_that_returns_finds_the_meter_that_others_kept() -> None:
    """SYNC-17, RL-7: leaving and coming back is no way to a full bucket."""
    one = provider("a", rps=0.001, burst=1, deployment="d")
    here, there = two(one)
    assert here.acquire(1) == "a"
    here.finish(1)
    here.reconfigure(chat())
    here.reconfigure(chat(one))
    assert [here.acquire(2), there.acquire(2)] == [Refusal.PROVIDER_RATE] * 2
