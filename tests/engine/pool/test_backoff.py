"""Pauses between the attempts of one request."""

from typing import Any

import pytest

from engine.pool.draw import draw
from engine.pool.machine import step, wake_at
from engine.pool.messages import ABANDONED, SUCCEEDED, UNSENT, Acquire, Leased, Outcome, Refusal, Retry, Tick
from engine.pool.terms import pause_of
from engine.snapshot import Backoff, Fallback, Pool, Strategy
from tests.engine.pool.conversation import FAILED, MS, NO_CIRCUITS, Conversation
from tests.engine.tables import pool, provider

A, B, C = (provider(name) for name in "abc")
HUNDRED = Backoff(100, max_ms=300, factor=2, jitter="none")


def chat(backoff: Backoff = HUNDRED, *, total_ms: float | None = None, attempts: int = 9, **fields: Any) -> Pool:
    fallback = Fallback(enabled=True, max_attempts=attempts, backoff=backoff, max_total_backoff_ms=total_ms)
    return pool("chat", A, B, C, strategy=Strategy.PRIORITY, fallback=fallback, circuit=NO_CIRCUITS, **fields)


def pauses(talk: Conversation, ticket: int = 1) -> list[int]:
    """Milliseconds before each further attempt, until the machine gives up."""
    assert isinstance(talk.acquire(ticket), str)
    waited = []
    while True:
        answer = talk.retry(ticket)
        if answer is not None:
            assert answer is Refusal.EXHAUSTED
            return waited
        due = wake_at(talk.state)
        assert due is not None
        assert due > talk.at
        waited.append((due - talk.at) // MS)
        talk.at = due - 1
        assert talk.tick() == []
        talk.at = due
        (name,) = talk.tick()
        assert isinstance(name, str)


def test_the_vector_of_the_spec() -> None:
    """FB-8: initial 100, factor 2, at most 300, no jitter: 100, 200, 300, 300 …, and none after the last attempt."""
    assert pauses(Conversation(chat())) == [100, 200, 300, 300, 300, 300, 300, 300]


@pytest.mark.parametrize(
    ("backoff", "failures", "pause_ns"),
    [
        (Backoff(100, 300, 2), 1, 100 * MS),
        (Backoff(0.5, 300, 1), 7, MS // 2),
        (Backoff(0, 300, 2), 3, 0),
        (Backoff(100, 5000, 10), 400, 5000 * MS),
        (Backoff(1, 2.0**32, 1e9), 10**6, 2**32 * MS),
    ],
)
def test_a_pause_is_a_whole_number_and_has_a_bound(backoff: Backoff, failures: int, pause_ns: int) -> None:
    """FB-8: also where the power is beyond every float."""
    assert pause_of(backoff, failures) == pause_ns


@pytest.mark.parametrize("seed", [1, 7, 2**63])
def test_full_jitter_is_drawn_from_the_pools_seed(seed: int) -> None:
    """FB-8, LB-16: uniform in [0, pause], the n-th draw of the seed; the same seed gives the same again."""
    definition = chat(Backoff(100, 300, 2, "full"))
    expected = [draw(seed, n + 1, bound * MS + 1) // MS for n, bound in enumerate([100, 200, *[300] * 6])]
    assert pauses(Conversation(definition, seed=seed)) == expected
    assert all(pause <= 300 for pause in expected)


def test_jitter_spreads_over_the_whole_pause() -> None:
    """FB-8: of 400 first pauses of at most 100 ms, each quarter has 100 ± 4 deviations (35)."""
    definition = chat(Backoff(100, 300, 2, "full"), attempts=2)
    first = [pauses(Conversation(definition, seed=seed))[0] for seed in range(400)]
    quarters = [sum(low <= pause < low + 25 for pause in first) for low in (0, 25, 50, 75)]
    assert all(abs(count - 100) < 35 for count in quarters)


@pytest.mark.parametrize(
    ("total_ms", "waited"), [(0, []), (99.9, []), (100, [100]), (599, [100, 200]), (600, [100, 200, 300])]
)
def test_the_pauses_of_a_request_have_a_sum(total_ms: float, waited: list[int]) -> None:
    """FB-8, FB-9: the one that would exceed it ends the request instead, which is counted."""
    talk = Conversation(chat(total_ms=total_ms))
    assert pauses(talk) == waited
    assert (talk.state.budgets_exhausted, talk.state.retries) == (1, len(waited))
    talk.finish(1)
    assert pauses(talk, 2) == waited
    assert talk.state.budgets_exhausted == 2


def test_nothing_is_held_in_a_pause_but_the_requests_place_in_the_pool() -> None:
    """LB-14, CL-3: the failed attempt's slot is free; the pool's own limit counts the request."""
    talk = Conversation(chat(limit=1))
    talk.acquire(1)
    assert talk.retry(1) is None
    assert talk.counts == [0, 0, 0]
    assert talk.acquire(2) is Refusal.POOL_FULL


@pytest.mark.parametrize("outcome", [ABANDONED, SUCCEEDED, UNSENT])
def test_a_client_that_leaves_in_a_pause_ends_it(outcome: Outcome) -> None:
    """FB-15, T25: no answer any more, no attempt, nothing held, no alarm."""
    talk = Conversation(chat(limit=1))
    talk.acquire(1)
    assert talk.retry(1) is None
    talk.finish(1, outcome=outcome)
    assert wake_at(talk.state) is None
    talk.pass_s(10)
    assert talk.tick() == []
    assert (talk.counts, talk.state.journeys, talk.state.retries) == ([0, 0, 0], {}, 0)
    assert talk.acquire(2) == "a"


def test_whoever_is_due_is_answered_by_the_next_message_whatever_it_is() -> None:
    """House §5: one answer each, in the order in which they are due, before the message's own."""
    talk = Conversation(chat())
    for ticket in (1, 2, 3):
        talk.acquire(ticket)
        talk.pass_s(0.01)
    for ticket in (3, 1):
        assert talk.retry(ticket) is None
    assert wake_at(talk.state) == talk.at + 100 * MS
    talk.pass_s(0.1)
    effects = step(talk.state, Acquire(4, talk.at))
    assert [effect.ticket for effect in effects] == [1, 3, 4]
    assert [effect.attempt for effect in effects if isinstance(effect, Leased)] == [2, 2, 1]
    assert step(talk.state, Tick(talk.at)) == ()


def test_asking_twice_in_a_pause_has_one_answer() -> None:
    """House §5: the answer comes when the pause is over, once, and the pause does not grow."""
    talk = Conversation(chat())
    talk.acquire(1)
    assert talk.retry(1) is None
    due = wake_at(talk.state)
    assert [talk.retry(1), talk.retry(1)] == [None, None]
    assert wake_at(talk.state) == due
    talk.pass_s(0.1)
    assert talk.tick() == ["b"]


def test_a_definition_that_changes_in_a_pause_decides_after_it() -> None:
    """DEF-52: the pause stays as it was; what is there then is asked."""
    talk = Conversation(chat())
    talk.acquire(1)
    talk.retry(1)
    due = wake_at(talk.state)
    assert talk.reconfigure(pool("chat", provider("new"))) == []
    assert wake_at(talk.state) == due
    talk.pass_s(0.1)
    assert talk.tick() == ["new"]


def test_a_pool_that_goes_ends_all_pauses() -> None:
    """ADOPT-9: who waits for another attempt waits for nothing: one answer each, at once, and none later."""
    talk = Conversation(chat())
    for ticket in (1, 2):
        talk.acquire(ticket)
        talk.retry(ticket)
    assert talk.reconfigure(None) == [Refusal.EXHAUSTED] * 2
    assert wake_at(talk.state) is None
    talk.pass_s(10)
    assert talk.tick() == []
    assert not talk.state.is_over
    talk.finish(1, 2)
    assert talk.state.is_over


def test_a_pause_of_nothing_is_answered_at_once() -> None:
    """FB-8: no backoff, or one of 0."""
    for backoff in (Backoff(0, 0), Backoff(0, 300, 2, "none")):
        talk = Conversation(chat(backoff))
        assert [talk.acquire(1), talk.retry(1), talk.retry(1)] == ["a", "b", "c"]


def test_a_pauses_draw_is_no_decisions() -> None:
    """Issue 3: a decision tells the numbers it was drawn by, and no other request's."""
    talk = Conversation(chat(Backoff(100, 300, 2, "full")))
    talk.acquire(1)
    (*none,) = step(talk.state, Retry(1, talk.at, FAILED))
    assert none == []
    talk.acquire(2)
    assert talk.lease.decision.draws == ()
