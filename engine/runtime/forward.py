"""One request: admitted, leased a provider, sent, tried again where the pool says so, and always finished.

Law: one ticket, one `finish`, sent without awaiting, when the *body* has ended or never will; one snapshot for the
whole request (ORDER-5); a request that is refused has spent nothing; no body byte enters an actor.
"""

import itertools
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import attrs

from engine.access import Admission, admit, not_found
from engine.errors import Failure, Reason, Refused, UpstreamFailed
from engine.fallback import tries_again_on_failure, tries_again_on_status
from engine.names import Alias, KeyId, Position, Ticket
from engine.pool.messages import ABANDONED, SUCCEEDED, Kind, Leased, Outcome, Refusal
from engine.ports import Clock, Headers, Request, Upstream, UpstreamAnswer
from engine.runtime.caller_actor import CallerActor
from engine.runtime.pool_actor import PoolActor
from engine.runtime.router import Router
from engine.snapshot import Pool, Provider

_REFUSALS = {
    Refusal.POOL_FULL: Reason.CONCURRENCY_LIMIT,
    Refusal.PROVIDERS_FULL: Reason.CONCURRENCY_LIMIT,
    Refusal.NO_PROVIDERS: Reason.UNAVAILABLE,
}
_FAILURES = {
    Failure.CREDENTIAL: Reason.UNAVAILABLE,
    Failure.CONNECT: Reason.UNAVAILABLE,
    Failure.BROKEN: Reason.BAD_GATEWAY,
    Failure.TIMEOUT: Reason.UPSTREAM_TIMEOUT,
}


class Forward:
    """The request flow's engine side: built once, called for each request."""

    def __init__(self, router: Router, callers: CallerActor, upstream: Upstream, *, clock: Clock) -> None:
        self._router = router
        self._callers = callers
        self._upstream = upstream
        self._clock = clock
        self._tickets = itertools.count(1)

    async def __call__(self, request: Request) -> "Answer":
        """The answer to relay: the first that stands, or the last real one when all was tried (DEF-27).

        Raises Refused.
        """
        snapshot = self._router.snapshot
        admission = admit(snapshot, request.alias, request.caller)
        actors, callers = self._router.actors, self._callers
        journey = _Journey(next(self._tickets), request.alias, admission, actors, callers, snapshot.position)
        try:
            await journey.enter()
            lease = await journey.acquire()
            while True:
                result = await self._attempt(journey, lease.provider, request)
                await journey.keep(lease.provider, result)
                if not journey.may_retry(result):
                    break
                following = await journey.retry(result)
                if following is None:
                    break
                lease = following
            return journey.answer()
        except BaseException as error:
            journey.finish(journey.outcome if isinstance(error, Refused) else ABANDONED)
            await journey.drop()
            raise

    async def _attempt(self, journey: "_Journey", provider: Provider, request: Request) -> UpstreamAnswer | Failure:
        sent = self._clock()
        try:
            return await self._upstream.send(provider, request)
        except UpstreamFailed as failed:
            journey.tried.append(f"{provider.name}: {failed.failure.value}: {failed.detail}")
            return failed.failure
        finally:
            journey.upstream_ns += self._clock() - sent


class Answer:
    """A provider's answer on its way to the client. Enter it at once; leaving it finishes the request.

    Leaving it before the body's end tells the pool that the request was abandoned.
    """

    def __init__(self, journey: "_Journey", provider: Provider, upstream: UpstreamAnswer) -> None:
        self._journey = journey
        self._upstream = upstream
        self._outcome = ABANDONED
        self.provider = provider
        self.status = upstream.status
        self.headers: Headers = upstream.headers
        self.pool = journey.pool
        self.attempts = journey.attempts
        self.position = journey.position
        self.key_id = journey.key_id
        self.tried = journey.tried
        "For the log only: what became of each attempt before this one."
        self.upstream_ns = journey.upstream_ns
        "How long the attempts waited for their heads, all together."

    async def receive(self) -> bytes:
        """The next bytes of the body; b"" at its end. Raises UpstreamFailed when it breaks (FB-10)."""
        try:
            chunk = await self._upstream.receive()
        except UpstreamFailed as failed:
            self._outcome = outcome_of(failed.failure)
            raise
        if not chunk:
            self._outcome = outcome_of(self.status)
        return chunk

    def receive_nowait(self) -> bytes | None:
        """As `receive`, for what has arrived already; None where it would wait."""
        chunk = self._upstream.receive_nowait()
        if chunk == b"":
            self._outcome = outcome_of(self.status)
        return chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._journey.finish(self._outcome)
        await self._upstream.aclose()


