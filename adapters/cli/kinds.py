"""The kinds of entities that `get`, `set` and `delete` know, and where the admin API has them."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import click
from click.shell_completion import CompletionItem

from engine.errors import StartFailed


@attrs.frozen(kw_only=True)
class Kind:
    name: str
    path: str
    "Below /admin/v1; `*` is the id of what it belongs to."
    columns: tuple[str, ...] = ()
    "Of a list; none: all that have a value."
    id: str = "id"
    "The field of a list's entries that has the id."
    is_one: bool = False
    "Whether there is only one, without an id."
    is_shown: bool = True
    "Whether one can be asked for; else it is looked for in the list."
    is_patched: bool = True
    "Whether some of its fields can be changed; else what is there is read, and written as a whole."
    is_defined: bool = True
    "Whether it can be written as a whole."
    has_fields: bool = True
    "False: it is there or it is not."
    needs_fields: bool = True
    "Whether one cannot be made without any field stated."
    only_shown: frozenset[str] = frozenset()
    "Fields, beside the id, that are told and not taken."

    @property
    def is_part(self) -> bool:
        """Whether it belongs to another, so that its id is `OTHER/ID`."""
        return "*" in self.path

    def all_of(self, other: str | None) -> tuple[str, ...]:
        """The path of the list. Raises StartFailed."""
        if self.is_part and not other:
            raise StartFailed(f"{self.name} belong to another: give its id, as {self.usage}.", wrong_input=True)
        if not self.is_part and other:
            raise StartFailed(f"{self.name} belong to nothing.", wrong_input=True)
        return tuple((other or "") if part == "*" else part for part in self.path.split("/"))

    def one_of(self, entity_id: str | None) -> tuple[str, ...]:
        """The path of one. Raises StartFailed."""
        if self.is_one:
            if entity_id is not None:
                raise StartFailed(f"There is one {self.name}: give no id.", wrong_input=True)
            return tuple(self.path.split("/"))
        if not entity_id:
            raise StartFailed(f"Which of the {self.name}? Give an id, as {self.usage}.", wrong_input=True)
        other, _, own = entity_id.partition("/") if self.is_part else ("", "", entity_id)
        if not own:
            raise StartFailed(f"{entity_id!r} is no id of one of the {self.name}: {self.usage}.", wrong_input=True)
        return (*self.all_of(other), own)

    @property
    def usage(self) -> str:
        return {"components": "COMPOSITE/DEPLOYMENT", "rules": "MODEL/PURPOSE"}.get(
            self.name, "GROUP/ID" if self.is_part else "ID"
        )

    def taken(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """Of an entity as it is shown, what can be written."""
        return {name: value for name, value in shown.items() if name not in {self.id, *self.only_shown}}


_ALL: Final = (
    Kind(name="endpoints", path="endpoints"),
    Kind(name="deployments", path="deployments"),
    Kind(
        name="composites",
        path="composites",
        columns=("id", "alias", "strategy", "fallback_enabled", "components"),
    ),
    Kind(name="components", path="composites/*/components", id="deployment_id", is_patched=False),
    Kind(name="rules", path="models/*/rules", id="purpose", is_patched=False),
    Kind(name="users", path="users", needs_fields=False, only_shown=frozenset({"groups", "balance", "is_funded"})),
    Kind(name="groups", path="groups", needs_fields=False, only_shown=frozenset({"members", "grants"})),
    Kind(name="members", path="groups/*/members", is_shown=False, has_fields=False, is_patched=False),
    Kind(name="grants", path="groups/*/grants", is_shown=False, has_fields=False, is_patched=False),
    Kind(name="tariffs", path="tariffs", only_shown=frozenset({"is_current", "has_ended"})),
    Kind(
        name="pools",
        path="pools",
        id="alias",
        columns=("alias", "strategy", "providers", "keys", "model_id", "faults"),
        only_shown=frozenset({"model_id", "grants", "faults"}),
    ),
    Kind(
        name="keys",
        path="keys",
        id="key_id",
        columns=("key_id", "user_id", "purpose", "labels", "aliases", "limits", "expires_at", "expiry", "owner"),
        is_defined=False,
    ),
    Kind(name="settings", path="settings", is_one=True),
    Kind(name="escalation", path="escalation", is_one=True, is_patched=False),
    Kind(name="capacities", path="capacities", id="alias", is_shown=False, is_patched=False, is_defined=False),
    Kind(name="default-capacity", path="capacities/default", is_one=True, is_patched=False),
    Kind(name="faults", path="faults", id="alias", is_shown=False, is_patched=False, is_defined=False),
)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _ALL}


class KindType(click.ParamType[Kind]):
    """A kind by its name, in the plural or the singular."""

    name = "KIND"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Kind:
        if isinstance(value, Kind):
            return value
        name = str(value).replace("_", "-")
        found = next((KINDS[one] for one in (name, f"{name}s", f"{name[:-1]}ies") if one in KINDS), None)
        if found is None:
            self.fail(f"there is no kind {name!r}; valid: {', '.join(KINDS)}", param, ctx)
        return found

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's signature
        return [CompletionItem(name) for name in KINDS if name.startswith(incomplete)]
