"""What the outcomes of attempts say about a provider, and how it is tried again."""

from typing import Any

import attrs
import pytest

from engine.errors import Failure
from engine.pool.health import latency_of
from engine.pool.messages import ABANDONED, BROKEN, SUCCEEDED, UNSENT, Outcome, Refusal
from engine.snapshot import CircuitPolicy, Pool, Strategy
from tests.engine.pool.conversation import MS, Conversation, S, failed, fell, took
from tests.engine.tables import pool, provider

PLAIN, OURS, B = provider("a"), provider("a", credential="env:KEY"), provider("b")
CIRCUIT, CREDENTIAL, NOTHING = "circuit", "credential", "nothing"


def chat(*providers: Any, strategy: Strategy = Strategy.PRIORITY, **circuit: Any) -> Pool:
    return pool("chat", *providers, strategy=strategy, circuit=CircuitPolicy(**circuit))


def blamed(talk: Conversation) -> str:
    """What one more outcome moved, at provider a, which had nothing against it."""
    slot = talk.slot("a")
    if slot.credential.until is not None:
        return CREDENTIAL
    return CIRCUIT if slot.health.failures else NOTHING


ROWS: list[tuple[Outcome, str, str]] = [
    # An outcome; what it counts against with the gateway's own credential, and without one.
    (failed(500), CIRCUIT, CIRCUIT),
    (failed(502), CIRCUIT, CIRCUIT),
    (failed(503), CIRCUIT, CIRCUIT),
    (failed(529), CIRCUIT, CIRCUIT),
    (failed(599), CIRCUIT, CIRCUIT),
    (failed(429), CIRCUIT, CIRCUIT),
    (failed(429, told_s=5), CIRCUIT, CIRCUIT),
    (failed(401), CREDENTIAL, NOTHING),
    (failed(403), CREDENTIAL, NOTHING),
    (failed(400), NOTHING, NOTHING),
    (failed(404), NOTHING, NOTHING),
    (failed(408), NOTHING, NOTHING),
    (failed(413), NOTHING, NOTHING),
    (failed(422), NOTHING, NOTHING),
    (failed(499), NOTHING, NOTHING),
    (failed(400, told_s=5), NOTHING, NOTHING),
    (fell(Failure.CONNECT), CIRCUIT, CIRCUIT),
    (fell(Failure.TIMEOUT), CIRCUIT, CIRCUIT),
    (fell(Failure.BROKEN), CIRCUIT, CIRCUIT),
    (fell(Failure.CREDENTIAL), CREDENTIAL, CREDENTIAL),
    (BROKEN, CIRCUIT, CIRCUIT),
    (ABANDONED, NOTHING, NOTHING),
    (UNSENT, NOTHING, NOTHING),
    (SUCCEEDED, NOTHING, NOTHING),
    (took(5), NOTHING, NOTHING),
]


@pytest.mark.parametrize(("outcome", "with_credential", "without"), ROWS)
def test_whom_an_outcome_blames(outcome: Outcome, with_credential: str, without: str) -> None:
    """HEALTH-2, HEALTH-6, DEF-70, DEF-71: at the end of a request and at a retry alike."""
    for one, expected in ((OURS, with_credential), (PLAIN, without)):
        for ends in (Conversation.retry, Conversation.fails):
            talk = Conversation(chat(one, failures=9))
            if ends is Conversation.retry:
                talk.acquire(1)
                assert talk.retry(1, outcome) is Refusal.EXHAUSTED
                talk.finish(1, outcome=outcome)
            else:
                talk.fails(1, outcome)
            assert blamed(talk) == expected
            assert talk.slot("a").health.failures <= 1


@pytest.mark.parametrize("outcome", [failed(400), failed(404), ABANDONED, UNSENT])
def test_what_blames_nobody_keeps_the_count(outcome: Outcome) -> None:
    """HEALTH-2: neither a failure nor a success: three failures around it open the circuit."""
    talk = Conversation(chat(PLAIN))
    for ticket, one in enumerate([failed(500), outcome, failed(503), outcome]):
        talk.fails(ticket, one)
        assert not talk.slot("a").is_barred
    talk.fails(9, failed(500))
    assert talk.slot("a").is_barred


