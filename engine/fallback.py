"""Whether an attempt that went wrong may be followed by another.

Law: a pure function of the pool's fallback and the outcome; off means never (FB-1). How many attempts there may be,
when, and at which provider, is the pool machine's.
"""

from engine.errors import Failure
from engine.names import CredentialId
from engine.snapshot import Fallback, Provider

TOO_MANY = 429
_REFUSED_CREDENTIAL = (401, 403)


def matches(patterns: tuple[int, ...], status: int) -> bool:
    """FB-2: a pattern below 10 is a class of statuses, below 100 a decade, else one status."""
    for pattern in patterns:
        if pattern < 10:
            if status // 100 == pattern:
                return True
        elif pattern < 100:
            if status // 10 == pattern:
                return True
        elif status == pattern:
            return True
    return False


def is_credential_refused(status: int, credential: CredentialId | None) -> bool:
    """Whether a status is about a credential of the gateway's own, and so no fault of the client's (DEF-71)."""
    return status in _REFUSED_CREDENTIAL and credential is not None


def tries_again_on_status(fallback: Fallback, status: int, provider: Provider) -> bool:
    """FB-3, and a refused credential (T20)."""
    refused = is_credential_refused(status, provider.credential)
    return fallback.enabled and (refused or matches(fallback.on_status, status))


def tries_again_on_embedded(fallback: Fallback, status: int) -> bool:
    """FB-12, FB-13: an error in a 2xx, by the status it stands for."""
    is_rate = status == TOO_MANY and fallback.on_rate_limit
    return fallback.enabled and (is_rate or matches(fallback.on_status, status))


def tries_again_on_failure(fallback: Fallback, failure: Failure) -> bool:
    """FB-4, FB-5: each kind by its own switch, since after some the request may have been executed (DEF-41)."""
    switches = {
        Failure.CREDENTIAL: True,
        Failure.CONNECT: fallback.on_connect_error,
        Failure.TIMEOUT: fallback.on_timeout,
        Failure.BROKEN: fallback.on_maybe_executed,
    }
    return fallback.enabled and switches[failure]
