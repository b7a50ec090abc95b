"""Who is calling, which pools that opens, and where the pool's rules send the caller.

Law: one access function for every entry (DEF-58). It reads one snapshot and changes nothing, so a refusal here
spends nothing (ORDER-2).
"""

import hmac
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import attrs

from engine.catalogue import Token
from engine.errors import Reason, Refused
from engine.events import NIL
from engine.names import Alias, Digest
from engine.refusals import not_let_in
from engine.rules import first_match
from engine.snapshot import Action, Grants, Key, Pool, RoutingSnapshot

BATCH: Final = "batch"
"""The purpose of the keys that escalation models are open to (SYNC-4)."""
PLATFORM: Final = "platform"
"""The purpose of keys that are not for inference (SYNC-8)."""
EXPLAIN: Final = "pointsman.explain"
"""The label that lets a key's callers ask why: its value is then `allow`."""
_MAPPED_BITS: Final = 96
"""Of an IPv6 address that is an IPv4 one, those before it."""


@attrs.define
class Admission:
    """A request that may be routed. One is made for each, and a frozen one takes twice as long."""

    pool: Pool
    "The pool that serves: the one asked for, or where a rule redirected."
    key: Key | None
    "The defined key that was presented; None on an open pool without one."


def digest(secret: bytes) -> Digest:
    """How a client secret is known everywhere but in the request that brought it."""
    return sha256(secret).digest()


def identify(snapshot: RoutingSnapshot, presented: Digest | None, at: int, address: str = "") -> Key | None:
    """The key with this digest, if it is good now and may be used from there; `at` is in Unix seconds.

    Looked up by digest, then compared in constant time (AUTH-5).
    """
    if presented is None:
        return None
    key = snapshot.callers.get(presented)
    if key is None or (key.expires_at is not None and key.expires_at <= at):
        return None
    if hmac.compare_digest(key.digest, presented):
        is_good = True
    else:
        is_previous = key.previous is not None and hmac.compare_digest(key.previous, presented)
        is_good = is_previous and key.previous_until is not None and key.previous_until > at
    return key if is_good and (not key.cidrs or _is_within(address, key.cidrs)) else None


def token_of(snapshot: RoutingSnapshot, presented: Digest | None, at: int) -> Token | None:
    """The admin token with this digest, if it is good now; `at` is in Unix seconds."""
    token = None if presented is None else snapshot.tokens.get(presented)
    if presented is None or token is None or (token.expires_at is not None and token.expires_at <= at):
        return None
    # As in `identify`: an index that is wrong lets nobody in.
    known = snapshot.catalogue.token_ids.get(token.token_id)
    return token if known is not None and hmac.compare_digest(known, presented) else None


def is_open(snapshot: RoutingSnapshot, pool: Pool) -> bool:
    """Whether a pool asks for no key: it is no model's, has no list, and there are no global keys (CFG-11, DEF-3)."""
    return pool.keys is None and pool.grants is None and not snapshot.global_keys


def opened(before: RoutingSnapshot, after: RoutingSnapshot) -> tuple[Alias, ...]:
    """The pools that ask for no key any more, sorted; those that are new are as they were meant (CFG-11)."""
    if after.global_keys:
        return ()
    found = (alias for alias, pool in before.pools.items() if not is_open(before, pool))
    return tuple(sorted(alias for alias in found if alias in after.pools and is_open(after, after.pools[alias])))


def refusal(snapshot: RoutingSnapshot, key: Key | None, pool: Pool) -> Reason | None:
    """Why a key does not open a pool that asks for one; None: it does (AUTH-2, AUTH-4, AUTH-6, AUTH-8)."""
    if key is None or (key.purpose == PLATFORM and key.user_id != NIL):
        return Reason.FORBIDDEN
    if pool.grants is not None:
        return _refusal_of_model(snapshot, key, pool.alias, pool.grants)
    is_listed = pool.keys is not None and key.key_id in pool.keys
    return None if is_listed or _is_opened(key, pool.alias) else Reason.FORBIDDEN


def _is_opened(key: Key, alias: Alias) -> bool:
    """Whether the key opens the pool by itself."""
    return key.opens_all_pools or (bool(key.aliases) and alias in key.aliases)