def test_a_success_clears_the_count() -> None:
    """HEALTH-2: two failures, a success, two failures: closed."""
    talk = Conversation(chat(PLAIN))
    for ticket, one in enumerate([failed(500), failed(500), SUCCEEDED, failed(500), failed(500)]):
        talk.fails(ticket, one)
    assert (talk.slot("a").health.failures, talk.slot("a").is_barred) == (2, False)


def test_a_status_may_open_at_once() -> None:
    """HEALTH-2, HEALTH-6: the statuses a pool lists, even a client's, need no second one."""
    talk = Conversation(chat(PLAIN, open_on_status=(5, 418)))
    for at, status in enumerate((500, 418)):
        talk.pass_s(100 * at)
        talk.fails(at, failed(status))
        assert talk.slot("a").health.until == talk.at + (60 if at == 0 else 300) * S


def test_retry_after_is_heeded_up_to_a_bound() -> None:
    """HEALTH-6: of a 429, of a 503; at most `max_retry_after_s`; a 0 is none."""
    for told_s, status, until in ((7, 429, 7), (7, 503, 7), (1e9, 429, 30), (0, 429, None)):
        talk = Conversation(chat(PLAIN, max_retry_after_s=30.0))
        talk.fails(1, failed(status, told_s=told_s))
        assert talk.slot("a").health.until == (None if until is None else until * S)


def test_a_provider_that_is_open_is_passed_over_until_its_time() -> None:
    """HEALTH-5, HEALTH-6: 60 s after the third failure, and not one nanosecond sooner."""
    talk = Conversation(chat(PLAIN, B))
    for ticket in (1, 2, 3):
        talk.fails(ticket)
    assert talk.acquire(4) == "b"
    talk.at = 60 * S - 1
    assert talk.acquire(5) == "b"
    talk.at = 60 * S
    assert talk.acquire(6) == "a"
    assert talk.lease.is_probe


def test_exactly_one_probe_goes_to_a_half_open_provider() -> None:
    """HEALTH-6, DEF-68, T22: of ten requests at once; good or bad, what it brings decides."""
    for outcome, then in ((SUCCEEDED, "a"), (failed(500), "b"), (ABANDONED, "a"), (failed(404), "a")):
        talk = Conversation(chat(PLAIN, B))
        for ticket in (1, 2, 3):
            talk.fails(ticket)
        talk.pass_s(60)
        assert [talk.acquire(ticket) for ticket in range(10, 20)] == ["a"] + ["b"] * 9
        talk.finish(10, outcome=outcome)
        assert talk.acquire(20) == then
        # After a success it is one among others; after anything else the next one is a probe again.
        assert talk.lease.is_probe == (then == "a" and outcome != SUCCEEDED)


def test_a_good_head_closes_the_circuit_long_before_the_body_ends() -> None:
    """HEALTH-6: a probe that streams for an hour does not keep others away; what breaks later counts anew."""
    talk = Conversation(chat(PLAIN, B))
    for ticket in (1, 2, 3):
        talk.fails(ticket)
    talk.pass_s(60)
    assert [talk.acquire(4), talk.lease.is_probe, talk.acquire(5)] == ["a", True, "b"]
    talk.answered(4)
    assert [talk.acquire(6), talk.lease.is_probe] == ["a", False]
    talk.finish(4, outcome=BROKEN)
    assert (talk.slot("a").health.failures, talk.slot("a").is_barred) == (1, False)


