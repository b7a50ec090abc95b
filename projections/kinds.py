"""What a table consists of, kind by kind: the entities of each, and their fields in plain form.

Law: everything that a table holds is in exactly one place here, but for what is made from the rest (`callers`,
`global_keys` and the catalogue's links) and what tells where the table stands (`position`, `streams`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

import attrs

from engine.events import TokenDefined
from engine.snapshot import RoutingSnapshot
from engine.tariffs import Tariff
from projections.plain import Plain, fields_of


class Form(Protocol):
    def __call__(self, value: Any, *, sparse: bool) -> Plain:
        """An entity's fields without its id and without digests; `sparse`: those that are not at their default."""
        ...


Parts: TypeAlias = Callable[[Any], Mapping[str, Any]]


@attrs.frozen
class Kind:
    entities: Callable[[RoutingSnapshot], Mapping[str, Any]]
    form: Form
    parts: Parts | None = None
    "What `entities` has under one name comes apart into these, each named `name/part`; None: it is one entity."
    is_telling: bool = True
    "Whether one that comes or goes is worth telling; else it is where what it belongs to is told."


def tokens_of(table: RoutingSnapshot) -> dict[str, TokenDefined]:
    """The admin tokens by their ids."""
    found = {}
    for token_id, digest in table.catalogue.token_ids.items():
        token = table.tokens[digest]
        found[token_id] = TokenDefined(token_id, digest.hex(), token.scope, token.name, token.expires_at)
    return found


def _but(*names: str) -> Form:
    def form(value: Any, *, sparse: bool) -> Plain:
        return fields_of(value, beside=names, sparse=sparse)

    return form


def _only(name: str) -> Form:
    def form(value: Any, *, sparse: bool) -> Plain:  # noqa: ARG001 - it has no default
        return {name: list(value) if isinstance(value, tuple) else value}

    return form


def _bare(value: Any, *, sparse: bool) -> Plain:  # noqa: ARG001 - as the protocol says
    return {}


def _tariff(value: Tariff, *, sparse: bool) -> Plain:
    turned = {"is_current": value.is_current, "has_ended": value.has_ended}
    told = {name: one for name, one in turned.items() if one or not sparse}
    return fields_of(value.defined, beside=("tariff_id",), sparse=sparse) | told


KINDS: Final[Mapping[str, Kind]] = {
    "settings": Kind(lambda table: {"": table.settings}, _but()),
    "source": Kind(lambda table: dict.fromkeys(table.released), _bare),
    "token": Kind(tokens_of, _but("token_id")),
    "batch_default": Kind(lambda table: {"": table.catalogue.batch_capacity}, _only("batch_capacity")),
    "endpoint": Kind(lambda table: table.catalogue.endpoints, _but("endpoint_id")),
    "deployment": Kind(lambda table: table.catalogue.deployments, _but("model_id")),
    "composite": Kind(lambda table: table.catalogue.composites, _but("model_id")),
    "component": Kind(
        lambda table: table.catalogue.components,
        _but("composite_id", "deployment_id"),
        lambda components: {one.deployment_id: one for one in components},
    ),
    "traffic_rule": Kind(
        lambda table: table.catalogue.rules,
        _but("model_id", "purpose"),
        lambda rules: {one.purpose: one for one in rules},
    ),
    "user": Kind(lambda table: table.users, _but("user_id", "groups")),
    "group": Kind(lambda table: table.catalogue.groups, _but("group_id")),
    "member": Kind(lambda table: table.catalogue.members, _bare, lambda members: members),
    "grant": Kind(lambda table: table.catalogue.granted, _bare, lambda models: models),
    "tariff": Kind(lambda table: table.catalogue.tariffs, _tariff),
    "ledger": Kind(lambda table: table.catalogue.ledgers, _but()),
    "escalation": Kind(lambda table: dict.fromkeys(table.catalogue.escalation), _bare),
    "key": Kind(lambda table: table.keys, _but("key_id")),
    "pool": Kind(lambda table: table.pools, _but("alias")),
    "capacity": Kind(lambda table: table.capacities, _only("capacity"), is_telling=False),
    "fault": Kind(lambda table: table.faults, _only("faults")),
}
"""In the order in which they build on each other."""
