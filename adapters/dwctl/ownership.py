"""Whose an entity is: made by this importer, or by somebody else.

Law: an entity is the importer's to change and to remove while it made the entity's last event, time's own aside. Links
between entities that it made are its own, whoever has added others beside them, since a membership that is taken away
in the source has to be taken away here.
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
    GroupDefined,
    GroupRemoved,
    Recorded,
    UserDefined,
    UserRemoved,
    stream_of,
)
from engine.names import Alias, Source, Stream
from engine.runtime.timekeeper import ACTOR as CLOCK
from engine.snapshot import RoutingSnapshot

_MAKING: Final = (GroupDefined, UserDefined, DeploymentDefined, CompositeDefined)
_ENDING: Final = (GroupRemoved, UserRemoved, DeploymentRemoved, CompositeRemoved)

Fold = Callable[[RoutingSnapshot, Sequence[Recorded]], tuple[RoutingSnapshot, frozenset[Alias]]]


class Makers:
    """Who made the groups, users and models there are. A fold beside the table's, from the log's beginning."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold
        self._makers: dict[Stream, Source] = {}

    def fold(self, snapshot: RoutingSnapshot, recorded: Sequence[Recorded]) -> tuple[RoutingSnapshot, frozenset[Alias]]:
        """For a follower, in the place of the table's own."""
        for one in recorded:
            if isinstance(one.event, _MAKING):
                self._makers.setdefault(stream_of(one.event), one.actor)
            elif isinstance(one.event, _ENDING):
                self._makers.pop(stream_of(one.event), None)
        return self._fold(snapshot, recorded)

    @property
    def known(self) -> Mapping[Stream, Source]:
        return self._makers


@attrs.frozen
class Ownership:
    """Of one importer at one table."""

    snapshot: RoutingSnapshot
    actor: Source
    makers: Mapping[Stream, Source]
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

    def tell_left(self, what: str, stream: Stream) -> None:
        """Once for each entity."""
        known = self.snapshot.streams.get(stream)
        if (what, stream) not in self._told:
            self._told.add((what, stream))
            self.findings.tell(what, stream if known is None else f"{stream} by {known.source}")
