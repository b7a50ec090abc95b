"""A pool that is defined anew, as dialogues: what stays and what does not."""

from typing import Any

import attrs
import pytest

from engine.pool.messages import Refusal
from engine.snapshot import CircuitPolicy, Fallback, Pool, Strategy, Timeouts
from tests.engine.pool.conversation import NO_CIRCUITS, Conversation, S, failed
from tests.engine.tables import pool, provider

A, B, C = (provider(name) for name in "abc")
ON = Fallback(enabled=True)
PRIORITY = Strategy.PRIORITY


def test_counters_survive_new_weights_and_limits() -> None:
    """ADOPT-1, ADOPT-2: (3, 2) stays (3, 2); an old request that ends leaves a sum of 4."""
    talk = Conversation(pool("chat", attrs.evolve(A, weight=3), attrs.evolve(B, weight=2)))
    for ticket in range(5):
        talk.acquire(ticket)
    assert talk.counts == [3, 2]
    new = attrs.evolve(A, weight=1, trusted=True, name="renamed", response_headers={"x": "y"})
    talk.reconfigure(pool("chat", new, provider("b", limit=9, weight=7)))
    assert talk.counts == [3, 2]
    talk.finish(0)
    assert sum(talk.counts) == 4


def test_counters_follow_their_providers_through_a_reorder() -> None:
    """ADOPT-2: by identity, not by place."""
    talk = Conversation(pool("chat", A, B, C, strategy=PRIORITY))
    talk.acquire(1)
    talk.reconfigure(pool("chat", C, A, B))
    assert talk.counts == [0, 1, 0]


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"credential": "env:NEW"}, True),
        ({"auth_header": "x-api-key"}, True),
        ({"weight": 9}, True),
        ({"timeouts": Timeouts(total_s=1.0)}, True),
        ({"priority": 3, "cost": 1.5}, True),
        ({"deployment": "d"}, False),
        ({"url": "http://a.example/v2/"}, False),
        ({"model": "other"}, False),
    ],
)
def test_what_a_provider_is_known_by(change: dict[str, Any], kept: bool) -> None:
    """ADOPT-1, ADOPT-3, ADOPT-6, SYNC-17: address, upstream model, deployment; not its credential, weight or limits."""
    talk = Conversation(pool("chat", A))
    talk.acquire(1)
    talk.reconfigure(pool("chat", attrs.evolve(A, **change)))
    assert (talk.counts, talk.draining) == (([1], []) if kept else ([0], [1]))
    talk.finish(1)
    assert (talk.counts, talk.draining) == ([0], [])


def test_a_removed_provider_drains_and_may_come_back() -> None:
    """ADOPT-3: its counter lives as long as its last lease; back in time, it is the same one; later, a new one."""
    talk = Conversation(pool("chat", A, B, strategy=PRIORITY))
    talk.acquire(1)
    talk.acquire(2)
    talk.reconfigure(pool("chat", B))
    assert (talk.counts, talk.draining) == ([0], [2])
    talk.finish(1)
    talk.reconfigure(pool("chat", A, B))
    assert (talk.counts, talk.draining) == ([1, 0], [])
    talk.reconfigure(pool("chat", B))
    talk.finish(2)
    assert talk.draining == []
    talk.reconfigure(pool("chat", A, B))
    assert talk.counts == [0, 0]
    talk.finish(1, 2, 2, 99)
    assert talk.counts == [0, 0]


def test_equal_identities_are_matched_pairwise() -> None:
    """ADOPT-7, DEF-30: the k-th with the k-th; no counter is shared."""
    twins = [provider(name, url="http://a.example/", limit=2) for name in ("one", "two", "three")]
    talk = Conversation(pool("chat", *twins, strategy=PRIORITY))
    for ticket in range(5):
        talk.acquire(ticket)
    assert talk.counts == [2, 2, 1]
    talk.reconfigure(pool("chat", *twins, strategy=PRIORITY))
    assert talk.counts == [2, 2, 1]
    talk.reconfigure(pool("chat", *twins[:2], strategy=PRIORITY))
    assert (talk.counts, talk.draining) == ([2, 2], [1])
    talk.reconfigure(pool("chat", *twins, strategy=PRIORITY))
    assert talk.counts == [2, 2, 1]
    talk.finish(*range(5))
    assert talk.counts == [0, 0, 0]


