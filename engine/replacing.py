"""A document to the events that make the table what it says.

Law: as `engine.decide`: exactly what is not true already, all or nothing, with every problem told at its place in the
document. What a file manages is left as it is, whoever asks but the file itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias, TypeVar

import attrs

from engine import events as facts
from engine.checks import problems_of
from engine.document import KINDS, Document, Kind, Path, document_of, kind_of
from engine.entity_changes import changes_of
from engine.entity_checks import problems_of_entity
from engine.errors import Problem, Rejected
from engine.events import NIL, EntityEvent, Event, PoolRemoved, stream_of
from engine.names import Source, Stream
from engine.scope import Scope, problems_of_address, problems_of_name
from engine.snapshot import Manifest, RoutingSnapshot
from engine.table_changes import changes_between

Change: TypeAlias = Callable[[RoutingSnapshot, Iterable[Event]], RoutingSnapshot]
"""A table with some more events; the projection's."""

V = TypeVar("V")

UNDONE: Final = tuple(
    kind_of(one)
    for one in (
        *(facts.CompositeDefined, facts.DeploymentDefined, facts.EndpointDefined, facts.GroupDefined),
        *(facts.ComponentDefined, facts.TrafficRuleDefined, facts.MemberAdded, facts.GrantAdded, facts.TariffDefined),
        *(facts.TokenDefined, facts.SourceReleased),
    )
)
"""The kinds of what is not to be there any more, in this order: what parts belong to before the parts, which then need
no event of their own. Users are not among them: their keys may be other users' in the end.
"""
_READ_BY_THE_FOLD: Final = {"balance", "input_price", "output_price", "digest"}
"""Text that has to be what it should be before anything can be folded."""


def replacements(
    snapshot: RoutingSnapshot,
    document: Document,
    *,
    source: Source | None,
    change: Change,
    may_be_faulty: bool = False,
    at_us: int | None = None,
) -> tuple[Event, ...]:
    """The events of a document at a snapshot. Raises Rejected."""
    replacing = _Replacing(snapshot, document, source, change)
    unreadable = tuple(replacing.unreadable())
    if unreadable:
        raise Rejected(unreadable)
    replacing.undo()
    replacing.define(at_us)
    replacing.bring_in_table()
    replacing.remove_users()
    problems = tuple(replacing.problems(may_be_faulty=may_be_faulty))
    if problems:
        raise Rejected(problems)
    return tuple(replacing.events)


