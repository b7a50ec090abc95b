"""Names in a predicate that nobody bears: neither in the tables that are tried nor in the recorded traffic.

Law: such a name counts nothing, as one counts that nothing happened to; so it is said, with those there are.
"""

from collections.abc import Iterable
from typing import Final

from engine.snapshot import RoutingSnapshot
from projections.known import Known
from projections.predicate import Predicate

_MOST: Final = 8
"""Names that are told, of those there are."""


def unheard(predicate: Predicate, tables: Iterable[RoutingSnapshot], known: Known) -> tuple[str, ...]:
    """A sentence for each."""
    there = _names(tuple(tables), known)
    return tuple(
        f"{kind} {name[:64]!r} is neither in the tables at the ends nor in the recorded requests; {_told(there[kind])}"
        for kind, name in sorted(predicate.names())
        if name not in there[kind]
    )


def _names(tables: tuple[RoutingSnapshot, ...], known: Known) -> dict[str, set[str]]:
    applicants = set(known.requests.values())
    pools = {alias for table in tables for alias in table.pools} | {pool for pool, _ in known.asked}
    return {
        "pool": pools,
        "provider": {one.name for table in tables for pool in table.pools.values() for one in pool.providers}
        | {provider for _, provider in known.asked},
        "alias": pools | {one.alias for one in applicants if one.alias is not None},
        "key": {key_id for table in tables for key_id in table.keys}
        | {one.key_id for one in applicants if one.key_id is not None},
    }


def _told(names: set[str]) -> str:
    if not names:
        return "there are none"
    some = sorted(names)[:_MOST]
    left = len(names) - len(some)
    return f"there are: {', '.join(map(repr, some))}{f' and {left} more' if left else ''}"