def outcome_of(result: int | Failure) -> Outcome:
    """What an upstream status, or a failure to get one, means for its provider."""
    if isinstance(result, Failure):
        return Outcome(Kind.FAILED, failure=result)
    return SUCCEEDED if result < 400 else Outcome(Kind.FAILED, status=result)


@attrs.define(eq=False)
class _Journey:
    """What one request holds in the actors, and the best it has got for it so far."""

    _ticket: Ticket
    _alias: Alias
    _admission: Admission
    _actors: Mapping[Alias, PoolActor]
    _callers: CallerActor
    position: Position
    attempts: int = 0
    upstream_ns: int = 0
    tried: list[str] = attrs.field(factory=list)
    "What became of each attempt that is not the answer, for the log."
    outcome: Outcome = ABANDONED
    "Of the running attempt, for the case that the request ends with it."
    _entered: bool = False
    _actor: PoolActor | None = None
    "Set with the question, which keeps it running until `finish`."
    _kept: tuple[Provider, UpstreamAnswer] | None = None
    "The last real answer."
    _failure: Failure | None = None
    "How the last attempt without an answer ended."

    @property
    def pool(self) -> Pool:
        return self._admission.pool

    @property
    def key_id(self) -> KeyId | None:
        key = self._admission.key
        return key.key_id if key is not None else None

    async def enter(self) -> None:
        """Take the key's slot, where it has a limit. Per-key limits come before the pool's (ORDER-3)."""
        key = self._admission.key
        if key is None or key.limits.max_concurrent is None:
            return
        self._entered = True
        if not await self._callers.enter(self._ticket, key.key_id, key.limits.max_concurrent):
            raise Refused(Reason.CONCURRENCY_LIMIT)

    async def acquire(self) -> Leased:
        # An alias that went away between the snapshot and the actor is an alias that does not exist. It is looked up
        # in the step that asks: an actor found before `enter` could have ended by now, and would never answer.
        self._actor = self._actors.get(self.pool.alias)
        if self._actor is None:
            raise not_found(self._alias)
        effect = await self._actor.acquire(self._ticket)
        if isinstance(effect, Leased):
            return self._leased(effect)
        reason = _REFUSALS.get(effect.refusal)
        raise Refused(reason) if reason else not_found(self._alias)

    async def retry(self, result: UpstreamAnswer | Failure) -> Leased | None:
        """End the attempt with its result; the next lease, or None when nothing is left to try."""
        if self._actor is None:
            return None
        effect = await self._actor.retry(self._ticket, outcome_of(_gist(result)))
        return self._leased(effect) if isinstance(effect, Leased) else None

    def may_retry(self, result: UpstreamAnswer | Failure) -> bool:
        if isinstance(result, Failure):
            return tries_again_on_failure(self.pool.fallback, result)
        return tries_again_on_status(self.pool.fallback, result.status)

    async def keep(self, provider: Provider, result: UpstreamAnswer | Failure) -> None:
        if isinstance(result, Failure):
            self._failure, self.outcome = result, outcome_of(result)
            return
        replaced, self._kept = self._kept, (provider, result)
        if replaced is not None:
            self.tried.append(f"{replaced[0].name}: status {replaced[1].status}")
            await replaced[1].aclose()

    def answer(self) -> Answer:
        """The last real answer; without one, the last failure as a refusal."""
        if self._kept is not None:
            return Answer(self, *self._kept)
        raise Refused(_FAILURES[self._failure] if self._failure else Reason.INTERNAL, tried=tuple(self.tried))

    def finish(self, outcome: Outcome) -> None:
        if self._actor is not None:
            self._actor.finish(self._ticket, outcome)
        if self._entered:
            self._callers.leave(self._ticket)

    async def drop(self) -> None:
        if self._kept is not None:
            await self._kept[1].aclose()

    def _leased(self, lease: Leased) -> Leased:
        self.outcome = ABANDONED
        self.attempts = lease.attempt
        self.position = max(self.position, lease.position)
        return lease


def _gist(result: UpstreamAnswer | Failure) -> int | Failure:
    return result if isinstance(result, Failure) else result.status