def left_alone(snapshot: RoutingSnapshot, document: Document, source: Source) -> tuple[Stream, ...]:
    """What a document would have otherwise, if it were not for a file that manages it. Sorted."""
    present = document_of(snapshot)
    differing: set[Stream] = set()
    if document.settings not in {None, present.settings}:
        differing.add("settings")
    for kind, wished, there in (("pool", document.pools, present.pools), ("key", document.keys, present.keys)):
        old: dict[str, Any] = dict(there or {})
        new = old if wished is None else dict(wished)
        differing |= {f"{kind}:{name}" for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    for section, some in document.facts.items():
        for fact in set(some) ^ set(present.facts[section]):
            differing.add(stream_of(fact))
    return tuple(sorted(stream for stream in differing if snapshot.owner(stream) not in {None, source}))


class _Replacing:
    """The table on its way, and the events so far. The fold takes whatever comes; the end is what is checked."""

    def __init__(self, snapshot: RoutingSnapshot, document: Document, source: Source | None, change: Change) -> None:
        self.events: list[Event] = []
        self._before = self._now = snapshot
        self._undoings: list[tuple[Path, EntityEvent]] = []
        self._document = document
        self._change = change
        self._is_free: Callable[[Stream], bool] = lambda stream: (
            source is None or snapshot.owner(stream) in {None, source}
        )
        named = [kind for kind in KINDS if kind.section in document.facts]
        self._wished: dict[Kind, dict[Path, EntityEvent]] = {kind: {} for kind in named}
        for some in document.facts.values():
            for fact in some:
                if self._is_free(stream_of(fact)):
                    kind = kind_of(type(fact))
                    self._wished[kind][kind.path(fact)] = fact
        self._table = Manifest(
            self._free("pool", document.pools or {}),
            self._free("key", document.keys or {}),
            document.settings if document.settings is not None and self._is_free("settings") else snapshot.settings,
        )

    def unreadable(self) -> Iterator[Problem]:
        """What would stop the fold."""
        for fact in self._facts():
            yield from (one for one in self._problems_of(fact) if one.where[-1] in _READ_BY_THE_FOLD)

    def undo(self) -> None:
        """What a section does not name, but for users: their keys may be other users' in the end."""
        for one in UNDONE:
            self._undo(one)
        self._then(PoolRemoved(alias) for alias in sorted(self._present().pools) if alias not in self._table.pools)

    def define(self, at_us: int | None) -> None:
        """What is not there yet, or otherwise."""
        for kind, wished in self._wished.items():
            there = {kind.path(fact): fact for fact in kind.facts(self._now)}
            differing = [fact for path, fact in wished.items() if there.get(path) != fact]
            self._then(event for fact in differing for event in changes_of(self._now, fact, at_us))

    def bring_in_table(self) -> None:
        """Pools and keys may name models and users that are only now there."""
        self._then(changes_between(self._present(), self._table))

    def remove_users(self) -> None:
        self._undo(kind_of(facts.UserDefined))

    def problems(self, *, may_be_faulty: bool) -> Iterator[Problem]:
        """Everything wrong with the table that all of it leads to, where the document says it."""
        for fact in self._facts():
            yield from self._problems_of(fact, may_be_faulty=may_be_faulty)
        yield from problems_of(self._table, beside=Scope(self._now, self._table, self._table))
        for alias in self._table.pools:
            yield from problems_of_name(self._now, alias)
            yield from problems_of_address(self._before, alias)
        for key_id, key in self._table.keys.items():
            if key.user_id not in {None, NIL} and key.user_id not in self._now.users:
                what = f"no user has the id {key.user_id!r}"
                yield Problem(("keys", key_id, "user_id"), what, "the id of a user, or none")
        for place, undoing in self._undoings:
            for problem in problems_of_entity(self._now, undoing):
                yield attrs.evolve(problem, where=(*place, *problem.where))
        yield from self._taken()
        yield from self._left_hanging()

    def _taken(self) -> Iterator[Problem]:
        """Ids of models that the document does not speak of, given to other models."""
        before, now, sections = self._before.catalogue, self._now.catalogue, self._document.facts
        for section, other, there, left in (
            ("deployments", "composites", before.deployments, now.deployments),
            ("composites", "deployments", before.composites, now.composites),
        ):
            for model_id in sorted(there) if section not in sections else ():
                if model_id not in left:
                    yield Problem((other, model_id), f"is the id of one of the {section}", "an id of its own")

    def _left_hanging(self) -> Iterator[Problem]:
        """What stays beside the document and refers to what it removes."""
        gone_pools = {alias for alias in self._before.pools if alias not in self._now.pools}
        gone_keys = {key_id for key_id in self._before.keys if key_id not in self._now.keys}
        if not (gone_pools or gone_keys):
            return
        for alias, pool in self._now.pools.items():
            if alias in self._table.pools:
                continue
            for place, rule in enumerate(pool.rules):
                if rule.target in gone_pools:
                    where = ("pools", alias, "rules", place, "target")
                    yield Problem(where, f"leads to {rule.target!r}, which would be gone", "a rule with another target")
            for key_id in sorted(gone_keys & (pool.keys or frozenset())):
                what = f"lists key {key_id!r}, which would be gone"
                yield Problem(("pools", alias, "keys"), what, "a pool that does not list it")

    def _undo(self, kind: Kind) -> None:
        wished = self._wished.get(kind)
        if wished is None or kind.undo is None:
            return
        there = [(kind.path(fact), fact) for fact in kind.facts(self._now) if self._is_free(stream_of(fact))]
        for path, fact in there:
            if path not in wished:
                undoing = kind.undo(fact)
                self._undoings.append(((kind.section, *path), undoing))
                # One by one: what one brings with it, the next need not bring again.
                self._then(changes_of(self._now, undoing))

    def _then(self, events: Iterable[Event]) -> None:
        caused = list(events)
        if caused:
            self.events += caused
            self._now = self._change(self._now, caused)

    def _present(self) -> Manifest:
        """Of the table, what is the document's to say."""
        now, document = self._now, self._document
        pools = {alias: pool for alias, pool in now.pools.items() if pool.grants is None}
        return Manifest(
            {} if document.pools is None else self._free("pool", pools),
            {} if document.keys is None else self._free("key", now.keys),
            now.settings,
        )

    def _free(self, kind: str, entities: Mapping[str, V]) -> dict[str, V]:
        return {name: entity for name, entity in entities.items() if self._is_free(f"{kind}:{name}")}

    def _facts(self) -> Iterator[EntityEvent]:
        return (fact for wished in self._wished.values() for fact in wished.values())

    def _problems_of(self, fact: EntityEvent, *, may_be_faulty: bool = False) -> Iterator[Problem]:
        kind = kind_of(type(fact))
        for problem in problems_of_entity(self._now, fact, may_be_faulty=may_be_faulty):
            yield attrs.evolve(problem, where=(kind.section, *kind.path(fact), *problem.where))