def _refusal_of_model(snapshot: RoutingSnapshot, key: Key, alias: Alias, grants: Grants) -> Reason | None:
    """Membership (SYNC-4), then funds (SYNC-5). What most callers are let in by is asked first."""
    if key.user_id == NIL:
        return None
    if key.user_id is None:
        # Nobody's key has nobody's memberships, and no balance that could be short.
        is_opened = _is_opened(key, alias)
        is_member = is_opened or NIL in grants.groups or (grants.is_escalation and key.purpose == BATCH)
        is_funded = is_opened or grants.is_free
    else:
        user = snapshot.users.get(key.user_id)
        if user is None:
            return Reason.FORBIDDEN
        is_member = (
            not user.groups.isdisjoint(grants.groups)
            or NIL in grants.groups
            or _is_opened(key, alias)
            or (grants.is_escalation and key.purpose == BATCH)
        )
        is_funded = user.is_funded or grants.is_free
    if not is_member:
        return Reason.FORBIDDEN
    return None if is_funded else Reason.PAYMENT_REQUIRED


def admit(snapshot: RoutingSnapshot, alias: Alias, presented: Digest | None, at: int, address: str = "") -> Admission:
    """Steps 4 to 8 of ORDER-1: pool, authentication, rules with one hop, empty pool. `at` is in Unix seconds.

    Raises Refused: MODEL_NOT_FOUND, UNAUTHENTICATED, FORBIDDEN, PAYMENT_REQUIRED, UNAVAILABLE, or BAD_GATEWAY for a
    redirect to nothing, which `decide` rules out for every table it lets through.
    """
    pool = snapshot.pools.get(alias)
    if pool is None:
        raise not_found(alias)
    key = identify(snapshot, presented, at, address)
    if not is_open(snapshot, pool):
        if presented is None:
            raise Refused(Reason.UNAUTHENTICATED)
        reason = refusal(snapshot, key, pool)
        if reason is not None:
            raise not_let_in(snapshot, presented, key, pool, reason, at)
    if presented is not None and pool.rules:
        pool = _follow_rules(snapshot, pool, presented, key, at)
    if not pool.providers:
        raise Refused(Reason.UNAVAILABLE)
    return Admission(pool, key)


def may_ask_why(key: Key | None) -> bool:
    """Whether callers with a key are told the decisions about their requests, as far as they ask."""
    return key is not None and key.labels.get(EXPLAIN) == "allow"


def visible_aliases(snapshot: RoutingSnapshot, presented: Digest | None, at: int, address: str = "") -> list[Alias]:
    """The aliases a caller may list: open pools and those the presented key opens, sorted (MODELS-2, MODELS-3)."""
    key = identify(snapshot, presented, at, address)
    return sorted(
        alias
        for alias, pool in snapshot.pools.items()
        if is_open(snapshot, pool) or refusal(snapshot, key, pool) is None
    )


def not_found(alias: Alias) -> Refused:
    """ERR-5. The name is shortened, since it comes from outside and goes back out."""
    shown = alias if len(alias) <= 128 else alias[:128] + "…"
    message = f"The model `{shown}` does not exist or you do not have access to it."
    return Refused(Reason.MODEL_NOT_FOUND, message)


@lru_cache(maxsize=4096)
def _is_within(address: str, cidrs: tuple[str, ...]) -> bool:
    """Whether an address is in one of the networks; one that is unknown is in none, and so is all in no network."""
    try:
        there = ip_address(address)
        mapped = there.ipv4_mapped if isinstance(there, IPv6Address) else None
        return any((mapped or there) in _network(cidr) for cidr in cidrs)
    except ValueError:
        return False


def _network(cidr: str) -> IPv4Network | IPv6Network:
    """Without IPv6 clothes, as addresses are compared: `::ffff:10.0.0.0/104` is 10.0.0.0/8. Raises ValueError."""
    network = ip_network(cidr)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def _follow_rules(snapshot: RoutingSnapshot, pool: Pool, presented: Digest, key: Key | None, at: int) -> Pool:
    rule = first_match(pool, key.all_labels if key is not None else {})
    if rule is None:
        return pool
    if rule.action is Action.DENY:
        key_id = None if key is None else key.key_id
        raise Refused(Reason.FORBIDDEN, key_id=key_id, pool=pool.alias, why="a rule of the pool denies it")
    # One hop: the target's own rules are not asked (RULE-6).
    target = snapshot.pools.get(rule.target or "")
    if target is None:
        raise Refused(Reason.BAD_GATEWAY)
    # A caller gets in where it could have asked directly, unless the rule says that it opens the target (RULE-7).
    if not (rule.opens_target or is_open(snapshot, target)):
        reason = refusal(snapshot, key, target)
        if reason is not None:
            raise not_let_in(snapshot, presented, key, target, reason, at)
    return target
