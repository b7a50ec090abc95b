"""What an attempt's outcome says about its provider (HEALTH-2, HEALTH-6, DEF-70, DEF-71).

Law: only what is the provider's doing counts: no connection, a timeout, a break, 5xx and 429. A client's own fault,
a client that leaves and a request that was never sent count for nothing; 401 and 403 on the gateway's own credential
are the credential's fault, which a new credential ends and a good answer does too.
"""

from typing import Final

from engine.errors import Failure
from engine.fallback import TOO_MANY, is_credential_refused, matches
from engine.names import CredentialId, Nanoseconds, Ticket
from engine.pool.circuit import Cause, Circuit, Phase, Turn
from engine.pool.decision import Verdict
from engine.pool.messages import Kind, Outcome
from engine.pool.state import Slot
from engine.pool.terms import Terms

_NO_CREDENTIAL_NS: Final = 10**9
"""How long a provider without a secret is left alone: asking the vault again costs nothing but a lookup (KEY-3)."""
_FAILED_TIMES, _FAILED_NS = 8, 50 * 10**6
"""What a failure counts as in the average latency: so many times the average, or this."""
_SLOWEST_NS: Final = 3600 * 10**9
"""What no average goes beyond: failures count as multiples of it, and it would grow without end."""
HALVED_NS: Final = 5 * 10**9
"""An average that gets no new sample is halved each time this passes, so that nobody is slow for ever."""
_SMOOTHING: Final = 8
"""A sample moves the average latency by one part in so many."""


def note(
    slot: Slot, ticket: Ticket, outcome: Outcome, at: Nanoseconds, terms: Terms, *, sent_with: CredentialId | None
) -> None:
    """Take over what an attempt has shown, which was sent with that credential."""
    health, credential = slot.health, slot.credential
    if outcome.kind is Kind.SUCCEEDED:
        if outcome.latency_ns is not None:
            _sample(slot, outcome.latency_ns, at)
        if terms.has_circuits and (health.failures or slot.is_barred):
            answered(slot, ticket)
        return
    health_fails, credential_fails = _blame(outcome, terms, sent_with)
    if health_fails or credential_fails:
        # Else one that fails at once would look quick.
        _sample(slot, _FAILED_TIMES * max(latency_of(slot, at), _FAILED_NS), at)
    if not terms.has_circuits:
        return
    cause = Cause(ticket, at, _what(outcome))
    if health_fails:
        threshold = 1 if _opens_at_once(outcome, terms) else terms.threshold
        told = min(outcome.told_ns or 0, terms.told_at_most_ns)
        health.fail(cause, threshold=threshold, cooldowns_ns=terms.cooldowns_ns, told_ns=told)
    else:
        health.let_go(ticket)
    # One that was replaced meanwhile says nothing about its successor.
    if credential_fails and sent_with == slot.provider.credential:
        # A secret that is missing is no rung of the schedule: the wait does not grow, nor does that of a later 401.
        told = _NO_CREDENTIAL_NS if outcome.failure is Failure.CREDENTIAL else 0
        credential.fail(cause, threshold=1, cooldowns_ns=terms.cooldowns_ns, told_ns=told)
    else:
        credential.let_go(ticket)
    _mark(slot)


def answered(slot: Slot, ticket: Ticket) -> None:
    """The provider has answered well."""
    slot.health.succeed(ticket)
    slot.credential.succeed(ticket)
    _mark(slot)


def renew_credential(slot: Slot) -> None:
    """The provider has another credential: what the old one was refused for is over; its health is as it was."""
    slot.credential.reset()
    _mark(slot)


def trust_again(slot: Slot) -> None:
    """The pool does without circuits."""
    slot.health.reset()
    slot.credential.reset()
    _mark(slot)


def turns(slot: Slot, before: tuple[Nanoseconds | None, Nanoseconds | None], at: Nanoseconds) -> tuple[Turn, ...]:
    """What became of a slot's circuits, whose ends were as told before."""
    found: tuple[Turn, ...] = ()
    for of, was, circuit in zip(("health", "credential"), before, (slot.health, slot.credential), strict=True):
        if circuit.until != was:
            slot.openings += circuit.until is not None
            wait_ns = None if circuit.until is None else circuit.until - at
            found += (Turn(slot.name, of, wait_ns, circuit.causes),)
    return found


def begin_probe(slot: Slot, ticket: Ticket) -> bool:
    """A barred provider is given to a request, which is now its one probe. Whether it is one."""
    for circuit in (slot.health, slot.credential):
        if circuit.until is not None:
            circuit.probe = ticket
    return slot.is_barred


def bar_of(slot: Slot, at: Nanoseconds) -> tuple[Verdict, int, tuple[Cause, ...]] | None:
    """Why a provider is left alone: verdict, its number, the failures behind it; None where it may be probed."""
    for circuit, verdict in ((slot.credential, Verdict.CREDENTIAL), (slot.health, Verdict.OPEN)):
        if circuit.until is None:
            continue
        if circuit.probe is not None:
            return Verdict.PROBING, circuit.probe, circuit.causes
        if circuit.phase(at) is Phase.OPEN:
            return verdict, circuit.until, circuit.causes
    return None


def _mark(slot: Slot) -> None:
    slot.is_barred = slot.health.until is not None or slot.credential.until is not None


def _blame(outcome: Outcome, terms: Terms, sent_with: CredentialId | None) -> tuple[bool, bool]:
    """Whether an outcome counts against the provider's health, and against its credential."""
    if outcome.kind is not Kind.FAILED:
        return False, False
    if outcome.failure is not None:
        missing = outcome.failure is Failure.CREDENTIAL
        return not missing, missing
    status = outcome.status or 0
    if is_credential_refused(status, sent_with):
        return False, True
    return status >= 500 or status == TOO_MANY or matches(terms.open_on_status, status), False


def _opens_at_once(outcome: Outcome, terms: Terms) -> bool:
    return outcome.status is not None and matches(terms.open_on_status, outcome.status)


def _what(outcome: Outcome) -> str:
    return outcome.failure.value if outcome.failure is not None else f"status {outcome.status}"


def latency_of(slot: Slot, at: Nanoseconds) -> Nanoseconds:
    """The average latency as it counts at a time; 0: not known."""
    return slot.latency_ns >> min(63, max(0, at - slot.sampled_at) // HALVED_NS)


def _sample(slot: Slot, sample: Nanoseconds, at: Nanoseconds) -> None:
    average = latency_of(slot, at)
    slot.latency_ns = min(_SLOWEST_NS, average + (sample - average) // _SMOOTHING if average else sample)
    slot.sampled_at = at


def is_upstream_rate(circuit: Circuit) -> bool:
    """Whether the wait is one the provider asked for with a 429."""
    return circuit.is_told and bool(circuit.causes) and circuit.causes[-1].what == f"status {TOO_MANY}"