def test_only_the_probes_good_head_closes() -> None:
    """HEALTH-6, DEF-69: a leftover that answers well says nothing about now."""
    talk = Conversation(chat(PLAIN, B))
    assert talk.acquire(0) == "a"
    for ticket in (1, 2, 3):
        talk.fails(ticket)
    talk.answered(0)
    talk.finish(0)
    assert talk.slot("a").is_barred


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_bars_its_provider_alone(status: int) -> None:
    """DEF-71, KEY-3, T20: at once, along the schedule, and the circuit for failures is not touched."""
    talk = Conversation(chat(OURS, B))
    talk.fails(1, failed(status))
    slot = talk.slot("a")
    assert (slot.credential.until, slot.health.failures) == (60 * S, 0)
    assert talk.acquire(2) == "b"
    talk.pass_s(60)
    assert [talk.acquire(3), talk.lease.is_probe, talk.acquire(4)] == ["a", True, "b"]
    talk.finish(3, outcome=failed(status))
    assert slot.credential.until == talk.at + 300 * S
    talk.pass_s(300)
    assert talk.acquire(5) == "a"
    talk.finish(5)
    assert not slot.is_barred


def test_without_a_secret_a_provider_is_asked_again_after_a_second() -> None:
    """KEY-3, DEF-66: asking the vault costs nothing; however often there was none, the wait does not grow."""
    talk = Conversation(chat(OURS, B))
    for ticket in range(5):
        talk.fails(ticket, fell(Failure.CREDENTIAL))
        assert talk.slot("a").credential.until == talk.at + S
        assert talk.acquire(100 + ticket) == "b"
        talk.pass_s(1)
    assert talk.slot("a").health.failures == 0


def test_a_secret_that_was_missing_and_is_then_refused_starts_the_schedule() -> None:
    """KEY-3, DEF-69: the seconds without one are no rungs of it."""
    talk = Conversation(chat(OURS, B))
    for ticket in range(5):
        talk.fails(ticket, fell(Failure.CREDENTIAL))
        talk.pass_s(1)
    talk.fails(9, failed(401))
    assert talk.slot("a").credential.until == talk.at + 60 * S


def test_a_credential_that_was_replaced_is_not_blamed_for_the_old_one() -> None:
    """ADOPT-6, KEY-3: a request that went out with the old one comes back refused after the change."""
    talk = Conversation(chat(OURS, B))
    talk.acquire(1)
    talk.reconfigure(chat(attrs.evolve(OURS, credential="env:NEW"), B))
    talk.finish(1, outcome=failed(401))
    assert not talk.slot("a").is_barred


def test_without_circuits_nothing_is_ever_left_alone() -> None:
    """HEALTH-6: failures of every kind, for ever."""
    talk = Conversation(chat(OURS, enabled=False))
    outcomes = [failed(500), failed(429, told_s=60), failed(401), fell(Failure.CONNECT), fell(Failure.CREDENTIAL)]
    for ticket in range(50):
        talk.fails(ticket, outcomes[ticket % 5])
    slot = talk.slot("a")
    assert (slot.health.failures, slot.credential.failures, slot.is_barred) == (0, 0, False)


def test_latency_is_a_moving_average_of_successes() -> None:
    """LB-1, issue 3: whole nanoseconds, an eighth of the difference each time; a failure is eight times the average."""
    talk = Conversation(chat(PLAIN, strategy=Strategy.LEAST_LATENCY, enabled=False))
    seen = []
    for ticket, outcome in enumerate([took(800), took(0), failed(500), took(1600), SUCCEEDED]):
        talk.fails(ticket, outcome)
        seen.append(talk.slot("a").latency_ns)
    assert seen == [800_000_000, 700_000_000, 1_312_500_000, 1_348_437_500, 1_348_437_500]


def test_nobody_is_slow_for_ever() -> None:
    """Issue 3: an average that nothing measures again fades, or one failure would keep a provider out for good."""
    talk = Conversation(chat(PLAIN, strategy=Strategy.LEAST_LATENCY, enabled=False))
    talk.fails(1, failed(500))
    slot = talk.slot("a")
    assert latency_of(slot, talk.at) == 400 * MS
    assert latency_of(slot, talk.at + 5 * S - 1) == 400 * MS
    assert latency_of(slot, talk.at + 5 * S) == 200 * MS
    assert latency_of(slot, talk.at + 60 * S) == 400 * MS >> 12
    assert latency_of(slot, talk.at + 10**6 * S) == 0
    talk.pass_s(10)
    talk.fails(2, took(100))
    assert slot.latency_ns == 100 * MS
