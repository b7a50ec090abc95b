"""What a pool's refusal is to the caller; and why a caller was not let in, in words for the log: the caller is told no
more than the catalogue's text (ERR-4).
"""

from collections.abc import Mapping
from typing import Final

from engine.errors import Reason, Refused, Scope
from engine.names import Digest
from engine.pool.messages import Refusal
from engine.snapshot import Key, Pool, RoutingSnapshot

TOLD: Final[Mapping[Refusal, tuple[Reason, Scope | None]]] = {
    Refusal.POOL_RATE: (Reason.RATE_LIMIT, Scope.POOL),
    Refusal.POOL_FULL: (Reason.CONCURRENCY_LIMIT, Scope.POOL),
    Refusal.PROVIDER_RATE: (Reason.RATE_LIMIT, Scope.PROVIDER),
    Refusal.PROVIDERS_FULL: (Reason.CONCURRENCY_LIMIT, Scope.PROVIDER),
    Refusal.UPSTREAM_RATE: (Reason.RATE_LIMIT, Scope.UPSTREAM),
    Refusal.CIRCUITS_OPEN: (Reason.UNAVAILABLE, None),
    Refusal.NO_PROVIDERS: (Reason.UNAVAILABLE, None),
}
"""A refusal of the first question; of any other the caller hears that there is no such model."""
ROTATED_AWAY: Final = "the secret is the one before the last rotation"
ELSEWHERE: Final = "the key may not be used from this address"


def not_let_in(
    snapshot: RoutingSnapshot, presented: Digest | None, key: Key | None, pool: Pool, reason: Reason, at: int
) -> Refused:
    """The refusal of a caller whose secret was presented; `key` is the one it is good for now, if it is for any."""
    if key is not None:
        return Refused(reason, key_id=key.key_id, pool=pool.alias, why=_of_key(snapshot, key, pool, reason))
    known = None if presented is None else snapshot.callers.get(presented)
    if known is None:
        return Refused(reason, pool=pool.alias, why="no key has this secret")
    if known.expires_at is not None and known.expires_at <= at:
        why = "the key has expired"
    elif known.digest != presented:
        why = ROTATED_AWAY
    else:
        why = ELSEWHERE
    return Refused(reason, key_id=known.key_id, pool=pool.alias, why=why)


def _of_key(snapshot: RoutingSnapshot, key: Key, pool: Pool, reason: Reason) -> str:
    if reason is Reason.PAYMENT_REQUIRED:
        return "the key's user has no funds" if key.user_id is not None else "the key has no user who could pay"
    if pool.grants is None:
        return "the pool does not list the key"
    if key.user_id is not None and key.user_id not in snapshot.users:
        return "the key's user is gone"
    return "the key opens the model neither by name nor through a group of its user"
