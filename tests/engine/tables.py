"""Small routing tables, stated briefly, and the fold of what `decide` says about them."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import attrs

from engine.commands import ApplyManifest
from engine.decide import decide
from engine.events import Event, Recorded
from engine.snapshot import Action, Key, Limits, Manifest, Pool, Provider, RoutingSnapshot, Rule
from projections import routing


def provider(
    name: str, *, limit: int | None = None, rps: float | None = None, burst: int | None = None, **fields: Any
) -> Provider:
    limits = Limits(limit, rps, burst)
    return Provider(name, fields.pop("url", f"http://{name}.example/v1/"), limits=limits, **fields)


def pool(
    alias: str,
    *providers: Provider,
    limit: int | None = None,
    rps: float | None = None,
    burst: int | None = None,
    **fields: Any,
) -> Pool:
    return Pool(alias, providers, limits=Limits(limit, rps, burst), **fields)


def key(
    key_id: str,
    *,
    opens_all: bool = False,
    limit: int | None = None,
    rps: float | None = None,
    burst: int | None = None,
    **labels: str,
) -> Key:
    """A key whose secret is `secret-<id>`."""
    return Key(key_id, secret_of(key_id), opens_all, labels, Limits(limit, rps, burst))


def secret_of(key_id: str) -> bytes:
    """The digest of the key's secret."""
    return sha256(f"secret-{key_id}".encode()).digest()


def deny(**labels: str) -> Rule:
    return Rule(labels, Action.DENY)


def redirect(target: str, **labels: str) -> Rule:
    return Rule(labels, Action.REDIRECT, target)


def manifest(pools: Iterable[Pool] = (), keys: Iterable[Key] = (), **fields: Any) -> Manifest:
    return Manifest({one.alias: one for one in pools}, {one.key_id: one for one in keys}, **fields)


def table(pools: Iterable[Pool] = (), keys: Iterable[Key] = ()) -> RoutingSnapshot:
    """The snapshot of a table that `decide` lets through."""
    return folded(routing.empty(), decide(routing.empty(), ApplyManifest(manifest(pools, keys))))


def unchecked(pools: Iterable[Pool] = (), keys: Iterable[Key] = ()) -> RoutingSnapshot:
    """A snapshot that `decide` need not let through."""
    wished = manifest(pools, keys)
    callers = {one.digest: one for one in wished.keys.values()}
    return attrs.evolve(
        routing.empty(),
        position=1,
        pools=wished.pools,
        keys=wished.keys,
        callers=callers,
        global_keys=sum(one.opens_all_pools for one in callers.values()),
    )


def folded(snapshot: RoutingSnapshot, events: Iterable[Event]) -> RoutingSnapshot:
    for event in events:
        snapshot = routing.apply(snapshot, recorded(snapshot.position + 1, event))
    return snapshot


def recorded(position: int, event: Event) -> Recorded:
    return Recorded(position, event, f"{position:032x}", "test", position)


def plain(snapshot: RoutingSnapshot) -> Mapping[str, Any]:
    """All of a snapshot but where it stands in which log, in comparable form."""
    shallow = attrs.asdict(snapshot, recurse=False)
    return {name: dict(value) if hasattr(value, "items") else value for name, value in shallow.items()} | {
        "streams": None,
        "position": None,
    }
