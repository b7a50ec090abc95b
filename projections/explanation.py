"""A decision in words: for each provider, why it was chosen or why not.

Law: a pure reading of what was recorded; times are told as they were then, relative to the decision.
"""

import attrs

from engine.caller import Admitted, Enter, Leave
from engine.caller import Entry as KeyEntry
from engine.names import Nanoseconds
from engine.pool.decision import Candidate, Decision, Verdict
from engine.pool.messages import Acquire, Finish, Kind, Outcome, Refused, Retry
from engine.recording import Answer, Entry, Granted
from engine.refusals import TOLD
from engine.snapshot import Strategy
from projections.traffic import verdict_of, verdict_of_key

_MS = 10**6
_PARTS = 10**15


@attrs.frozen
class Considered:
    provider: str
    weight: int
    active: int
    verdict: str
    number: int
    is_chosen: bool
    is_tied: bool
    result: str


@attrs.frozen
class Step:
    """One question or notice of a request, and the answer."""

    seq: int
    ms: float
    "Since the request's first step."
    what: str
    defined_at: int | None = None
    "The position of the table whose definition of the pool decided: the one that last changed it."
    strategy: str | None = None
    draws: tuple[int, ...] = ()
    candidates: tuple[Considered, ...] = ()


def steps(entries: tuple[Entry, ...], ticket: int) -> tuple[Step, ...]:
    """What a request's entries say, in order."""
    if not entries:
        return ()
    start = _at(entries[0])
    return tuple(_step(entry, ticket, start) for entry in entries)


def why(decision: Decision, candidate: Candidate) -> str:
    """What became of one provider in a decision."""
    if candidate.is_chosen:
        is_early = candidate.verdict is not Verdict.ADMISSIBLE
        drawn = f", drawn from {', '.join(decision.tied)}" if candidate.is_tied else ""
        return "chosen as a probe before its time, as every circuit is open" if is_early else f"chosen{drawn}"
    if candidate.verdict is not Verdict.ADMISSIBLE:
        wait, causes = _span(candidate.number - decision.at), _causes(decision, candidate)
        return _BARRED[candidate.verdict].format(number=candidate.number, wait=wait, causes=causes)
    if candidate.is_tied and decision.strategy is not Strategy.LEAST_LATENCY:
        return "lost the draw"
    if decision.strategy is Strategy.LEAST_LATENCY and not candidate.is_tied:
        return "not drawn"
    load = f"{candidate.active} active at weight {candidate.weight}"
    if decision.strategy in _BY_SCORE:
        return _behind(decision, candidate) or f"busier than its equal: {load}"
    return _OUTDONE[decision.strategy].format(load=load, span=_span(candidate.number))


def _behind(decision: Decision, candidate: Candidate) -> str | None:
    """What the strategy compares first, where that decided."""
    chosen = next((one for one in decision.candidates if one.is_chosen), candidate)
    if chosen.number == candidate.number:
        return None
    if decision.strategy is Strategy.COST:
        return f"dearer: {candidate.number / _PARTS:g}, not {chosen.number / _PARTS:g}"
    return f"behind in order: priority {candidate.number}, not {chosen.number}"


_BARRED = {
    Verdict.DRAINED: "drained: its weight is 0",
    Verdict.TRIED: "excluded by attempt {number}",
    Verdict.OPEN: "circuit open for another {wait}, since {causes}",
    Verdict.CREDENTIAL: "credential refused, for another {wait}, since {causes}",
    Verdict.PROBING: "half-open, and decision {number} is its probe",
    Verdict.FULL: "concurrency: its limit of {number} is reached",
    Verdict.NO_TOKEN: "rate: next token in {wait}",
}
_BY_SCORE = {Strategy.PRIORITY, Strategy.COST}
_OUTDONE = {
    Strategy.WEIGHTED_RANDOM: "higher score: {load}",
    Strategy.LEAST_LATENCY: "slower for its load: {span}, {load}",
    Strategy.CONSISTENT_HASH: "farther on the ring, or over its share: {load}",
}


def _step(entry: Entry, ticket: int, start: Nanoseconds) -> Step:
    answer = next((one for one in entry.answers if one.ticket == ticket), None)
    what = ", ".join(part for part in (_asked(entry, ticket), _answered(answer, _at(entry))) if part)
    decision = None if answer is None or isinstance(answer, Admitted) else answer.decision
    ms = (_at(entry) - start) / _MS
    if decision is None:
        return Step(entry.seq, ms, what)
    considered = tuple(_considered(decision, one) for one in decision.candidates)
    return Step(entry.seq, ms, what, decision.position, decision.strategy.value, decision.draws, considered)


def _considered(decision: Decision, one: Candidate) -> Considered:
    return Considered(
        one.name,
        one.weight,
        one.active,
        one.verdict.value,
        one.number,
        one.is_chosen,
        one.is_tied,
        why(decision, one),
    )


def _asked(entry: Entry, ticket: int) -> str:
    message = entry.told
    if getattr(message, "ticket", None) != ticket:
        return "its backoff is over"
    match message:
        case Enter():
            what = f"key {message.key_id} enters"
        case Leave():
            what = "the key's request is over" if message.spent else "the key's token comes back"
        case Acquire():
            what = "asks for a provider"
        case Retry():
            what = f"asks for another provider after {_outcome(message.outcome)}"
        case Finish():
            what = f"is over: {_outcome(message.outcome)}"
        case _:
            what = "the probe has a good head"
    return what


def _answered(answer: Answer | None, at: Nanoseconds) -> str:
    if answer is None:
        return ""
    if isinstance(answer, Granted):
        return f"gets {answer.provider}, attempt {answer.attempt}{' (a probe)' if answer.is_probe else ''}"
    told = _admitted(answer) if isinstance(answer, Admitted) else _refused(answer)
    if answer.quota is not None:
        told += f", {answer.quota.remaining} of {answer.quota.limit} tokens left"
    return told if answer.retry_at is None else f"{told}, again in {_span(answer.retry_at - at)}"


def _admitted(answer: Admitted) -> str:
    return answer.entry.value if answer.entry is KeyEntry.GRANTED else f"refused: {verdict_of_key(answer.entry)}"


def _refused(answer: Refused) -> str:
    # Of a request that was sent on already, the answer is an attempt's; there is no word for it but the pool's own.
    return f"refused: {verdict_of(answer) if answer.refusal in TOLD else answer.refusal.value}"


def _outcome(outcome: Outcome) -> str:
    if outcome.kind is Kind.UNSENT:
        return "nothing was sent"
    what = f"status {outcome.status}" if outcome.status is not None else outcome.kind.value
    return outcome.failure.value if outcome.failure is not None else what


def _causes(decision: Decision, candidate: Candidate) -> str:
    causes = next((causes for name, causes in decision.causes if name == candidate.name), ())
    return ", ".join(f"{one.what} in decision {one.ticket} {_span(decision.at - one.at)} before" for one in causes)


def _span(span_ns: Nanoseconds) -> str:
    return f"{span_ns / _MS:.0f} ms" if span_ns < 10_000 * _MS else f"{span_ns / _MS / 1000:.0f} s"


def _at(entry: Entry) -> Nanoseconds:
    return getattr(entry.told, "at", 0)
