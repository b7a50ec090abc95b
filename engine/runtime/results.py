"""What an attempt brought, whether another may follow it, and what it is to the client where no answer is relayed."""

from engine.errors import Failure, Reason, Refused
from engine.fallback import TOO_MANY, tries_again_on_embedded, tries_again_on_failure, tries_again_on_status
from engine.ports import UpstreamAnswer
from engine.runtime.peek import Embedded, Empty
from engine.snapshot import Fallback, Provider

_FAILURES = {
    Failure.CREDENTIAL: Reason.UNAVAILABLE,
    Failure.CONNECT: Reason.UNAVAILABLE,
    Failure.BROKEN: Reason.BAD_GATEWAY,
    Failure.TIMEOUT: Reason.UPSTREAM_TIMEOUT,
}

Result = UpstreamAnswer | Embedded | Empty | Failure


def may_retry(fallback: Fallback, provider: Provider, result: Result) -> bool:
    """Whether the pool's fallback covers what a provider brought."""
    match result:
        case Failure():
            return tries_again_on_failure(fallback, result)
        case Embedded() | Empty():
            return tries_again_on_embedded(fallback, result.status)
        case _:
            return tries_again_on_status(fallback, result.status, provider)


def refusal_for(result: Result | None) -> Refused:
    """What an attempt's result is to the client where no answer can be relayed (FB-3 to FB-5)."""
    match result:
        case Failure():
            return Refused(_FAILURES[result])
        case Embedded() | Empty():
            return _embedded(result)
        case _:
            return Refused(Reason.BAD_GATEWAY)


def _embedded(result: Embedded | Empty) -> Refused:
    """FB-12, FB-13: a client's fault keeps its status; the rest is the provider's."""
    if isinstance(result, Empty) or result.status == TOO_MANY or result.status >= 500:
        return Refused(Reason.UNAVAILABLE)
    return Refused(Reason.UPSTREAM_REJECTED, status=result.status)
