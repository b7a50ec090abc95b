"""What several kinds of facts must satisfy: that what they name is there, that what they take away is not needed, and
that their text can be shown.

Law: as `engine.entity_checks`, which asks these.
"""

from collections.abc import Iterator
from typing import Final

from engine.errors import Problem
from engine.names import Alias, ModelId, UserId
from engine.snapshot import RoutingSnapshot

Problems = Iterator[Problem]

LONGEST: Final = 256
"""Characters of a name."""


def text_problems(field: str, text: str, *, least: int = 0, most: int = LONGEST) -> Problems:
    if not least <= len(text) <= most or not (text.isprintable() or not text):
        yield Problem((field,), "too long, empty or not printable", f"{least} to {most} printable characters")


def model_problems(snapshot: RoutingSnapshot, model_id: ModelId) -> Problems:
    if not is_model(snapshot, model_id):
        yield Problem(("model_id",), f"no model has the id {model_id!r}", "the id of a deployment or a composite")


def is_model(snapshot: RoutingSnapshot, model_id: ModelId) -> bool:
    return model_id in snapshot.catalogue.deployments or model_id in snapshot.catalogue.composites


def user_problems(snapshot: RoutingSnapshot, user_id: UserId) -> Problems:
    if user_id not in snapshot.users:
        yield Problem(("user_id",), f"no user has the id {user_id!r}", "the id of a user")


def led_to_problems(snapshot: RoutingSnapshot, alias: Alias, field: str) -> Problems:
    """Rules of pools that were defined by themselves are not the model's to remove (RULE-10)."""
    for other, pool in snapshot.pools.items():
        if pool.grants is None and any(rule.target == alias for rule in pool.rules):
            what = f"pool {other!r} has a rule that leads to {alias!r}, which would be gone"
            yield Problem((field,), what, "a model that no rule of a pool leads to")


def alias_problems(snapshot: RoutingSnapshot, alias: Alias, model_id: ModelId) -> Problems:
    """Alias collisions are nobody's to resolve (DEF-19)."""
    if not alias or len(alias) > LONGEST or not alias.isprintable():
        yield Problem(("alias",), "not usable as a model name", f"1 to {LONGEST} printable characters")
    other = snapshot.catalogue.models.get(alias)
    if other not in {None, model_id}:
        yield Problem(("alias",), f"{alias!r} is the name of model {other}", "a name of its own")
    elif other is None and alias in snapshot.pools:
        yield Problem(("alias",), f"{alias!r} is the name of a pool that was defined by itself", "a name of its own")
    catalogue = snapshot.catalogue
    old = catalogue.deployments.get(model_id) or catalogue.composites.get(model_id)
    if old is not None and old.alias != alias and catalogue.models.get(old.alias) == model_id:
        yield from led_to_problems(snapshot, old.alias, "alias")
