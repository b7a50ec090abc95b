"""Commands to events.

Law: `decide(snapshot, command)` is pure; it returns exactly the events whose fold makes the wish true, none for
what is true already (DELTA-7), or raises `Rejected` with every problem and changes nothing.
"""

from collections.abc import Iterator

import attrs

from engine.checks import problems_of
from engine.commands import (
    ApplyDocument,
    ApplyManifest,
    ChangeEntities,
    Command,
    RollBack,
    SettleAccounts,
)
from engine.entity_changes import changes_of
from engine.entity_checks import problems_of_entity
from engine.errors import Owned, Problem, Rejected
from engine.events import Event, stream_of
from engine.names import Source
from engine.replacing import Change, replacements
from engine.rollback import compensations
from engine.scope import Scope, scope_of
from engine.settlement import due
from engine.snapshot import RoutingSnapshot
from engine.table_changes import changes_between

__all__ = ["Change", "decide"]


def decide(
    snapshot: RoutingSnapshot, command: Command, *, source: Source | None = None, change: Change | None = None
) -> tuple[Event, ...]:
    """The events a command of a source causes at a snapshot; without a source, whoever owns what it changes.

    `change` is the projection's. Documents and rollbacks need it, and so do commands of several facts, each of which is
    decided on what those before it lead to.
    Raises Rejected, Owned, Outdated.
    """
    match command:
        case ChangeEntities():
            events = tuple(_entities(snapshot, command, change))
        case ApplyDocument():
            if change is None:
                raise TypeError("a document is decided by what it leads to, so `change` is needed")
            events = replacements(
                snapshot,
                command.document,
                source=source,
                change=change,
                may_be_faulty=command.may_be_faulty,
                at_us=command.at_us,
            )
        case RollBack():
            if change is None:
                raise TypeError("a rollback is decided by what it leads to, so `change` is needed")
            # Whoever owns what it changes: files' entities are put back in their place.
            return compensations(snapshot, command, change=change)
        case SettleAccounts():
            events = tuple(due(snapshot, command.at_us))
        case _:
            events = tuple(_table(scope_of(snapshot, command, source)))
    if source is not None:
        for event in events:
            stream = stream_of(event)
            owner = snapshot.owner(stream)
            if owner is not None and not (owner == source or isinstance(command, ApplyManifest)):
                raise Owned(stream, owner)
    return events


def _table(scope: Scope) -> Iterator[Event]:
    problems = (*scope.problems, *problems_of(scope.wished, beside=scope))
    if problems:
        raise Rejected(problems)
    return changes_between(scope.present, scope.wished)


def _entities(snapshot: RoutingSnapshot, command: ChangeEntities, change: Change | None) -> Iterator[Event]:
    problems: list[Problem] = []
    for place, fact in enumerate(command.facts):
        found = tuple(problems_of_entity(snapshot, fact, may_be_faulty=command.may_be_faulty))
        many = len(command.facts) > 1
        problems += [attrs.evolve(problem, where=(place, *problem.where)) if many else problem for problem in found]
        if found:
            continue
        caused = tuple(changes_of(snapshot, fact, command.at_us))
        yield from caused
        if change is not None and many:
            snapshot = change(snapshot, caused)
    if problems:
        raise Rejected(tuple(problems))
