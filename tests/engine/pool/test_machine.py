"""The pool machine, as dialogues."""

from typing import Any

import attrs
import pytest

from engine.pool.machine import step
from engine.pool.messages import ABANDONED, Acquire, Finish, Leased, Refusal
from engine.snapshot import Fallback, Pool, Provider, Strategy
from tests.engine.pool.conversation import Conversation
from tests.engine.tables import pool, provider

A, B, C = (provider(name) for name in "abc")
ON = Fallback(enabled=True)
PRIORITY = Strategy.PRIORITY


def fallback(**fields: Any) -> Fallback:
    return attrs.evolve(ON, **fields)


def test_two_equal_providers_take_turns() -> None:
    """LB-8: the first pick held, the second must be the other; the first released, the third is the first again."""
    for seed in range(20):
        talk = Conversation(pool("chat", A, B), seed=seed)
        first = talk.acquire(1)
        second = talk.acquire(2)
        assert {first, second} == {"a", "b"}
        talk.finish(1)
        assert talk.acquire(3) == first


ITERATOR: list[tuple[Pool, list[str]]] = [
    (pool("chat", A, B, C, strategy=PRIORITY, fallback=ON), ["a", "b", "c"]),
    (
        pool("chat", A, B, C, strategy=PRIORITY, fallback=fallback(with_replacement=True, max_attempts=3)),
        ["a", "b", "c"],
    ),
    (pool("chat", A, fallback=fallback(with_replacement=True, max_attempts=3)), ["a", "a", "a"]),
    (pool("chat", A, strategy=PRIORITY, fallback=fallback(max_attempts=3)), ["a", "a", "a"]),
    (pool("chat", A, B, strategy=PRIORITY, fallback=fallback(max_attempts=5)), ["a", "b", "a", "b", "a"]),
    (pool("chat", A, B, C, strategy=PRIORITY, fallback=fallback(max_attempts=2)), ["a", "b"]),
    (pool("chat", A, B, strategy=PRIORITY), ["a"]),
    (pool("chat", A, B, strategy=PRIORITY, fallback=Fallback(max_attempts=5)), ["a"]),
    (pool("chat", fallback=ON), []),
    (pool("chat", attrs.evolve(A, weight=0), B, strategy=PRIORITY, fallback=ON), ["b", "b"]),
]


@pytest.mark.parametrize(("definition", "names"), ITERATOR)
def test_the_attempts_of_one_request(definition: Pool, names: list[str]) -> None:
    """LB-10, LB-11, LB-12, LB-13, DEF-48: the vectors; without fallback there is one attempt whatever is set."""
    assert Conversation(definition).attempts(1) == names


@pytest.mark.parametrize("seed", range(10))
def test_the_attempts_of_one_request_where_they_are_drawn(seed: int) -> None:
    """LB-12, LB-13: distinct without replacement until a pass is over; exactly the budget with it."""
    all_three = Conversation(pool("chat", A, B, C, fallback=ON), seed=seed).attempts(1)
    assert sorted(all_three) == ["a", "b", "c"]
    two = Conversation(pool("chat", A, B, C, fallback=fallback(max_attempts=2)), seed=seed).attempts(1)
    assert len(set(two)) == len(two) == 2
    drawn = Conversation(pool("chat", A, B, fallback=fallback(with_replacement=True, max_attempts=5)), seed=seed)
    assert len(drawn.attempts(1)) == 5
    passes = Conversation(pool("chat", A, B, fallback=fallback(max_attempts=4)), seed=seed).attempts(1)
    assert sorted(passes[:2]) == sorted(passes[2:]) == ["a", "b"]


def test_replacement_means_the_same_one_may_come_again() -> None:
    """LB-11: over some seeds, two attempts at two providers hit the same one twice."""
    definition = pool("chat", A, B, fallback=fallback(with_replacement=True, max_attempts=2))
    assert {len(set(Conversation(definition, seed=seed).attempts(1))) for seed in range(20)} == {1, 2}


def test_a_slot_is_held_only_while_its_attempt_runs() -> None:
    """LB-14: failing over frees the slot before the next selection: one slot is enough for a second attempt at it."""
    talk = Conversation(pool("chat", provider("a", limit=1), B, strategy=PRIORITY, fallback=ON))
    assert talk.acquire(1) == "a"
    assert talk.retry(1) == "b"
    assert talk.counts == [0, 1]
    assert talk.acquire(2) == "a"
    single = Conversation(pool("chat", provider("a", limit=1), fallback=fallback(max_attempts=2)))
    assert single.attempts(1) == ["a", "a"]


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
        ({"header_timeout_s": 1.0}, True),
        ({"url": "http://a.example/v2/"}, False),
        ({"model": "other"}, False),
    ],
)
def test_what_a_provider_is_known_by(change: dict[str, Any], kept: bool) -> None:
    """ADOPT-1, ADOPT-3, ADOPT-6: address and upstream model; a rotated credential keeps the counter."""
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


def test_a_retry_uses_the_newest_definition() -> None:
    """DEF-52, ORDER-5: a removed provider is not chosen again, an added one may be."""
    talk = Conversation(pool("chat", A, B, strategy=PRIORITY, fallback=ON))
    assert talk.acquire(1) == "a"
    talk.reconfigure(pool("chat", A, C, strategy=PRIORITY, fallback=ON))
    assert talk.retry(1) == "c"


def test_a_lease_says_which_attempt_and_which_definition() -> None:
    """LB-10: attempts count from 1; the position is that of the definition that decided."""
    talk = Conversation(pool("chat", A))
    talk.reconfigure(pool("chat", A))
    assert step(talk.state, Acquire(7, 0)) == Leased(7, A, attempt=1, position=2)


def test_asking_twice_takes_nothing_twice() -> None:
    """CL-2: a repeated question has the same answer; a repeated, late or unknown finish is harmless."""
    talk = Conversation(pool("chat", A, fallback=fallback(max_attempts=1)))
    assert talk.acquire(1) == talk.acquire(1) == "a"
    assert talk.counts == [1]
    assert talk.retry(1) is Refusal.EXHAUSTED
    assert talk.acquire(1) is Refusal.EXHAUSTED
    assert talk.retry(5) is Refusal.EXHAUSTED
    talk.finish(1, 1, 5)
    assert talk.counts == [0]
    assert talk.retry(1) is Refusal.EXHAUSTED
    assert talk.counts == [0]


def test_an_abandoned_request_frees_what_it_held() -> None:
    """FB-15: the slot is free again at once."""
    talk = Conversation(pool("chat", provider("a", limit=1)))
    talk.acquire(1)
    step(talk.state, Finish(1, 0, ABANDONED))
    assert talk.acquire(2) == "a"


def test_before_its_first_definition_a_pool_is_retired() -> None:
    """ADOPT-9: nothing is configured, nothing is given."""
    assert Conversation().acquire(1) is Refusal.RETIRED
