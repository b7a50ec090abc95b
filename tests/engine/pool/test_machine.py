"""The pool machine, as dialogues: what one request is given."""

from typing import Any

import attrs
import pytest

from engine.pool.messages import ABANDONED, UNSENT, Outcome, Refusal
from engine.snapshot import DEFAULT_TIMEOUTS, Fallback, Pool, Strategy, Timeouts
from tests.engine.pool.conversation import NO_CIRCUITS, Conversation
from tests.engine.tables import pool as defined
from tests.engine.tables import provider

A, B, C = (provider(name) for name in "abc")
ON = Fallback(enabled=True)
PRIORITY = Strategy.PRIORITY


def fallback(**fields: Any) -> Fallback:
    return attrs.evolve(ON, **fields)


def pool(*args: Any, **fields: Any) -> Pool:
    return defined(*args, **{"circuit": NO_CIRCUITS} | fields)


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


def test_a_retry_uses_the_newest_definition() -> None:
    """DEF-52, ORDER-5: a removed provider is not chosen again, an added one may be."""
    talk = Conversation(pool("chat", A, B, strategy=PRIORITY, fallback=ON))
    assert talk.acquire(1) == "a"
    talk.reconfigure(pool("chat", A, C, strategy=PRIORITY, fallback=ON))
    assert talk.retry(1) == "c"


def test_a_lease_says_which_attempt_and_which_definition() -> None:
    """LB-10: attempts count from 1; the position is that of the definition that decided."""
    talk = Conversation(pool("chat", A, fallback=ON))
    talk.reconfigure(pool("chat", A, B, strategy=PRIORITY, fallback=ON))
    talk.acquire(7)
    assert (talk.lease.ticket, talk.lease.provider, talk.lease.attempt, talk.lease.position) == (7, A, 1, 2)
    talk.reconfigure(pool("chat", A, B, strategy=PRIORITY, fallback=ON, limit=3))
    talk.retry(7)
    assert (talk.lease.ticket, talk.lease.provider, talk.lease.attempt, talk.lease.position) == (7, B, 2, 3)
    assert not talk.lease.is_probe


def test_a_lease_says_how_long_its_attempt_may_take() -> None:
    """DEF-40: the provider's times, the pool's where it says nothing, the standing ones where neither does."""
    one = attrs.evolve(A, timeouts=Timeouts(connect_s=1.0, idle_s=2.0))
    talk = Conversation(pool("chat", one, timeouts=Timeouts(idle_s=9.0, first_byte_s=3.0)))
    talk.acquire(1)
    assert talk.lease.timeouts == Timeouts(1.0, 3.0, 2.0, DEFAULT_TIMEOUTS.total_s)
    talk.reconfigure(pool("chat", A))
    talk.acquire(2)
    assert talk.lease.timeouts == DEFAULT_TIMEOUTS


def test_asking_twice_takes_nothing_twice() -> None:
    """CL-2: a repeated question is refused; a repeated, late or unknown finish is harmless."""
    talk = Conversation(pool("chat", A, rps=1, burst=9, fallback=fallback(max_attempts=1)))
    assert [talk.acquire(1), talk.acquire(1)] == ["a", Refusal.EXHAUSTED]
    assert talk.counts == [1]
    assert talk.retry(1) is Refusal.EXHAUSTED
    assert talk.acquire(1) is Refusal.EXHAUSTED
    assert talk.retry(5) is Refusal.EXHAUSTED
    talk.finish(1, 1, 5)
    assert talk.counts == [0]
    assert talk.retry(1) is Refusal.EXHAUSTED
    talk.answered(1)
    assert talk.counts == [0]
    assert talk.state.limiter is not None
    assert talk.state.limiter.quota(0).remaining == 8


@pytest.mark.parametrize("outcome", [ABANDONED, UNSENT])
def test_an_abandoned_request_frees_what_it_held(outcome: Outcome) -> None:
    """FB-15: the slot is free again at once."""
    talk = Conversation(pool("chat", provider("a", limit=1), limit=1))
    talk.acquire(1)
    talk.finish(1, outcome=outcome)
    assert talk.acquire(2) == "a"


def test_additional_attempts_are_counted() -> None:
    """FB-9: one for each attempt after the first that was had."""
    talk = Conversation(pool("chat", A, B, strategy=PRIORITY, fallback=ON))
    assert [len(talk.attempts(ticket)) for ticket in (1, 2)] == [2, 2]
    assert (talk.state.retries, talk.state.budgets_exhausted) == (2, 0)


def test_before_its_first_definition_a_pool_is_retired() -> None:
    """ADOPT-9: nothing is configured, nothing is given."""
    assert Conversation().acquire(1) is Refusal.RETIRED
