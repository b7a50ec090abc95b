"""Each verdict of a decision, in words."""

from typing import Any

import attrs
import pytest

from engine.pool.circuit import Cause
from engine.pool.decision import Decision, Row, Verdict
from engine.pool.messages import ABANDONED, SUCCEEDED, Acquire, Finish, Outcome, Refusal, Refused, Retry, Tick
from engine.pool.messages import Kind as OutcomeKind
from engine.recording import Entry, Granted
from engine.snapshot import Strategy
from projections.explanation import steps, why

MS, S = 10**6, 10**9
NOW = 1000 * S


def decision(*rows: Row, **fields: Any) -> Decision:
    plain: dict[str, Any] = {
        "ticket": 7,
        "position": 3,
        "at": NOW,
        "attempt": 1,
        "strategy": Strategy.WEIGHTED_RANDOM,
        "affinity": None,
        "rows": rows,
        "draws": (),
        "tied": (),
        "chosen": None,
        "causes": (),
    }
    return Decision(**(plain | fields))


def reasons(made: Decision) -> list[str]:
    return [why(made, candidate) for candidate in made.candidates]


def row(name: str, verdict: Verdict = Verdict.ADMISSIBLE, number: int = 0, *, active: int = 0, weight: int = 1) -> Row:
    return (name, weight, active, verdict, number)


def test_every_verdict_says_why() -> None:
    """Issue's list: open until t since failures; concurrency; rate; excluded by attempt; drained; half-open."""
    causes = tuple(Cause(ticket, NOW - ticket * S, f"status {500 + ticket}") for ticket in (3, 2, 1))
    made = decision(
        row("a", Verdict.DRAINED, weight=0),
        row("b", Verdict.TRIED, 1),
        row("c", Verdict.OPEN, NOW + 57 * S),
        row("d", Verdict.CREDENTIAL, NOW + 500 * MS),
        row("e", Verdict.PROBING, 12),
        row("f", Verdict.FULL, 8, active=8),
        row("g", Verdict.NO_TOKEN, NOW + 120 * MS),
        causes=(("c", causes), ("d", (Cause(9, NOW - 20 * MS, "status 401"),))),
    )
    since = [f"status {500 + one} in decision {one} {one}000 ms before" for one in (3, 2, 1)]
    assert reasons(made) == [
        "drained: its weight is 0",
        "excluded by attempt 1",
        f"circuit open for another 57 s, since {', '.join(since)}",
        "credential refused, for another 500 ms, since status 401 in decision 9 20 ms before",
        "half-open, and decision 12 is its probe",
        "concurrency: its limit of 8 is reached",
        "rate: next token in 120 ms",
    ]


LOSERS = [
    (Strategy.WEIGHTED_RANDOM, 0, "higher score: 2 active at weight 3"),
    (Strategy.PRIORITY, 4, "behind in order: priority 4, not 0"),
    (Strategy.PRIORITY, 0, "busier than its equal: 2 active at weight 3"),
    (Strategy.COST, 1_500_000_000, "dearer: 1.5e-06, not 0"),
    (Strategy.COST, 0, "busier than its equal: 2 active at weight 3"),
    (Strategy.LEAST_LATENCY, 30 * MS, "not drawn"),
    (Strategy.CONSISTENT_HASH, 0, "farther on the ring, or over its share: 2 active at weight 3"),
]


@pytest.mark.parametrize(("strategy", "score", "reason"), LOSERS)
def test_who_could_have_been_chosen_lost_by_the_strategys_measure(strategy: Strategy, score: int, reason: str) -> None:
    made = decision(row("a"), row("b", number=score, active=2, weight=3), strategy=strategy, chosen="a")
    assert reasons(made) == ["chosen", reason]


def test_a_draw_is_told_with_those_it_was_between() -> None:
    """LB-3."""
    made = decision(row("a"), row("b"), row("c", active=1), chosen="b", tied=("a", "b"), draws=(1,))
    assert reasons(made) == ["lost the draw", "chosen, drawn from a, b", "higher score: 1 active at weight 1"]


def test_of_two_drawn_the_slower_says_how_slow() -> None:
    made = decision(
        row("a", number=9 * MS),
        row("b", number=40 * MS, active=3),
        chosen="a",
        tied=("a", "b"),
        strategy=Strategy.LEAST_LATENCY,
    )
    assert reasons(made) == ["chosen, drawn from a, b", "slower for its load: 40 ms, 3 active at weight 1"]


def test_a_probe_before_its_time_is_called_one() -> None:
    """HEALTH-6, when all circuits are open."""
    made = decision(row("a", Verdict.OPEN, NOW + S), chosen="a")
    assert reasons(made) == ["chosen as a probe before its time, as every circuit is open"]


def test_a_requests_steps_in_order() -> None:
    """Its questions, the waking after its backoff, and its end; times are since its first step."""
    made = decision(row("a"), chosen="a")
    lease = Granted(7, "a", 1, 3, is_probe=False, decision=made)
    again = attrs.evolve(lease, attempt=2, is_probe=True)
    entries = (
        Entry(1, "chat", Acquire(7, NOW), (lease,)),
        Entry(2, "chat", Retry(7, NOW + 5 * MS, Outcome(OutcomeKind.FAILED, status=500)), ()),
        Entry(5, "chat", Tick(NOW + 25 * MS), (Refused(4, Refusal.EXHAUSTED), again)),
        Entry(6, "chat", Retry(7, NOW + 26 * MS, ABANDONED), (Refused(7, Refusal.EXHAUSTED),)),
        Entry(9, "chat", Finish(7, NOW + 30 * MS, SUCCEEDED), ()),
    )
    told = steps(entries, 7)
    assert [(step.seq, step.ms, step.what) for step in told] == [
        (1, 0, "asks for a provider, gets a, attempt 1"),
        (2, 5, "asks for another provider after status 500"),
        (5, 25, "its backoff is over, gets a, attempt 2 (a probe)"),
        (6, 26, "asks for another provider after abandoned, refused: exhausted"),
        (9, 30, "is over: succeeded"),
    ]
    assert [len(step.candidates) for step in told] == [1, 0, 1, 0, 0]
    assert (told[0].defined_at, told[0].strategy) == (3, "weighted_random")
