"""A snapshot while events are folded into it.

Law: what a table gives when it is closed depends on the events alone, not on how they were divided among tables: many
events on one table are as one event on each of many (DELTA-4). Pools of models are projected once, at the close,
however many events touched them; everything that did not change is shared with the snapshot before.
"""

from collections.abc import Mapping
from typing import TypeVar, cast

import attrs
import immutables

from engine.catalogue import Catalogue, Stream
from engine.events import Recorded, stream_of
from engine.names import Alias, ModelId, Position
from engine.snapshot import RoutingSnapshot, Settings

K = TypeVar("K")
V = TypeVar("V")
M = TypeVar("M")
Links = immutables.MapMutation[K, Mapping[M, None]]

_NOTHING: immutables.Map[object, None] = immutables.Map()


class Table:
    """The maps of a snapshot and of its catalogue, open for changes."""

    def __init__(self, snapshot: RoutingSnapshot) -> None:
        catalogue = snapshot.catalogue
        self.position: Position = snapshot.position
        self.settings: Settings = snapshot.settings
        self.global_keys = snapshot.global_keys
        self.released = snapshot.released
        self.pools = _open(snapshot.pools)
        self.keys = _open(snapshot.keys)
        self.callers = _open(snapshot.callers)
        self.users = _open(snapshot.users)
        self.capacities = _open(snapshot.capacities)
        self.faults = _open(snapshot.faults)
        self.tokens = _open(snapshot.tokens)
        self.streams = _open(snapshot.streams)
        self.endpoints = _open(catalogue.endpoints)
        self.deployments = _open(catalogue.deployments)
        self.composites = _open(catalogue.composites)
        self.components = _open(catalogue.components)
        self.rules = _open(catalogue.rules)
        self.models = _open(catalogue.models)
        self.deployments_at = _open(catalogue.deployments_at)
        self.composites_of = _open(catalogue.composites_of)
        self.redirects_to = _open(catalogue.redirects_to)
        self.groups = _open(catalogue.groups)
        self.members = _open(catalogue.members)
        self.grants = _open(catalogue.grants)
        self.granted = _open(catalogue.granted)
        self.tariffs = _open(catalogue.tariffs)
        self.tariffs_of = _open(catalogue.tariffs_of)
        self.ledgers = _open(catalogue.ledgers)
        self.token_ids = _open(catalogue.token_ids)
        self.escalation = catalogue.escalation
        self.batch_capacity = catalogue.batch_capacity
        self.touched: set[Alias] = set()
        "The pools that may differ from those of the snapshot before."
        self.stale: set[ModelId] = set()
        "The models whose pools are still to be projected."

    def note(self, recorded: Recorded) -> None:
        """Take down where the log stands, and who wrote of which entity."""
        self.position = recorded.position
        stream = stream_of(recorded.event)
        known = self.streams.get(stream)
        version = 1 if known is None else known.version + 1
        self.streams[stream] = Stream(version, recorded.position, recorded.actor)

    def all_models(self) -> list[ModelId]:
        # What is open for changes cannot be gone through.
        deployments, composites = self.deployments.finish(), self.composites.finish()
        self.deployments, self.composites = deployments.mutate(), composites.mutate()
        return [*deployments, *composites]

    def drop(self, alias: Alias) -> None:
        """No pool goes by this name any more."""
        self.touched.add(alias)
        self.pools.pop(alias, None)
        self.capacities.pop(alias, None)
        self.faults.pop(alias, None)

    def closed(self) -> RoutingSnapshot:
        """The snapshot of all that was folded in. The table is spent."""
        return RoutingSnapshot(
            position=self.position,
            pools=self.pools.finish(),
            keys=self.keys.finish(),
            callers=self.callers.finish(),
            global_keys=self.global_keys,
            users=self.users.finish(),
            capacities=self.capacities.finish(),
            faults=self.faults.finish(),
            catalogue=Catalogue(
                endpoints=self.endpoints.finish(),
                deployments=self.deployments.finish(),
                composites=self.composites.finish(),
                components=self.components.finish(),
                rules=self.rules.finish(),
                models=self.models.finish(),
                deployments_at=self.deployments_at.finish(),
                composites_of=self.composites_of.finish(),
                redirects_to=self.redirects_to.finish(),
                groups=self.groups.finish(),
                members=self.members.finish(),
                grants=self.grants.finish(),
                granted=self.granted.finish(),
                tariffs=self.tariffs.finish(),
                tariffs_of=self.tariffs_of.finish(),
                ledgers=self.ledgers.finish(),
                token_ids=self.token_ids.finish(),
                escalation=self.escalation,
                batch_capacity=self.batch_capacity,
            ),
            tokens=self.tokens.finish(),
            streams=self.streams.finish(),
            released=self.released,
            settings=self.settings,
        )


def empty() -> RoutingSnapshot:
    """The table at position 0."""
    nothing = immutables.Map[object, object]()
    maps = {field.name: nothing for field in attrs.fields(Catalogue) if field.default is attrs.NOTHING}
    catalogue = Catalogue(**cast("dict[str, immutables.Map]", maps))  # type: ignore[type-arg,arg-type]
    return RoutingSnapshot(
        position=0,
        pools=immutables.Map(),
        keys=immutables.Map(),
        callers=immutables.Map(),
        global_keys=0,
        users=immutables.Map(),
        capacities=immutables.Map(),
        faults=immutables.Map(),
        catalogue=catalogue,
        tokens=immutables.Map(),
        streams=immutables.Map(),
    )


def link(links: "Links[K, M]", one: K, other: M) -> None:
    """Note that `other` hangs on `one`. A map of maps, since thousands may."""
    links[one] = _inner(links, one).set(other, None)


def unlink(links: "Links[K, M]", one: K, other: M) -> None:
    inner = _inner(links, one)
    if other not in inner:
        return
    left = inner.delete(other)
    if left:
        links[one] = left
    else:
        del links[one]


def _inner(links: "Links[K, M]", one: K) -> immutables.Map[M, None]:
    return cast("immutables.Map[M, None]", links.get(one, cast("Mapping[M, None]", _NOTHING)))


def _open(mapping: Mapping[K, V]) -> immutables.MapMutation[K, V]:
    return cast("immutables.Map[K, V]", mapping).mutate()
