"""A snapshot while events are folded into it.

Law: what a table gives when it is closed depends on the events alone, not on how they were divided among tables: many
events on one table are as one event on each of many (DELTA-4). Pools of models are projected once, at the close,
however many events touched them; everything that did not change is shared with the snapshot before.
"""

from collections.abc import Mapping
from sys import intern
from typing import Any, TypeAlias, TypeVar, cast

import attrs
import immutables

from engine.catalogue import Catalogue, Stream
from engine.events import PoolDefined, Recorded, stream_of
from engine.names import Alias, ModelId, Position, Source
from engine.names import Stream as StreamName
from engine.snapshot import RoutingSnapshot, Settings, is_owning, source_of
from projections.sheet import Sheet

K = TypeVar("K")
M = TypeVar("M")
Links: TypeAlias = Sheet[K, Mapping[M, None]]


class Table:
    """The maps of a snapshot and of its catalogue, open for changes."""

    def __init__(self, snapshot: RoutingSnapshot) -> None:
        catalogue = snapshot.catalogue
        self.position: Position = snapshot.position
        self.settings: Settings = snapshot.settings
        self.global_keys = snapshot.global_keys
        self.released = snapshot.released
        self.pools = Sheet(snapshot.pools)
        self.keys = Sheet(snapshot.keys)
        self.callers = Sheet(snapshot.callers)
        self.users = Sheet(snapshot.users)
        self.faults = Sheet(snapshot.faults)
        self.tokens = Sheet(snapshot.tokens)
        self.streams = Sheet(snapshot.streams)
        self.endpoints = Sheet(catalogue.endpoints)
        self.deployments = Sheet(catalogue.deployments)
        self.composites = Sheet(catalogue.composites)
        self.components = Sheet(catalogue.components)
        self.rules = Sheet(catalogue.rules)
        self.models = Sheet(catalogue.models)
        self.deployments_at = Sheet(catalogue.deployments_at)
        self.composites_of = Sheet(catalogue.composites_of)
        self.redirects_to = Sheet(catalogue.redirects_to)
        self.groups = Sheet(catalogue.groups)
        self.members = Sheet(catalogue.members)
        self.grants = Sheet(catalogue.grants)
        self.granted = Sheet(catalogue.granted)
        self.tariffs = Sheet(catalogue.tariffs)
        self.tariffs_of = Sheet(catalogue.tariffs_of)
        self.ledgers = Sheet(catalogue.ledgers)
        self.token_ids = Sheet(catalogue.token_ids)
        self.escalation = catalogue.escalation
        self.batch_capacity = catalogue.batch_capacity
        self._noted: dict[StreamName, list[Any]] = {}
        "Version, position and source of the streams that were written to."
        self.touched: set[Alias] = set()
        "The pools that may differ from those of the snapshot before."
        self.stale: set[ModelId] = set()
        "The models whose pools are still to be projected."
        self.stale_grants: set[ModelId] = set()
        "The models of whose pools only the grants are still to be projected."

    def note(self, recorded: Recorded) -> None:
        """Take down where the log stands, and who wrote of which entity; before the event itself is folded in."""
        self.position, actor = recorded.position, recorded.actor
        stream = stream_of(recorded.event)
        noted = self._noted.get(stream)
        if noted is None:
            known = self.streams.get(stream)
            # Few sources write of many entities, and each event has its own text of one.
            noted = [0, 0, intern(source_of(actor))] if known is None else [known.version, known.position, known.source]
            self._noted[stream] = noted
        noted[0] += 1
        noted[1] = recorded.position
        if actor != noted[2] and not self._is_let_be(recorded, noted[2]):
            noted[2] = source_of(actor)

    def _is_let_be(self, recorded: Recorded, source: Source) -> bool:
        """Whether a pool that no file owned stays so, though a file's event is about it: with a key of the file it lost
        a place in its list, and nothing else. `source` was the last to write of it.
        """
        event = recorded.event
        if not isinstance(event, PoolDefined) or not is_owning(recorded.actor):
            return False
        if is_owning(source) and source not in self.released:
            return False
        pool = self.pools.get(event.alias)
        return pool is not None and pool.grants is None and event.alias not in self.models

    def drop(self, alias: Alias) -> None:
        """No pool goes by this name any more."""
        self.touched.add(alias)
        self.pools.pop(alias)
        self.faults.pop(alias)

    def closed(self) -> RoutingSnapshot:
        """The snapshot of all that was folded in. The table is spent."""
        for stream, noted in self._noted.items():
            self.streams[stream] = Stream(*noted)
        return RoutingSnapshot(
            position=self.position,
            pools=self.pools.finish(),
            keys=self.keys.finish(),
            callers=self.callers.finish(),
            global_keys=self.global_keys,
            users=self.users.finish(),
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
        faults=immutables.Map(),
        catalogue=catalogue,
        tokens=immutables.Map(),
        streams=immutables.Map(),
    )


def link(links: Links[K, M], one: K, other: M) -> None:
    """Note that `other` hangs on `one`. A map of maps, since thousands may."""
    links[one] = _inner(links, one).set(other, None)


def unlink(links: Links[K, M], one: K, other: M) -> None:
    inner = _inner(links, one)
    if other not in inner:
        return
    left = inner.delete(other)
    if left:
        links[one] = left
    else:
        del links[one]


def _inner(links: Links[K, M], one: K) -> immutables.Map[M, None]:
    there = links.get(one)
    return immutables.Map() if there is None else cast("immutables.Map[M, None]", there)
