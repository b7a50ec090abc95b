"""What a decision tells of every provider."""

import attrs

from engine.pool.circuit import Cause
from engine.pool.decision import Candidate, Decision, Verdict
from engine.pool.draw import draw
from engine.pool.messages import ABANDONED, Refusal
from engine.snapshot import AllOpen, CircuitPolicy, Fallback, Pool, Provider, Strategy
from tests.engine.pool.conversation import Conversation, S, failed
from tests.engine.tables import pool, provider

ON = Fallback(enabled=True, on_rate_limit=True)
REFUSE = CircuitPolicy(when_all_open=AllOpen.REFUSE)
FREE = provider("free", weight=3)


def chat(*providers: Provider, strategy: Strategy = Strategy.PRIORITY) -> Pool:
    return pool("chat", *providers, strategy=strategy, fallback=ON, circuit=REFUSE)


def decision_of(talk: Conversation) -> Decision:
    assert talk.effect is not None
    assert talk.effect.decision is not None
    return talk.effect.decision


def row(talk: Conversation, name: str = "a") -> Candidate:
    (candidate,) = [one for one in decision_of(talk).candidates if one.name == name]
    return candidate


def test_each_reason_has_its_number() -> None:
    """Issue 3: every verdict but `probing`, in one decision, in the pool's order, with what was compared."""
    talk = Conversation(
        chat(
            provider("tried"),
            provider("credential", credential="env:KEY"),
            provider("open"),
            provider("full", limit=1),
            provider("no_token", rps=0.5),
            FREE,
        )
    )
    names = ["tried", "credential", "open", "full", "no_token", "free"]

    def only(name: str) -> None:
        talk.reconfigure(
            chat(*(attrs.evolve(slot.provider, weight=int(slot.name == name)) for slot in talk.state.slots))
        )

    only("credential")
    talk.fails(1, failed(403))
    only("open")
    for ticket in (2, 3, 4):
        talk.fails(ticket, failed(500))
        talk.pass_s(1)
    only("full")
    assert talk.acquire(5) == "full"
    only("no_token")
    talk.fails(6, ABANDONED)
    everyone = [
        attrs.evolve(slot.provider, weight={"free": 3}.get(slot.name, 1), priority=place * 10)
        for place, slot in enumerate(talk.state.slots)
    ]
    talk.reconfigure(chat(*everyone, provider("drained", weight=0)))
    assert talk.acquire(7, 99) == "tried"
    talk.pass_s(1)
    assert talk.retry(7) == "free"
    decision = decision_of(talk)
    assert (decision.ticket, decision.position, decision.at, decision.attempt) == (7, talk.position, 4 * S, 2)
    assert (decision.strategy, decision.affinity, decision.draws, decision.tied) == (Strategy.PRIORITY, 99, (), ())
    assert decision.chosen == "free"
    assert decision.rows == (
        ("tried", 1, 0, Verdict.TRIED, 1),
        ("credential", 1, 0, Verdict.CREDENTIAL, 60 * S),
        ("open", 1, 0, Verdict.OPEN, 62 * S),
        ("full", 1, 1, Verdict.FULL, 1),
        ("no_token", 1, 0, Verdict.NO_TOKEN, 5 * S),
        ("free", 3, 0, Verdict.ADMISSIBLE, 50),
        ("drained", 0, 0, Verdict.DRAINED, 0),
    )
    assert decision.causes == (
        ("credential", (Cause(1, 0, "status 403"),)),
        ("open", tuple(Cause(ticket, (ticket - 2) * S, "status 500") for ticket in (2, 3, 4))),
    )
    assert [one.name for one in decision.candidates if one.is_chosen] == ["free"]
    assert [one.name for one in decision.candidates] == [*names, "drained"]


def test_a_running_probe_is_named_by_its_ticket() -> None:
    """Issue 3, HEALTH-6: who else is finding out."""
    talk = Conversation(chat(provider("a"), FREE))
    for ticket in (1, 2, 3):
        talk.fails(ticket)
    talk.pass_s(60)
    assert [talk.acquire(4), row(talk).verdict, row(talk).is_chosen] == ["a", Verdict.ADMISSIBLE, True]
    assert talk.acquire(5) == "free"
    assert (row(talk).verdict, row(talk).number, row(talk).active) == (Verdict.PROBING, 4, 1)