def test_a_removed_alias_gives_nothing_new_and_ends_with_its_last_request() -> None:
    """ADOPT-8, ADOPT-9: running attempts end in peace; a retry finds nothing; then the pool is over."""
    talk = Conversation(pool("chat", A, B, fallback=ON))
    talk.acquire(1)
    talk.acquire(2)
    talk.reconfigure(None)
    assert talk.acquire(3) is Refusal.RETIRED
    assert talk.retry(1) is Refusal.EXHAUSTED
    assert sum(talk.draining) == 1
    talk.finish(1, 3)
    over = [talk.state.is_over]
    talk.finish(2)
    assert [*over, talk.state.is_over] == [False, True]
    assert talk.draining == []


def test_an_alias_that_returns_in_time_keeps_its_counters() -> None:
    """ADOPT-9: gone and back while a request runs."""
    talk = Conversation(pool("chat", A))
    talk.acquire(1)
    talk.reconfigure(None)
    talk.reconfigure(pool("chat", B, A))
    assert talk.counts == [0, 1]


@pytest.mark.parametrize(
    ("after", "left"),
    [
        # (rate, burst) after 1 a second with a burst of 5, of which 3 were taken.
        ((1, 5), 2),
        ((4, 5), 2),
        ((0.1, 5), 2),
        ((1, 9), 2),
        ((1, 1), 1),
    ],
)
@pytest.mark.parametrize("whose", ["pool", "provider"])
def test_tokens_survive_a_new_definition(after: tuple[float, int], left: int, whose: str) -> None:
    """RL-7, DEF-8: the pool's and the provider's balance stay, cut to the new burst."""

    def limited(rate: tuple[float, int]) -> Pool:
        limits = {"rps": rate[0], "burst": rate[1]}
        return pool("chat", A, **limits) if whose == "pool" else pool("chat", provider("a", **limits))

    refusal = Refusal.POOL_RATE if whose == "pool" else Refusal.PROVIDER_RATE
    talk = Conversation(limited((1, 5)))
    for ticket in (1, 2, 3):
        assert talk.acquire(ticket) == "a"
    talk.reconfigure(limited(after))
    said = [talk.acquire(ticket) for ticket in range(4, 4 + left + 1)]
    assert said == ["a"] * left + [refusal]


def test_what_is_not_about_limits_leaves_them_alone() -> None:
    """RL-7, DEF-8: a hundred reloads of weights, strategies and rules refill nothing."""
    talk = Conversation(pool("chat", provider("a", rps=0.001, burst=3), B, rps=0.002, burst=9, strategy=PRIORITY))
    assert talk.acquire(1) == "a"
    for turn in range(100):
        strategy = [PRIORITY, Strategy.COST, Strategy.WEIGHTED_RANDOM][turn % 3]
        again = provider("a", rps=0.001, burst=3, weight=turn + 1)
        talk.pass_s(0.001)
        talk.reconfigure(pool("chat", again, B, rps=0.002, burst=9, strategy=strategy))
    meter, limiter = talk.slot("a").meter.limiter, talk.state.limiter
    assert meter is not None
    assert limiter is not None
    assert (meter.quota(talk.at).remaining, limiter.quota(talk.at).remaining) == (2, 8)


def test_a_limit_that_is_dropped_and_set_again_starts_full() -> None:
    """RL-7: without a limit there is nothing to keep."""
    talk = Conversation(pool("chat", A, rps=0.1, burst=1))
    assert [talk.acquire(1), talk.acquire(2)] == ["a", Refusal.POOL_RATE]
    talk.reconfigure(pool("chat", A))
    talk.reconfigure(pool("chat", A, rps=0.1, burst=1))
    assert [talk.acquire(3), talk.acquire(4)] == ["a", Refusal.POOL_RATE]


