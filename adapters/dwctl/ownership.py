"""Whose an entity is: made by this importer, or by somebody else.

Law: an entity is the importer's to change and to remove while it made the entity's last event, time's own aside. What
closes wins over that: a key, user, group or model that the importer made goes with the source's, whoever has changed it
since, and one that somebody has removed here stays removed. Links between entities that it made are its own, whoever
has added others beside them, since a membership that is taken away in the source has to be taken away here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from adapters.dwctl.findings import Findings
from engine.events import (
    CompositeDefined,
    CompositeRemoved,
    DeploymentDefined,
    DeploymentRemoved,
    EndpointDefined,
    EndpointRemoved,
    GroupDefined,
    GroupRemoved,
    KeyDefined,
    KeyRemoved,
    Recorded,
    TariffDefined,
    TariffRemoved,
    UserDefined,
    UserRemoved,
    stream_of,
)
from engine.names import Alias, Source, Stream
from engine.runtime.timekeeper import ACTOR as CLOCK
from engine.snapshot import RoutingSnapshot

_MAKING: Final = (
    GroupDefined,
    UserDefined,
    DeploymentDefined,
    CompositeDefined,
    KeyDefined,
    EndpointDefined,
    TariffDefined,
)
_ENDING: Final = (
    GroupRemoved,
    UserRemoved,
    DeploymentRemoved,
    CompositeRemoved,
    KeyRemoved,
    EndpointRemoved,
    TariffRemoved,
)

Fold = Callable[[RoutingSnapshot, Sequence[Recorded]], tuple[RoutingSnapshot, frozenset[Alias]]]


@attrs.frozen
class Removal:
    """Of an entity that one source made, by another."""

    maker: Source
    by: Source


class Makers:
    """Who made what there is, and who removed what another had made.

    A fold beside the table's, from the log's beginning.
    """

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._makers: dict[Stream, Source] = {}
        self._removals: dict[Stream, Removal] = {}

    def fold(self, snapshot: RoutingSnapshot, recorded: Sequence[Recorded]) -> tuple[RoutingSnapshot, frozenset[Alias]]:
        """For a follower, in the place of the table's own."""
        for one in recorded:
            if isinstance(one.event, _MAKING):
                self._makers.setdefault(stream_of(one.event), one.actor)
                self._removals.pop(stream_of(one.event), None)
            elif isinstance(one.event, _ENDING):
                maker = self._makers.pop(stream_of(one.event), one.actor)
                if maker != one.actor:
                    self._removals[stream_of(one.event)] = Removal(maker, one.actor)
        return self._fold(snapshot, recorded)

    @property
    def known(self) -> Mapping[Stream, Source]:
        return self._makers

    @property
    def removals(self) -> Mapping[Stream, Removal]:
        return self._removals


@attrs.frozen
class Ownership:
    """Of one importer at one table."""

    snapshot: RoutingSnapshot
    actor: Source
    makers: Mapping[Stream, Source]
    removals: Mapping[Stream, Removal]
    findings: Findings
    _told: set[tuple[str, str]] = attrs.field(factory=set, init=False)

    def has(self, stream: Stream) -> bool:
        """Whether the importer made its last event."""
        known = self.snapshot.streams.get(stream)
        return known is not None and known.source in {self.actor, CLOCK}

    def made(self, stream: Stream) -> bool:
        return self.makers.get(stream) == self.actor

    def may_change(self, stream: Stream, *, exists: bool) -> bool:
        """Whether a difference is the importer's to settle; one that is not is told."""
        if not exists or self.has(stream):
            return True
        self.tell_left("left alone: it differs from the source, and another made or changed it", stream)
        return False

    def may_remove(self, stream: Stream) -> bool:
        """Whether what the source does not have is to go."""
        if self.has(stream):
            return True
        if self.made(stream):
            self.tell_left("left alone: the source does not have it any more, but another changed it since", stream)
        return False

    def may_close(self, stream: Stream) -> bool:
        """As `may_remove`, for what gives access: that another has changed it is told, and keeps nothing open."""
        if self.has(stream):
            return True
        if self.made(stream):
            self.tell_left("removed, since the source does not have it any more, though another changed it", stream)
            return True
        return False

    def is_removed_here(self, stream: Stream) -> bool:
        """Whether somebody else has removed what the importer made, which is told."""
        removal = self.removals.get(stream)
        if removal is None or removal.maker != self.actor:
            return False
        what = "not carried over again: it was removed here"
        if (what, stream) not in self._told:
            self._told.add((what, stream))
            self.findings.tell(what, f"{stream} by {removal.by}")
        return True

    def tell_left(self, what: str, stream: Stream) -> None:
        """Once for each entity."""
        known = self.snapshot.streams.get(stream)
        if (what, stream) not in self._told:
            self._told.add((what, stream))
            self.findings.tell(what, stream if known is None else f"{stream} by {known.source}")
