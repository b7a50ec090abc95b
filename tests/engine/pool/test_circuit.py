"""A circuit by itself."""

from typing import Any

import pytest

from engine.pool.circuit import Cause, Circuit, Phase

S = 10**9
SCHEDULE = (60 * S, 300 * S, 900 * S)


def fail(circuit: Circuit, at_s: float, *, ticket: int = 0, threshold: int = 3, told_s: float = 0) -> None:
    cause = Cause(ticket, int(at_s * S), "status 500")
    circuit.fail(cause, threshold=threshold, cooldowns_ns=SCHEDULE, told_ns=int(told_s * S))


def opened(at_s: float = 0) -> Circuit:
    """One that has just opened for the first time."""
    circuit = Circuit()
    fail(circuit, at_s, threshold=1)
    return circuit


def state(circuit: Circuit) -> dict[str, Any]:
    return {name: getattr(circuit, name) for name in ("until", "failures", "openings", "probe", "is_told")}


@pytest.mark.parametrize("threshold", [1, 2, 3, 7])
def test_enough_failures_in_a_row_open_it(threshold: int) -> None:
    """HEALTH-6: as many as the pool says, and not one less; the last one starts the wait."""
    circuit = Circuit()
    for failure in range(threshold):
        assert circuit.phase(failure * S) is Phase.CLOSED
        fail(circuit, failure, threshold=threshold)
    assert circuit.until == (threshold - 1 + 60) * S
    assert circuit.phase(circuit.until - 1) is Phase.OPEN
    assert circuit.phase(circuit.until) is Phase.HALF_OPEN
    assert [cause.at for cause in circuit.causes] == [failure * S for failure in range(threshold)]


def test_a_success_between_starts_the_count_again() -> None:
    """HEALTH-2: in a row."""
    circuit = Circuit()
    for failure in range(20):
        fail(circuit, failure)
        fail(circuit, failure)
        circuit.succeed(failure)
    assert state(circuit) == state(Circuit())
    assert circuit.causes == ()


def test_the_waits_grow_along_the_schedule_and_the_last_repeats() -> None:
    """HEALTH-6, DEF-69: 60, 300, 900, 900 seconds while each probe fails; a success starts at 60 again."""
    circuit, waits, at = opened(), [], 0.0
    for ticket in range(1, 6):
        assert circuit.until is not None
        waits.append(circuit.until / S - at)
        at = circuit.until / S
        circuit.probe = ticket
        fail(circuit, at, ticket=ticket)
    assert waits == [60, 300, 900, 900, 900]
    circuit.probe = 9
    circuit.succeed(9)
    assert circuit.phase(0) is Phase.CLOSED
    fail(circuit, at, threshold=1)
    assert circuit.until == (at + 60) * S


def test_leftovers_neither_close_nor_lengthen_it() -> None:
    """HEALTH-6, DEF-69, DEF-85: requests that began before it opened end this way and that; nothing moves."""
    circuit = opened()
    before = state(circuit)
    for at in (1, 30, 59.9, 60, 61, 500):
        fail(circuit, at, ticket=7)
        circuit.succeed(8)
        circuit.let_go(9)
        assert state(circuit) == before
    circuit.probe = 3
    fail(circuit, 600, ticket=7)
    circuit.succeed(8)
    assert state(circuit) == before | {"probe": 3}


def test_an_abandoned_probe_makes_room_for_another() -> None:
    """HEALTH-6, FB-15: nobody's fault: the circuit is as it was before the probe."""
    circuit = opened()
    before = state(circuit)
    circuit.probe = 3
    circuit.let_go(4)
    assert circuit.probe == 3
    circuit.let_go(3)
    assert state(circuit) == before


def test_what_the_provider_asks_for_is_heeded_at_once() -> None:
    """HEALTH-6: Retry-After opens it at the first failure, for exactly that time; the schedule is not begun."""
    circuit = Circuit()
    fail(circuit, 10, told_s=7)
    assert (circuit.until, circuit.is_told, circuit.openings) == (17 * S, True, 0)
    circuit.probe = 1
    fail(circuit, 20, ticket=1)
    assert (circuit.until, circuit.is_told, circuit.openings) == (80 * S, False, 1)


def test_what_the_provider_asks_for_shortens_no_wait() -> None:
    """HEALTH-6, DEF-69: a Retry-After of 5 s in a wait of 60 s is no news; one of 90 s is."""
    circuit = opened()
    fail(circuit, 1, ticket=7, told_s=5)
    assert circuit.until == 60 * S
    fail(circuit, 1, ticket=8, told_s=90)
    assert circuit.until == 91 * S
    circuit.probe = 2
    fail(circuit, 50, ticket=2, told_s=5)
    assert circuit.until == 91 * S


def test_an_early_probe_that_fails_starts_the_same_wait_again() -> None:
    """HEALTH-6: sent before its time because all circuits were open: not the next rung of the schedule."""
    circuit = opened()
    for at in (10, 20, 30):
        circuit.probe = at
        fail(circuit, at, ticket=at)
        assert (circuit.until, circuit.openings) == ((at + 60) * S, 1)
    circuit.probe = 5
    fail(circuit, 90, ticket=5)
    assert (circuit.until, circuit.openings) == ((90 + 300) * S, 2)


def test_the_failures_behind_it_are_remembered_up_to_eight() -> None:
    """Issue 3: a decision names the failures in a row that opened a circuit; memory is bounded."""
    circuit = Circuit()
    for failure in range(20):
        fail(circuit, failure, ticket=failure, threshold=20)
    assert circuit.failures == 20
    assert [cause.ticket for cause in circuit.causes] == list(range(12, 20))
