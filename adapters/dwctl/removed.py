"""What the source has and somebody here has removed on purpose.

Law: it stays removed for as long as the log says so, with all that hangs on it; a redirect to a model that stays away
denies, as one to no model does (DEF-4). Whoever wants it back defines it here, and owns it from then on.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TypeVar

import attrs

from adapters.dwctl.ownership import Ownership
from adapters.dwctl.wishes import Access, Models, Wishes
from engine.events import TrafficRuleDefined
from engine.names import ModelId
from engine.snapshot import Action

Id = TypeVar("Id", bound=str)


def without_removed(wishes: Wishes, own: Ownership) -> Wishes:
    """The wishes that are left; what is not is told."""
    gone = _removed("model", wishes.models.models, own)
    return attrs.evolve(
        wishes, models=_models(wishes.models, gone) if gone else wishes.models, access=_access(wishes.access, gone, own)
    )


def _removed(kind: str, ids: Iterable[Id], own: Ownership) -> frozenset[Id]:
    return frozenset(one for one in ids if own.is_removed_here(f"{kind}:{one}"))


def _models(wished: Models, gone: AbstractSet[ModelId]) -> Models:
    return attrs.evolve(
        wished,
        models={model_id: model for model_id, model in wished.models.items() if model_id not in gone},
        components={ids: component for ids, component in wished.components.items() if gone.isdisjoint(ids)},
        rules={ids: _rule(rule, gone) for ids, rule in wished.rules.items() if ids[0] not in gone},
    )


def _rule(rule: TrafficRuleDefined, gone: AbstractSet[ModelId]) -> TrafficRuleDefined:
    if rule.target_id is None or rule.target_id not in gone:
        return rule
    return TrafficRuleDefined(rule.model_id, rule.purpose, Action.DENY.value)


def _access(wished: Access, models_gone: AbstractSet[ModelId], own: Ownership) -> Access:
    users = _removed("user", wished.users, own)
    groups = _removed("group", wished.groups, own)
    keys = _removed("key", wished.keys, own)
    if not (models_gone or users or groups or keys):
        return wished
    return attrs.evolve(
        wished,
        users={user_id: user for user_id, user in wished.users.items() if user_id not in users},
        groups={group_id: group for group_id, group in wished.groups.items() if group_id not in groups},
        members=frozenset(ids for ids in wished.members if ids[0] not in groups and ids[1] not in users),
        grants=frozenset(ids for ids in wished.grants if ids[0] not in groups and ids[1] not in models_gone),
        ledgers={user_id: ledger for user_id, ledger in wished.ledgers.items() if user_id not in users},
        tariffs={one: tariff for one, tariff in wished.tariffs.items() if tariff.model_id not in models_gone},
        keys={one: key for one, key in wished.keys.items() if one not in keys and key.user_id not in users},
    )
