"""The events about users, groups, funds and prices, folded into what access goes by.

Law: total and right at every position. Nothing here lists keys for a pool: a request's key leads to its user, the pool
to the groups that may use it, and `engine.access` sees whether they meet; so a change costs the entities it names, and
a membership that is taken away is gone from the next request on (DELTA-3). Ids that a decision compares are interned:
one object each, so that finding them equal takes no look at their text.
"""

from sys import intern
from typing import Final

import attrs

from engine.catalogue import Ledger, User
from engine.entity_changes import booked, checkpointed
from engine.events import NIL as PUBLIC
from engine.events import (
    CreditsBooked,
    CreditsCheckpointed,
    EscalationChanged,
    FundsExhausted,
    FundsRestored,
    GrantAdded,
    GrantRemoved,
    GroupDefined,
    GroupRemoved,
    MemberAdded,
    MemberRemoved,
    TariffBegan,
    TariffDefined,
    TariffEnded,
    TariffRemoved,
    UserDefined,
    UserRemoved,
)
from engine.names import GroupId, ModelId, TariffId, UserId
from engine.tariffs import Phase, defined
from projections.table import Table, link, unlink

_NO_LEDGER: Final = Ledger()


def user_defined(table: Table, event: UserDefined) -> None:
    user_id = intern(event.user_id)
    old = table.users.get(user_id) or User(user_id)
    table.users[user_id] = attrs.evolve(old, name=event.name)


def user_removed(table: Table, event: UserRemoved) -> None:
    old = table.users.pop(event.user_id)
    for group_id in old.groups if old is not None else ():
        unlink(table.members, group_id, event.user_id)
    table.ledgers.pop(event.user_id)


def group_defined(table: Table, event: GroupDefined) -> None:
    table.groups[event.group_id] = event


def group_removed(table: Table, event: GroupRemoved) -> None:
    if table.groups.pop(event.group_id) is None:
        return
    gone = {event.group_id}
    for user_id in table.members.pop(event.group_id) or ():
        user = table.users[user_id]
        table.users[user_id] = User(user.user_id, user.name, user.groups - gone, user.is_funded)
    for model_id in table.granted.pop(event.group_id) or ():
        _grant(table, model_id, table.grants[model_id] - gone)


def member_added(table: Table, event: MemberAdded) -> None:
    user = table.users.get(event.user_id)
    if user is None or event.group_id not in table.groups:
        return
    table.users[event.user_id] = User(user.user_id, user.name, user.groups | {intern(event.group_id)}, user.is_funded)
    link(table.members, event.group_id, event.user_id)


def member_removed(table: Table, event: MemberRemoved) -> None:
    user = table.users.get(event.user_id)
    if user is None:
        return
    table.users[event.user_id] = User(user.user_id, user.name, user.groups - {event.group_id}, user.is_funded)
    unlink(table.members, event.group_id, event.user_id)


def grant_added(table: Table, event: GrantAdded) -> None:
    is_model = event.model_id in table.deployments or event.model_id in table.composites
    if not is_model or not _is_group(table, event.group_id):
        return
    group_id = intern(event.group_id)
    _grant(table, event.model_id, table.grants.get(event.model_id, frozenset[GroupId]()) | {group_id})
    link(table.granted, event.group_id, event.model_id)


def grant_removed(table: Table, event: GrantRemoved) -> None:
    _grant(table, event.model_id, table.grants.get(event.model_id, frozenset[GroupId]()) - {event.group_id})
    unlink(table.granted, event.group_id, event.model_id)


def _grant(table: Table, model_id: ModelId, groups: frozenset[GroupId]) -> None:
    """Let these groups use a model, and no others."""
    if groups:
        table.grants[model_id] = groups
    else:
        table.grants.pop(model_id)
    table.stale_grants.add(model_id)


def credits_booked(table: Table, event: CreditsBooked) -> None:
    old = table.ledgers.get(event.user_id)
    _keep(table, event.user_id, old, booked(old or _NO_LEDGER, event))


def credits_checkpointed(table: Table, event: CreditsCheckpointed) -> None:
    old = table.ledgers.get(event.user_id)
    _keep(table, event.user_id, old, checkpointed(old or _NO_LEDGER, event))


def _keep(table: Table, user_id: UserId, old: Ledger | None, new: Ledger) -> None:
    # Where there is a ledger there is its user: they go together.
    is_new = new is not old and new is not _NO_LEDGER
    if is_new and (old is not None or user_id in table.users):
        table.ledgers[user_id] = new


def funds_restored(table: Table, event: FundsRestored) -> None:
    _fund(table, event.user_id, is_funded=True)


def funds_exhausted(table: Table, event: FundsExhausted) -> None:
    _fund(table, event.user_id, is_funded=False)


def _fund(table: Table, user_id: str, *, is_funded: bool) -> None:
    user = table.users.get(user_id)
    if user is not None:
        table.users[user_id] = attrs.evolve(user, is_funded=is_funded)


def tariff_defined(table: Table, event: TariffDefined) -> None:
    if event.model_id not in table.deployments and event.model_id not in table.composites:
        return
    old = table.tariffs.get(event.tariff_id)
    if old is not None:
        _unprice(table, old.defined.model_id, event.tariff_id)
    table.tariffs[event.tariff_id] = defined(old, event)
    priced = table.tariffs_of.get(event.model_id, frozenset[TariffId]())
    table.tariffs_of[event.model_id] = priced | {event.tariff_id}
    table.stale_grants.add(event.model_id)


def tariff_began(table: Table, event: TariffBegan) -> None:
    _turn(table, event.tariff_id, Phase.CURRENT)


def tariff_ended(table: Table, event: TariffEnded) -> None:
    _turn(table, event.tariff_id, Phase.ENDED)


def tariff_removed(table: Table, event: TariffRemoved) -> None:
    old = table.tariffs.pop(event.tariff_id)
    if old is not None:
        _unprice(table, old.defined.model_id, event.tariff_id)


def escalation_changed(table: Table, event: EscalationChanged) -> None:
    aliases = frozenset(event.aliases)
    for alias in aliases ^ table.escalation:
        model_id = table.models.get(alias)
        if model_id is not None:
            table.stale_grants.add(model_id)
    table.escalation = aliases


def _turn(table: Table, tariff_id: TariffId, phase: Phase) -> None:
    tariff = table.tariffs.get(tariff_id)
    if tariff is not None:
        table.tariffs[tariff_id] = attrs.evolve(tariff, phase=phase)
        table.stale_grants.add(tariff.defined.model_id)


def _unprice(table: Table, model_id: ModelId, tariff_id: TariffId) -> None:
    left = table.tariffs_of.get(model_id, frozenset[TariffId]()) - {tariff_id}
    if left:
        table.tariffs_of[model_id] = left
    else:
        table.tariffs_of.pop(model_id)
    table.stale_grants.add(model_id)


def _is_group(table: Table, group_id: GroupId) -> bool:
    return group_id == PUBLIC or group_id in table.groups
