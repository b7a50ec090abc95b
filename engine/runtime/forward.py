"""One request: admitted, leased a provider, sent, tried again where the pool says so, and always finished.

Law: one ticket, one `finish`, sent without awaiting, when the *body* has ended or never will; one snapshot for the
whole request (ORDER-5); a request that is refused has spent nothing; no body byte enters an actor.
"""

import itertools
import math
from collections.abc import Callable

import trio

from engine.access import admit
from engine.errors import Failure, Refused, UpstreamFailed
from engine.names import Digest, Ticket
from engine.pool.messages import ABANDONED, Leased
from engine.pool.ring import key_of
from engine.ports import Clock, Request, Upstream, UpstreamAnswer
from engine.recording import Attempted
from engine.runtime.answer import Answer
from engine.runtime.attempts import Attempts
from engine.runtime.caller_actor import CallerActor
from engine.runtime.peek import Embedded, Empty, peek
from engine.runtime.results import Result, may_retry
from engine.runtime.router import Router
from engine.runtime.trail import Trail
from engine.snapshot import Pool, RoutingSnapshot, Strategy, Timeouts


class Forward:
    """The request flow's engine side: built once, called for each request.

    Tickets are counted from `first_ticket`; where they are to mean one request for ever, no process starts below
    another's last.
    """

    def __init__(
        self,
        router: Router,
        callers: CallerActor,
        upstream: Upstream,
        *,
        clock: Clock,
        unix_s: Callable[[], int],
        first_ticket: Ticket = 1,
    ) -> None:
        self._router = router
        self._callers = callers
        self._upstream = upstream
        self._clock = clock
        self._unix_s = unix_s
        self._tickets = itertools.count(first_ticket)

    async def __call__(self, request: Request, trail: Trail) -> Answer:
        """The answer to relay: the first that stands, or the last real one when all was tried (DEF-27).

        All that is known of the request meanwhile goes into its trail, however it ends. Raises Refused.
        """
        snapshot = self._router.snapshot
        trail.served.position = snapshot.position
        admission = admit(snapshot, request.alias, request.caller, self._unix_s(), request.address)
        pool = admission.pool
        looks_inside = _looks_inside(snapshot, pool)
        ticket = next(self._tickets)
        trail.admitted(ticket, admission)
        attempts = Attempts(ticket, request.alias, admission, self._router, self._callers, self._clock, trail)
        try:
            await attempts.enter()
            lease = await attempts.acquire(_affinity(pool, request))
            while True:
                attempted = trail.attempt(lease.provider.name, self._clock())
                result = await self._attempt(trail, attempted, lease, request, looks_inside=looks_inside)
                attempts.upstream_ns += attempted.head_ns
                await attempts.keep(lease, result, attempted)
                if not may_retry(pool.fallback, lease.provider, result):
                    break
                following = await attempts.retry()
                if pool.fallback.backoff is not None:
                    attempts.upstream_ns += self._clock() - attempted.sent_at - attempted.head_ns
                if following is None:
                    break
                lease = following
            return attempts.answer()
        except Refused:
            attempts.finish(attempts.outcome)
            await attempts.drop()
            raise
        except BaseException:
            attempts.finish(ABANDONED)
            await attempts.drop()
            raise

    async def _attempt(
        self, trail: Trail, attempted: Attempted, lease: Leased, request: Request, *, looks_inside: bool
    ) -> Result:
        try:
            answer = await self._upstream.send(lease.provider, request, lease.timeouts)
            return await _looked_into(answer, request, lease.timeouts) if looks_inside else answer
        except UpstreamFailed as failed:
            trail.details[-1] = failed.detail
            return failed.failure
        except Refused:
            attempted.what = "unsent"
            raise
        finally:
            attempted.head_ns = self._clock() - attempted.sent_at


async def _looked_into(answer: UpstreamAnswer, request: Request, timeouts: Timeouts) -> Result:
    """An answer, or what is wrong with it, which closes it. Raises UpstreamFailed."""
    seen: Result = Failure.TIMEOUT
    try:
        with trio.move_on_after(_seconds(timeouts.total_s)):
            seen = await peek(answer, request.method, _seconds(timeouts.idle_s))
    finally:
        if isinstance(seen, Failure | Embedded | Empty):
            await answer.aclose()
    if seen is Failure.TIMEOUT:
        raise UpstreamFailed(Failure.TIMEOUT, "the answer began and then took too long")
    return seen


def _seconds(bound: float | None) -> float:
    return math.inf if bound is None else bound


def _looks_inside(snapshot: RoutingSnapshot, pool: Pool) -> bool:
    """Whether a 2xx is looked into for an error (FB-11)."""
    chosen = pool.fallback.on_embedded_error
    return snapshot.settings.strict_mode if chosen is None else chosen


def _affinity(pool: Pool, request: Request) -> int | None:
    """Where the request stands on the pool's ring: by the header that names its session, or by its caller."""
    if pool.strategy is not Strategy.CONSISTENT_HASH:
        return None
    if pool.affinity.header is None:
        return _of_caller(request.caller)
    wanted = pool.affinity.header.encode("latin-1")
    return next((key_of(value) for name, value in request.headers if name == wanted), None)


def _of_caller(caller: Digest | None) -> int | None:
    return None if caller is None else key_of(caller)
