"""Recorded blocks as traffic: requests that come, attempts that end, whatever table decided about them.

Law: one pass, in the order of the record. Of a request that came before the first block, or before a hole, only what
it still holds is known; it ends when it ended.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import attrs

from engine.caller import Admitted, Enter, Leave
from engine.caller import Entry as KeyEntry
from engine.errors import Reason, Scope
from engine.names import Alias, KeyId, Nanoseconds, ProviderName, Ticket
from engine.pool.messages import Acquire, Answered, Finish, Outcome, Refusal, Refused, Retry, Tick
from engine.recording import Block, Entry, Granted, Reconfigured, Started
from engine.refusals import TOLD
from projections.readmission import Applicant, is_decided

ACCESS: Final = "access"
KEY: Final = Scope.KEY.value
_POOL: Final = Scope.POOL.value
_CIRCUITS: Final = "circuits"
SCOPES: Final = (ACCESS, *(scope.value for scope in Scope), _CIRCUITS)


@attrs.frozen
class Verdict:
    """Why a request would get no provider at all."""

    scope: str
    "One of `SCOPES`."
    reason: str
    "As the caller is told it: one of `engine.errors.Reason`."

    def __str__(self) -> str:
        return f"{self.reason} ({self.scope})"


@attrs.frozen
class Went:
    """How a request went, as far as the gateway decided it."""

    alias: Alias | None
    "As it was asked for."
    key_id: KeyId | None
    pool: Alias | None
    "None: it came to no pool."
    providers: tuple[ProviderName, ...] = ()
    "Who was asked, in order."
    refused: Verdict | None = None


@attrs.frozen
class Began:
    """A pool's actor starts."""

    alias: Alias
    seed: int


@attrs.frozen
class Entered:
    """A request of a key with limits has come, and will ask for a provider if these let it in."""

    ticket: Ticket
    at: Nanoseconds
    applicant: Applicant | None
    key_id: KeyId


@attrs.frozen
class Left:
    """The key's request is over."""

    ticket: Ticket
    at: Nanoseconds
    spent: bool


@attrs.frozen
class Arrived:
    """A request asks for a provider."""

    ticket: Ticket
    "Below 0: a number of ours, for a request that no actor was asked about."
    at: Nanoseconds
    applicant: Applicant | None
    "None: it has not ended in the record, and nothing but its pool is known."
    pool: Alias | None
    affinity: int | None
    is_refused: bool
    "It was refused then, so no end of it is recorded."


@attrs.frozen
class Failed:
    """An attempt ended, and another provider was asked for."""

    ticket: Ticket
    at: Nanoseconds
    pool: Alias
    provider: ProviderName | None
    outcome: Outcome


@attrs.frozen
class Ended:
    ticket: Ticket
    at: Nanoseconds
    pool: Alias
    provider: ProviderName | None
    "Who had the last attempt."
    outcome: Outcome


@attrs.frozen
class Probed:
    """A probe got a good head."""

    ticket: Ticket
    at: Nanoseconds
    pool: Alias
    provider: ProviderName | None


@attrs.frozen
class Passed:
    """Time has."""

    at: Nanoseconds
    pool: Alias


Event: TypeAlias = Began | Entered | Left | Arrived | Failed | Ended | Probed | Passed


