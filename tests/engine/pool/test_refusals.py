"""Why nobody serves, and when that may be over."""

import attrs
import pytest

from engine.pool.messages import ABANDONED, SUCCEEDED, Refusal
from engine.snapshot import AllOpen, CircuitPolicy, Fallback, Pool, Provider, Strategy
from tests.engine.pool.conversation import Conversation, S, failed
from tests.engine.tables import pool, provider

A, B, C = (provider(name) for name in "abc")
REFUSE, PROBE = CircuitPolicy(when_all_open=AllOpen.REFUSE), CircuitPolicy()
ON = Fallback(enabled=True, on_rate_limit=True)


def chat(*providers: Provider, circuit: CircuitPolicy = REFUSE) -> Pool:
    return pool("chat", *providers, strategy=Strategy.PRIORITY, circuit=circuit, fallback=ON)


def all_open(circuit: CircuitPolicy) -> Conversation:
    """Provider a has failed at 0 s, b at 10 s, c at 20 s; each is open for 60 s."""
    talk = Conversation(chat(A, B, C, circuit=circuit))
    for place in range(3):
        talk.at = 10 * place * S
        for ticket in (1, 2, 3):
            talk.fails(10 * place + ticket)
    assert [slot.health.until for slot in talk.state.slots] == [60 * S, 70 * S, 80 * S]
    return talk


def test_when_all_are_open_the_earliest_reopening_is_told() -> None:
    """HEALTH-6: with `refuse`: nobody is asked before it, and one then."""
    talk = all_open(REFUSE)
    for at_s in (20, 30, 59.9):
        talk.at = int(at_s * S)
        assert talk.acquire(50) is Refusal.CIRCUITS_OPEN
        assert talk.refused.retry_at == 60 * S
    talk.at = 60 * S
    assert [talk.acquire(51), talk.lease.is_probe] == ["a", True]
    assert [talk.acquire(52), talk.refused.retry_at] == [Refusal.CIRCUITS_OPEN, 70 * S]


def test_when_all_are_open_the_one_that_failed_longest_ago_is_probed() -> None:
    """HEALTH-6, DEF-65: with `probe`: before its time; each open provider has one probe, and then all are refused."""
    talk = all_open(PROBE)
    probes = [talk.acquire(ticket) for ticket in (50, 51, 52)]
    assert probes == ["a", "b", "c"]
    assert talk.lease.is_probe
    assert [talk.acquire(53), talk.refused.retry_at] == [Refusal.CIRCUITS_OPEN, None]
    talk.finish(50)
    assert [talk.acquire(54), talk.lease.is_probe] == ["a", False]


def test_an_early_probe_that_fails_makes_way_for_the_next() -> None:
    """HEALTH-6: it failed last now, so another one is the one that failed longest ago; its wait begins again."""
    talk = all_open(PROBE)
    said = []
    for ticket in range(50, 54):
        talk.pass_s(1)
        said.append(talk.acquire(ticket))
        talk.finish(ticket, outcome=failed(500))
    assert said == ["a", "b", "c", "a"]
    assert talk.slot("b").health.until == 22 * S + 60 * S


def test_an_early_probe_that_is_abandoned_makes_way_for_another() -> None:
    """HEALTH-6, FB-15: the same provider again, since nothing is known."""
    talk = all_open(PROBE)
    assert talk.acquire(50) == "a"
    talk.finish(50, outcome=ABANDONED)
    assert [talk.acquire(51), talk.lease.is_probe] == ["a", True]


def test_only_a_first_attempt_probes_early() -> None:
    """HEALTH-6: a request that has had an attempt ends; its budget is not for trying what is open."""
    talk = all_open(PROBE)
    assert [talk.acquire(50), talk.retry(50)] == ["a", Refusal.EXHAUSTED]
    assert talk.refused.because is Refusal.CIRCUITS_OPEN


@pytest.mark.parametrize("circuit", [PROBE, REFUSE])
def test_providers_that_asked_for_a_pause_get_it(circuit: CircuitPolicy) -> None:
    """HEALTH-6, DEF-27: all answered 429 with Retry-After: nobody probes, and the refusal is the providers' own."""
    talk = Conversation(chat(A, B, circuit=circuit))
    talk.fails(1, failed(429, told_s=30))
    talk.fails(2, failed(429, told_s=7))
    assert [talk.acquire(3), talk.refused.retry_at] == [Refusal.UPSTREAM_RATE, 7 * S]
    talk.pass_s(7)
    assert talk.acquire(4) == "b"


