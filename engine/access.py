"""Who is calling, which pools that opens, and where the pool's rules send the caller.

Law: one access function for every entry (DEF-58). It reads one snapshot and changes nothing, so a refusal here
spends nothing (ORDER-2).
"""

import hmac
from hashlib import sha256

import attrs

from engine.errors import Reason, Refused
from engine.names import Alias, Digest
from engine.rules import first_match
from engine.snapshot import Action, Key, Pool, RoutingSnapshot


@attrs.frozen
class Admission:
    """A request that may be routed."""

    pool: Pool
    "The pool that serves: the one asked for, or where a rule redirected."
    key: Key | None
    "The defined key that was presented; None on an open pool without one."


def digest(secret: bytes) -> Digest:
    """How a client secret is known everywhere but in the request that brought it."""
    return sha256(secret).digest()


def identify(snapshot: RoutingSnapshot, presented: Digest | None) -> Key | None:
    """The key with this digest. Looked up by digest, then compared in constant time (AUTH-5)."""
    if presented is None:
        return None
    key = snapshot.callers.get(presented)
    if key is None or not hmac.compare_digest(key.digest, presented):
        return None
    return key


def is_open(snapshot: RoutingSnapshot, pool: Pool) -> bool:
    """Whether a pool asks for no key: it has no list of its own and there are no global keys (CFG-11)."""
    return pool.keys is None and not snapshot.global_keys


def opens(key: Key | None, pool: Pool) -> bool:
    """Whether a key opens a pool that asks for one (AUTH-2, AUTH-4, AUTH-6)."""
    return key is not None and (key.opens_all_pools or (pool.keys is not None and key.key_id in pool.keys))


def admit(snapshot: RoutingSnapshot, alias: Alias, presented: Digest | None) -> Admission:
    """Steps 4 to 8 of ORDER-1: pool, authentication, rules with one hop, empty pool.

    Raises Refused: MODEL_NOT_FOUND, UNAUTHENTICATED, FORBIDDEN, UNAVAILABLE, or BAD_GATEWAY for a redirect to
    nothing, which `decide` rules out for every table it lets through.
    """
    pool = snapshot.pools.get(alias)
    if pool is None:
        raise not_found(alias)
    key = identify(snapshot, presented)
    if not is_open(snapshot, pool):
        if presented is None:
            raise Refused(Reason.UNAUTHENTICATED)
        if not opens(key, pool):
            raise Refused(Reason.FORBIDDEN)
    if presented is not None and pool.rules:
        pool = _follow_rules(snapshot, pool, key)
    if not pool.providers:
        raise Refused(Reason.UNAVAILABLE)
    return Admission(pool, key)


def visible_aliases(snapshot: RoutingSnapshot, presented: Digest | None) -> list[Alias]:
    """The aliases a caller may list: open pools and those the presented key opens, sorted (MODELS-2, MODELS-3)."""
    key = identify(snapshot, presented)
    return sorted(alias for alias, pool in snapshot.pools.items() if is_open(snapshot, pool) or opens(key, pool))


def not_found(alias: Alias) -> Refused:
    """ERR-5. The name is shortened, since it comes from outside and goes back out."""
    shown = alias if len(alias) <= 128 else alias[:128] + "…"
    message = f"The model `{shown}` does not exist or you do not have access to it."
    return Refused(Reason.MODEL_NOT_FOUND, message)


def _follow_rules(snapshot: RoutingSnapshot, pool: Pool, key: Key | None) -> Pool:
    rule = first_match(pool, key.labels if key is not None else {})
    if rule is None:
        return pool
    if rule.action is Action.DENY:
        raise Refused(Reason.FORBIDDEN)
    # One hop: the target's own rules are not asked (RULE-6).
    target = snapshot.pools.get(rule.target or "")
    if target is None:
        raise Refused(Reason.BAD_GATEWAY)
    # A caller gets in where it could have asked directly, unless the rule says that it opens the target (RULE-7).
    if not (rule.opens_target or is_open(snapshot, target) or opens(key, target)):
        raise Refused(Reason.FORBIDDEN)
    return target
