"""A provider's answer on its way to the client, and the bounds in time that are kept on it.

Law: it ends, by itself or because its time is over (DEF-40); when it has been left, its request is finished in its
pool exactly once, with what became of it.
"""

from types import TracebackType
from typing import Protocol, Self

from engine.errors import Failure, UpstreamFailed
from engine.limiter import Quota
from engine.names import Nanoseconds
from engine.pool.messages import ABANDONED, SUCCEEDED, Kind, Leased, Outcome
from engine.ports import Clock, Headers, UpstreamAnswer
from engine.runtime.trail import Trail
from engine.snapshot import Pool

_SECOND = 10**9
_NEVER = 2**63


class Held(Protocol):
    """What an answer's request holds in the actors."""

    trail: Trail
    attempts: int
    upstream_ns: Nanoseconds
    is_exhausted: bool
    quota: Quota | None

    @property
    def pool(self) -> Pool: ...

    def finish(self, outcome: Outcome) -> None:
        """Give all of it back, saying how the last attempt ended."""
        ...


class Answer:
    """Enter it at once; leaving it finishes the request. Left before the body's end, it counts as abandoned.

    `complete` is its outcome if the body reaches its end; `latency_ns`, how long its head took.
    """

    def __init__(
        self,
        held: Held,
        lease: Leased,
        upstream: UpstreamAnswer,
        *,
        complete: Outcome,
        latency_ns: Nanoseconds,
        clock: Clock,
    ) -> None:
        timeouts = lease.timeouts
        self._held = held
        self._upstream = upstream
        self._clock = clock
        self._outcome = ABANDONED
        self._complete = complete
        self._idle_ns = _NEVER if timeouts.idle_s is None else int(timeouts.idle_s * _SECOND)
        total_ns = _NEVER if timeouts.total_s is None else int(timeouts.total_s * _SECOND)
        self._deadline = clock() + total_ns - latency_ns
        self.provider = lease.provider
        self.status = upstream.status
        self.headers: Headers = upstream.headers
        self.retry_after_ns = upstream.retry_after_ns if upstream.status >= 400 else None
        self.ticket = lease.ticket
        self.quota = held.quota
        "Of the caller's rate limit, where its key has one."
        self.pool = held.pool
        self.attempts = held.attempts
        self.position = held.trail.served.position
        self.is_exhausted = held.is_exhausted
        "Whether it is an error and all that may be tried was tried."
        self.upstream_ns = held.upstream_ns
        "How long the attempts waited for their heads and their turns, all together."

    async def receive(self) -> bytes:
        """The next bytes of the body; b"" at its end. Raises UpstreamFailed when it breaks or stalls (FB-10)."""
        left_ns = self._deadline - self._clock()
        try:
            if left_ns <= 0:
                raise UpstreamFailed(Failure.TIMEOUT, "the body has not ended in all its time")  # noqa: TRY301 - as any
            chunk = await self._upstream.receive(min(self._idle_ns, left_ns) / _SECOND)
        except UpstreamFailed as failed:
            self._outcome = outcome_of(failed.failure)
            raise
        if not chunk:
            self._outcome = self._complete
        return chunk

    def receive_nowait(self) -> bytes | None:
        """As `receive`, for what has arrived already; None where it would wait, or its time is over."""
        if self._clock() > self._deadline:
            return None
        chunk = self._upstream.receive_nowait()
        if chunk == b"":
            self._outcome = self._complete
        return chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._held.finish(self._outcome)
        await self._upstream.aclose()


def outcome_of(
    result: int | Failure, told_ns: Nanoseconds | None = None, latency_ns: Nanoseconds | None = None
) -> Outcome:
    """What an upstream status, or a failure to get one, is to the pool."""
    if isinstance(result, Failure):
        return Outcome(Kind.FAILED, failure=result)
    if result < 400:
        return SUCCEEDED if latency_ns is None else Outcome(Kind.SUCCEEDED, result, None, None, latency_ns)
    return Outcome(Kind.FAILED, result, None, told_ns, latency_ns)