def test_an_alias_that_returns_in_time_keeps_its_tokens() -> None:
    """ADOPT-9, RL-7: gone and back while a request runs: its rate limit was not refilled."""
    talk = Conversation(pool("chat", A, rps=0.1, burst=2))
    assert [talk.acquire(1), talk.acquire(2)] == ["a", "a"]
    talk.reconfigure(None)
    talk.reconfigure(pool("chat", A, rps=0.1, burst=2))
    assert talk.acquire(3) is Refusal.POOL_RATE


def test_a_new_credential_ends_its_fault_and_nothing_else() -> None:
    """ADOPT-6, KEY-3, DEF-66: the circuit for failures keeps its deadline; the count and the tokens stay."""
    old = provider("a", credential="env:OLD", rps=0.1, burst=9)
    talk = Conversation(pool("chat", old))
    for ticket in (1, 2, 3, 4):
        talk.acquire(ticket)
    talk.finish(1, outcome=failed(401))
    for ticket in (2, 3, 4):
        talk.finish(ticket, outcome=failed(500))
    slot = talk.slot("a")
    opened = (slot.health.until, slot.health.failures, slot.health.causes)
    assert (slot.credential.until, slot.health.until) == (60 * S, 60 * S)
    talk.pass_s(1)
    talk.reconfigure(pool("chat", attrs.evolve(old, credential="env:NEW")))
    assert slot is talk.slot("a")
    assert slot.credential.until is None
    assert (slot.health.until, slot.health.failures, slot.health.causes) == opened
    assert slot.is_barred
    assert slot.meter.limiter is not None
    assert slot.meter.limiter.quota(talk.at).remaining == 5


def test_a_circuit_keeps_its_deadline_through_other_changes() -> None:
    """ADOPT-6, HEALTH-6: weights, limits, order, strategy, even other cooldowns, which hold from the next opening."""
    talk = Conversation(pool("chat", A, B, strategy=PRIORITY))
    for ticket in (1, 2, 3):
        talk.fails(ticket)
    slot = talk.slot("a")
    assert slot.health.until == 60 * S
    for definition in (
        pool("chat", B, attrs.evolve(A, weight=9)),
        pool("chat", provider("a", limit=5, rps=3), strategy=Strategy.COST),
        pool("chat", A, limit=9, rps=5, circuit=CircuitPolicy(failures=9, cooldowns_s=(1.0,))),
        pool("chat", attrs.evolve(A, name="other", priority=3), B, circuit=CircuitPolicy(max_retry_after_s=1.0)),
    ):
        talk.pass_s(1)
        talk.reconfigure(definition)
        assert slot in talk.state.slots
        assert (slot.health.until, slot.health.failures, slot.is_barred) == (60 * S, 3, True)


def test_a_pool_that_does_without_circuits_forgets_them() -> None:
    """HEALTH-6: switched off, everything is trusted again, and stays so when it is switched on."""
    talk = Conversation(pool("chat", A))
    for ticket in (1, 2, 3):
        talk.fails(ticket)
    talk.reconfigure(pool("chat", A, circuit=NO_CIRCUITS))
    assert not talk.slot("a").is_barred
    talk.reconfigure(pool("chat", A))
    assert talk.acquire(4) == "a"
    assert not talk.lease.is_probe


def test_a_probe_that_ends_unseen_does_not_keep_others_away() -> None:
    """HEALTH-6, ADOPT-3: its provider drains, the pool does without circuits meanwhile, and then both are back."""
    talk = Conversation(pool("chat", A))
    assert talk.acquire(0) == "a"
    for ticket in (1, 2, 3):
        talk.fails(ticket)
    talk.pass_s(60)
    assert [talk.acquire(4), talk.lease.is_probe] == ["a", True]
    talk.reconfigure(pool("chat", B, circuit=NO_CIRCUITS))
    talk.finish(4)
    talk.reconfigure(pool("chat", A))
    assert talk.counts == [1]
    assert talk.acquire(5) == "a"
