"""What one request holds in the actors, and the best that its attempts have brought so far.

Law: one ticket, one `finish`; whatever was asked of an actor is given back by it; a request that was refused before
anything was sent has spent no token (ORDER-2).
"""

import attrs

from engine.access import Admission, not_found
from engine.caller import Entry
from engine.errors import Failure, Reason, Refused, Scope
from engine.limiter import Quota
from engine.names import Alias, Nanoseconds, Ticket
from engine.pool.messages import UNSENT, Kind, Leased, Outcome, Refusal
from engine.pool.messages import Refused as NotLeased
from engine.ports import Clock, UpstreamAnswer
from engine.recording import Attempted
from engine.refusals import TOLD
from engine.runtime.answer import Answer, outcome_of
from engine.runtime.caller_actor import CallerActor
from engine.runtime.peek import Embedded, Empty
from engine.runtime.pool_actor import PoolActor
from engine.runtime.results import Result, refusal_for
from engine.runtime.router import Router
from engine.runtime.trail import Trail
from engine.snapshot import Exhausted, Pool

_SOON_NS = 10**9
"""When to ask again where a probe is under way: nobody knows how long it takes."""


@attrs.define(eq=False)
class _Kept:
    lease: Leased
    upstream: UpstreamAnswer
    latency_ns: Nanoseconds


@attrs.define(eq=False)
class Attempts:
    ticket: Ticket
    _alias: Alias
    _admission: Admission
    _router: Router
    _callers: CallerActor
    _clock: Clock
    trail: Trail
    "Its position is that of the snapshot the request began with, or of the newer definition that gave the last lease."
    attempts: int = 0
    upstream_ns: Nanoseconds = 0
    is_exhausted: bool = False
    quota: Quota | None = None
    "Of the key's rate limit."
    outcome: Outcome = UNSENT
    "Of the running attempt, for the case that the request ends with it."
    _entered: bool = False
    _actor: PoolActor | None = None
    "Set with the question, which keeps it running until `finish`."
    _kept: "_Kept | None" = None
    "The last real answer."
    _passed_over: Refused | None = None
    "Why there was no further attempt, where the providers' rate limits were it (FB-6)."
    _result: Result | None = None
    "What the last attempt brought."
    _ended: Outcome | None = None
    "How the last attempt ended, where the answer is another one's."

    @property
    def pool(self) -> Pool:
        return self._admission.pool

    async def enter(self) -> None:
        """Take the key's slot and token, where it has limits: they come before the pool's (ORDER-3). Raises Refused."""
        key = self._admission.key
        if key is None or (key.limits.max_concurrent is None and key.limits.requests_per_second is None):
            return
        self._entered = True
        admitted = await self._callers.enter(self.ticket, key, self.trail.served.position)
        if admitted.entry is Entry.GRANTED:
            self.quota = admitted.quota
            return
        self._entered = False
        reason = Reason.RATE_LIMIT if admitted.entry is Entry.RATE else Reason.CONCURRENCY_LIMIT
        wait_ns = self._until(admitted.retry_at)
        raise Refused(reason, scope=Scope.KEY, retry_after_ns=wait_ns, quota=admitted.quota)

    async def acquire(self, affinity: int | None) -> Leased:
        """The first lease. Raises Refused."""
        # An alias that went away between the snapshot and the actor is an alias that does not exist. It is looked up
        # in the step that asks: an actor found before `enter` could have ended by now, and would never answer.
        self._actor = self._router.actors.get(self.pool.alias)
        if self._actor is None:
            raise not_found(self._alias)
        effect = await self._actor.acquire(self.ticket, affinity)
        if isinstance(effect, Leased):
            return self._leased(effect)
        self.trail.decision = effect.decision
        raise self._refusal(effect.refusal, effect)

    async def retry(self) -> Leased | None:
        """End the attempt that was kept last; the next lease, or None when nothing is left to try."""
        if self._actor is None:
            return None
        effect = await self._actor.retry(self.ticket, self.outcome)
        if isinstance(effect, Leased):
            return self._leased(effect)
        self.trail.decision = effect.decision or self.trail.decision
        self.is_exhausted = True
        if effect.because is Refusal.PROVIDER_RATE:
            self._passed_over = self._refusal(effect.because, effect)
        return None

    async def keep(self, lease: Leased, result: Result, attempted: Attempted) -> None:
        """Take over what an attempt brought, in place of what the ones before did."""
        self._result = result
        match result:
            case Failure():
                attempted.what = result.value
                self.outcome = outcome_of(result)
            case Embedded() | Empty():
                attempted.what = "empty" if isinstance(result, Empty) else "embedded"
                attempted.status = result.status
                self.outcome = outcome_of(result.status)
            case _:
                attempted.what, attempted.status = "answered", result.status
                if lease.is_probe and result.status < 400 and self._actor is not None:
                    self._actor.answered(self.ticket)
                self.outcome = outcome_of(result.status, result.retry_after_ns, attempted.head_ns)
                replaced, self._kept = self._kept, _Kept(lease, result, attempted.head_ns)
                if replaced is not None:
                    await replaced.upstream.aclose()

    def answer(self) -> Answer:
        """The last real answer. Raises Refused where there is none to relay, or where a pool masks its failures."""
        kept = self._kept
        if kept is not None and self._relays():
            if self._result is not kept.upstream:
                # The answer is an earlier attempt's: how its body ends says nothing of the provider that is held now.
                self._ended = self.outcome
            return Answer(
                self,
                kept.lease,
                kept.upstream,
                complete=self.outcome,
                latency_ns=kept.latency_ns,
                clock=self._clock,
            )
        last = self._passed_over or refusal_for(self._result)
        raise attrs.evolve(last, is_exhausted=self.is_exhausted)

    def finish(self, outcome: Outcome) -> None:
        """Give everything back. Never waits."""
        if self._actor is not None:
            self._actor.finish(self.ticket, self._ended or outcome)
        if self._entered:
            spent = self.attempts > 1 or (self.attempts == 1 and outcome.kind is not Kind.UNSENT)
            self._callers.leave(self.ticket, spent=spent)

    async def drop(self) -> None:
        """The request ends without the answer that was kept."""
        if self._kept is not None:
            await self._kept.upstream.aclose()

    def _relays(self) -> bool:
        """Whether the last real answer is the client's (DEF-27): one that stands always is; what came of failures is
        where the pool does not mask them; an error in a 2xx that may not be tried again speaks for itself (FB-12).
        """
        unmasked = self.pool.fallback.exhausted is Exhausted.RELAY
        match self._result:
            case Failure():
                return unmasked
            case Embedded() | Empty():
                return unmasked and self.is_exhausted
            case _:
                return unmasked or not self.is_exhausted

    def _leased(self, lease: Leased) -> Leased:
        self.outcome = UNSENT
        self.attempts = lease.attempt
        trail = self.trail
        trail.decision = lease.decision
        trail.served.position = max(trail.served.position, lease.position)
        return lease

    def _refusal(self, refusal: Refusal, effect: NotLeased) -> Refused:
        if refusal not in TOLD:
            return not_found(self._alias)
        reason, scope = TOLD[refusal]
        wait_ns = self._until(effect.retry_at)
        if wait_ns is None and refusal is Refusal.CIRCUITS_OPEN:
            wait_ns = _SOON_NS
        return Refused(reason, scope=scope, retry_after_ns=wait_ns, quota=effect.quota, why=refusal.value)

    def _until(self, at: Nanoseconds | None) -> Nanoseconds | None:
        return None if at is None else max(0, at - self._clock())