def test_a_leftover_that_asks_for_a_pause_gets_it() -> None:
    """HEALTH-6, DEF-27: its circuit was open already, for failures; an early probe is what it asked not to get."""
    talk = Conversation(chat(A, circuit=PROBE))
    for ticket in (1, 2, 3, 4):
        talk.acquire(ticket)
    talk.finish(1, 2, 3, outcome=failed(500))
    talk.pass_s(10)
    talk.finish(4, outcome=failed(503, told_s=59))
    assert [talk.acquire(5), talk.refused.retry_at] == [Refusal.CIRCUITS_OPEN, 69 * S]


def test_one_of_them_open_for_failures_is_another_matter() -> None:
    """HEALTH-6: not the providers' own rate limits alone, so 503 rather than 429."""
    talk = Conversation(chat(A, B))
    talk.fails(1, failed(429, told_s=30))
    for ticket in (2, 3, 4):
        talk.fails(ticket)
    assert [talk.acquire(5), talk.refused.retry_at] == [Refusal.CIRCUITS_OPEN, 30 * S]


def test_a_refused_credential_counts_as_a_reopening() -> None:
    """DEF-71, HEALTH-6: nobody probes a credential before its time, and its time is told."""
    talk = Conversation(chat(provider("a", credential="env:KEY"), circuit=PROBE))
    talk.fails(1, failed(401))
    assert [talk.acquire(2), talk.refused.retry_at] == [Refusal.CIRCUITS_OPEN, 60 * S]


@pytest.mark.parametrize(
    ("others", "refusal", "retry_at"),
    [
        ((attrs.evolve(A, weight=0), attrs.evolve(B, weight=0)), Refusal.CIRCUITS_OPEN, 60 * S),
        ((provider("a", limit=0), attrs.evolve(B, weight=0)), Refusal.PROVIDERS_FULL, None),
        ((provider("a", limit=0), provider("b", rps=0.1)), Refusal.PROVIDER_RATE, 10 * S),
    ],
)
def test_where_reasons_differ_the_one_that_is_over_soonest_is_told(
    others: tuple[Provider, ...], refusal: Refusal, retry_at: int | None
) -> None:
    """CL-4, RL-5, HEALTH-6, LB-9: beside c, whose circuit is open."""
    talk = Conversation(chat(C))
    for ticket in (1, 2, 3):
        talk.fails(ticket)
    talk.reconfigure(chat(*others, C))
    if refusal is Refusal.PROVIDER_RATE:
        assert talk.acquire(4) == "b"
    assert [talk.acquire(5), talk.refused.retry_at] == [refusal, retry_at]


@pytest.mark.parametrize("busy", [provider("a", limit=1), provider("a", rps=0.1)])
def test_nobody_is_probed_early_where_a_provider_is_only_busy(busy: Provider) -> None:
    """HEALTH-6: only when all circuits are open."""
    talk = Conversation(chat(C, circuit=PROBE))
    for ticket in (1, 2, 3):
        talk.fails(ticket)
    talk.reconfigure(chat(busy, C, circuit=PROBE))
    assert talk.acquire(4) == "a"
    assert talk.acquire(5) in {Refusal.PROVIDERS_FULL, Refusal.PROVIDER_RATE}


def test_all_drained_is_no_provider_at_all() -> None:
    """LB-9: drained ones are neither full nor open, whatever their circuits say."""
    talk = Conversation(chat(A, B))
    for ticket in (1, 2, 3):
        talk.fails(ticket)
    talk.reconfigure(chat(attrs.evolve(A, weight=0), attrs.evolve(B, weight=0)))
    assert [talk.acquire(4), talk.refused.retry_at] == [Refusal.NO_PROVIDERS, None]


def test_a_drained_provider_ends_its_requests_in_peace() -> None:
    """LB-9: weight 0 is for new ones; its circuit goes on learning."""
    talk = Conversation(chat(A, B))
    talk.acquire(1)
    talk.reconfigure(chat(attrs.evolve(A, weight=0), B))
    assert (talk.counts, talk.acquire(2)) == ([1, 0], "b")
    talk.finish(1, outcome=SUCCEEDED)
    assert talk.counts == [0, 1]