def test_an_early_probe_is_chosen_though_it_is_open() -> None:
    """Issue 3, HEALTH-6: its row says until when it would have been left alone."""
    talk = Conversation(pool("chat", provider("a")))
    for ticket in (1, 2, 3):
        talk.fails(ticket)
    assert talk.acquire(4) == "a"
    assert (row(talk).verdict, row(talk).number, row(talk).is_chosen) == (Verdict.OPEN, 60 * S, True)


def test_a_draw_is_told_with_those_it_was_between() -> None:
    """Issue 3, LB-3, LB-16: the number, below the sum of their weights; the busier one was not among them."""
    talk = Conversation(
        chat(provider("a", weight=2), provider("b", weight=3), strategy=Strategy.WEIGHTED_RANDOM), seed=5
    )
    first = talk.acquire(1)
    decision = decision_of(talk)
    assert (decision.draws, decision.tied) == ((draw(5, 1, 5),), ("a", "b"))
    assert first == ("a" if decision.draws[0] < 2 else "b")
    assert [one.is_tied for one in decision.candidates] == [True, True]
    talk.acquire(2)
    decision = decision_of(talk)
    assert (decision.draws, decision.tied) == ((), ())
    assert decision.chosen != first


def test_two_draws_are_told_where_two_were_drawn() -> None:
    """Issue 3: least latency draws two of three, and the third one was never compared."""
    talk = Conversation(chat(*(provider(name) for name in "abc"), strategy=Strategy.LEAST_LATENCY), seed=3)
    chosen = talk.acquire(1)
    decision = decision_of(talk)
    first, second = draw(3, 1, 3), draw(3, 2, 2)
    assert decision.draws == (first, second)
    left = [name for name in "abc" if name != "abc"[first]]
    assert decision.tied == ("abc"[first], left[second])
    assert chosen == decision.tied[0]


def test_the_score_is_what_the_strategy_compares() -> None:
    """Issue 3, DEF-81: place or priority, the cost in parts of 10**15, nothing where nothing is compared but load."""
    providers = [provider("a", cost=0.25), provider("b", priority=7, cost=0.1)]
    for strategy, scores in (
        (Strategy.PRIORITY, [0, 7]),
        (Strategy.COST, [250_000_000_000_000, 100_000_000_000_000]),
        (Strategy.WEIGHTED_RANDOM, [0, 0]),
        (Strategy.LEAST_LATENCY, [0, 0]),
    ):
        talk = Conversation(chat(*providers, strategy=strategy))
        talk.acquire(1)
        assert [one.number for one in decision_of(talk).candidates] == scores


def test_a_refusal_is_a_decision_for_nobody() -> None:
    """Issue 3: with every reason; but not where it never came to a choice."""
    talk = Conversation(chat(provider("a", limit=0), provider("b", weight=0)))
    assert talk.acquire(1) is Refusal.PROVIDERS_FULL
    assert (decision_of(talk).chosen, decision_of(talk).attempt) == (None, 1)
    assert [one.verdict for one in decision_of(talk).candidates] == [Verdict.FULL, Verdict.DRAINED]
    talk = Conversation(pool("chat", provider("a", rps=0.5)))
    talk.acquire(1)
    assert talk.acquire(2) is Refusal.PROVIDER_RATE
    assert (decision_of(talk).chosen, row(talk).verdict, row(talk).is_chosen) == (None, Verdict.NO_TOKEN, False)
    talk = Conversation(pool("chat", provider("a"), limit=0))
    assert [talk.acquire(1), talk.refused.decision] == [Refusal.POOL_FULL, None]


def test_a_decision_that_ends_a_request_says_why() -> None:
    """Issue 3, FB-6: the refusal that stands behind `exhausted`."""
    talk = Conversation(chat(provider("a", limit=1), strategy=Strategy.WEIGHTED_RANDOM))
    talk.acquire(1)
    assert talk.retry(1) is Refusal.EXHAUSTED
    assert talk.refused.because is None
    assert talk.refused.decision is None
    two = chat(provider("a"), provider("b", limit=0), strategy=Strategy.PRIORITY)
    talk = Conversation(two)
    talk.acquire(1)
    talk.reconfigure(chat(provider("a", weight=0), provider("b", limit=0)))
    assert talk.retry(1) is Refusal.EXHAUSTED
    assert talk.refused.because is Refusal.PROVIDERS_FULL
    assert [one.verdict for one in decision_of(talk).candidates] == [Verdict.DRAINED, Verdict.FULL]
