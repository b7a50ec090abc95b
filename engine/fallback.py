"""Whether an attempt that went wrong may be followed by another.

Law: a pure function of the pool's fallback and the outcome. How many attempts there may be, and at which
provider, is the pool machine's.
"""

from engine.errors import Failure
from engine.snapshot import Fallback


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


def tries_again_on_status(fallback: Fallback, status: int) -> bool:
    """FB-1, FB-3."""
    return fallback.enabled and matches(fallback.on_status, status)


def tries_again_on_failure(fallback: Fallback, failure: Failure) -> bool:
    """FB-4, FB-5: whatever kept the headers from coming, the next provider may have them."""
    del failure  # every kind alike in this version; they get switches of their own
    return fallback.enabled