class Traffic:
    """`known`: the requests by ticket, as far as they have ended."""

    def __init__(self, known: Mapping[Ticket, Applicant]) -> None:
        self._known = known
        self._asked: dict[Ticket, ProviderName | None] = {}
        self._went: dict[Ticket, Went] = {}
        self._strangers = 0
        self.went: dict[Ticket, Went] = {}
        "How the requests that ended went, by the record; for the reader to take away."

    def events(self, block: Block) -> Iterator[Event]:
        for entry in block.entries:
            yield from self._event(entry)
            for answer in entry.answers:
                if isinstance(answer, Granted):
                    self._granted(answer)
        for served in block.requests:
            if served.ticket is None and is_decided(served):
                self._strangers -= 1
                applicant = Applicant.of(served)
                self.went[self._strangers] = _refused(applicant, Verdict(ACCESS, served.reason or ""))
                yield Arrived(self._strangers, served.at, applicant, None, None, is_refused=True)

    def forget(self) -> None:
        """What runs is not known after a hole."""
        self._asked.clear()
        self._went.clear()

    def _event(self, entry: Entry) -> Iterator[Event]:
        told, pool = entry.told, entry.alias
        match told:
            case Enter():
                yield from self._entered(told, entry)
            case Leave():
                yield Left(told.ticket, told.at, told.spent)
            case Started() if pool is not None:
                yield Began(pool, told.seed)
            case Acquire():
                yield self._acquired(told, pool, entry)
            case Retry() if pool is not None:
                yield Failed(told.ticket, told.at, pool, self._asked.pop(told.ticket, None), told.outcome)
            case Finish() if pool is not None:
                if (went := self._went.pop(told.ticket, None)) is not None:
                    self.went[told.ticket] = went
                yield Ended(told.ticket, told.at, pool, self._asked.pop(told.ticket, None), told.outcome)
            case Answered() if pool is not None:
                yield Probed(told.ticket, told.at, pool, self._asked.get(told.ticket))
            case Tick() if pool is not None:
                yield Passed(told.at, pool)
            case Reconfigured() | _:
                return

    def _entered(self, told: Enter, entry: Entry) -> Iterator[Event]:
        applicant = self._known.get(told.ticket)
        yield Entered(told.ticket, told.at, applicant, told.key_id)
        answer = entry.answers[0] if entry.answers else None
        if isinstance(answer, Admitted) and answer.entry is not KeyEntry.GRANTED:
            self.went[told.ticket] = _refused(applicant, verdict_of_key(answer.entry), told.key_id)
            yield Arrived(told.ticket, told.at, applicant, None, None, is_refused=True)

    def _acquired(self, told: Acquire, pool: Alias | None, entry: Entry) -> Arrived:
        applicant = self._known.get(told.ticket)
        went = Went(pool, None, pool) if applicant is None else Went(applicant.alias, applicant.key_id, pool)
        refused = next((one for one in entry.answers if isinstance(one, Refused) and one.ticket == told.ticket), None)
        if refused is not None:
            went = attrs.evolve(went, refused=verdict_of(refused))
        self._went[told.ticket] = went
        return Arrived(told.ticket, told.at, applicant, pool, told.affinity, is_refused=refused is not None)

    def _granted(self, granted: Granted) -> None:
        self._asked[granted.ticket] = granted.provider
        if (went := self._went.get(granted.ticket)) is not None:
            self._went[granted.ticket] = attrs.evolve(went, providers=(*went.providers, granted.provider))


def verdict_of(refused: Refused) -> Verdict:
    return _verdict(refused.refusal)


def verdict_of_key(entry: KeyEntry) -> Verdict:
    """Of one that turns the request away."""
    return Verdict(KEY, (Reason.RATE_LIMIT if entry is KeyEntry.RATE else Reason.CONCURRENCY_LIMIT).value)


def _verdict(refusal: Refusal) -> Verdict:
    reason, scope = TOLD.get(refusal, (Reason.MODEL_NOT_FOUND, None))
    if refusal is Refusal.CIRCUITS_OPEN:
        return Verdict(_CIRCUITS, reason.value)
    return Verdict(_POOL if scope is None else scope.value, reason.value)


OWN_WORDS: Final[Mapping[str, Verdict]] = {
    **{refusal.value: _verdict(refusal) for refusal in TOLD},
    **{entry.value: verdict_of_key(entry) for entry in KeyEntry if entry is not KeyEntry.GRANTED},
}
"""What an actor's own word for a refusal comes to, as the log and the live view have it."""


def _refused(applicant: Applicant | None, verdict: Verdict, key_id: KeyId | None = None) -> Went:
    if applicant is None:
        return Went(None, key_id, None, (), verdict)
    return Went(applicant.alias, applicant.key_id, None, (), verdict)
