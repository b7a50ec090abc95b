"""What there is one of: settings, escalation models, capacities; and what is wrong with the models (CAP-1, SYNC-13)."""

from typing import Annotated, Any, Final

import attrs
import msgspec
from litestar import Response, get, patch, put
from litestar.params import Body, JSONBody

from adapters.http.admin.answers import PAGE, After, Limit, page_of, paged, shown
from adapters.http.admin.bodies import MergePatch, StrictBody, checked, merged
from adapters.http.admin.bounds import AtLeastOne, Count, Seconds
from adapters.http.admin.entrance import OPERATE, READ
from adapters.http.admin.given import Given
from adapters.http.admin.mutation import Mutation, Place, Receipt, Wish, wish
from adapters.http.admin.office import Office
from adapters.http.admin.problems import CHANGES, READS
from adapters.http.admin.resource import fields_of, patch_of
from engine.commands import ChangeSettings
from engine.events import BatchDefaultChanged, EscalationChanged
from engine.snapshot import RoutingSnapshot
from engine.snapshot import Settings as Values

_Alias = Annotated[str, msgspec.Meta(min_length=1, max_length=256), Body(min_length=1, max_length=256)]
_Aliases = Annotated[tuple[_Alias, ...], msgspec.Meta(max_length=10_000), Body(max_items=10_000)]


@attrs.frozen(kw_only=True)
class Settings:
    strict_mode: bool = False
    max_idle_per_host: Count = 100
    "Idle upstream connections kept for each origin."
    idle_timeout_s: Seconds = 90.0
    "How long one is kept."


@attrs.frozen(kw_only=True)
class Escalation:
    aliases: _Aliases
    "Models that batch keys may use without being members."


@attrs.frozen(kw_only=True)
class Capacity:
    alias: str
    batch_capacity: int
    "Batch requests at once."


@attrs.frozen(kw_only=True)
class DefaultCapacity:
    batch_capacity: AtLeastOne
    "Of models that state none."


@attrs.frozen(kw_only=True)
class Faults:
    alias: str
    model_id: str | None
    faults: tuple[str, ...]
    "Why it is not quite what was defined, a sentence each."


_CapacityPage, _FaultsPage, _SettingsPatch = (
    page_of("Capacity", Capacity),
    page_of("Faults", Faults),
    patch_of("Settings", Settings),
)


def _settings(snapshot: RoutingSnapshot) -> Settings:
    return Settings(**attrs.asdict(snapshot.settings))


def _below_settings(where: Place) -> Place:
    return where[1:]


@get("/settings", opt=READ, responses=READS, tags=["Settings"], operation_id="getSettings")
async def settings(office: Given[Office]) -> Response[Settings]:
    """What holds for the whole gateway."""
    snapshot = office.follower.snapshot
    return shown(snapshot, _settings(snapshot), about="settings")


@put(
    "/settings",
    opt=OPERATE,
    responses=CHANGES,
    tags=["Settings"],
    operation_id="putSettings",
    dto=StrictBody,
    return_dto=None,
)
async def put_settings(data: JSONBody[Settings], mutation: Given[Mutation]) -> Response[Receipt]:
    """State all settings: those that are not stated take their defaults."""
    command = ChangeSettings(Values(**attrs.asdict(data)))
    return await mutation.make(lambda _: Wish(command, where=_below_settings), about="settings")


@patch(
    "/settings",
    opt=OPERATE,
    responses=CHANGES,
    tags=["Settings"],
    operation_id="patchSettings",
    dto=MergePatch,
    return_dto=None,
)
async def patch_settings(
    data: JSONBody[_SettingsPatch],  # type: ignore[valid-type]
    mutation: Given[Mutation],
) -> Response[Receipt]:
    """Change some settings (RFC 7396)."""

    def compose(snapshot: RoutingSnapshot) -> Wish:
        whole = checked(merged(fields_of(Settings, _settings(snapshot)), data), Settings)
        return Wish(ChangeSettings(Values(**attrs.asdict(whole))), where=_below_settings)

    return await mutation.make(compose, about="settings")


@get("/escalation", opt=READ, responses=READS, tags=["Escalation"], operation_id="getEscalation")
async def escalation(office: Given[Office]) -> Response[Escalation]:
    """The models that batch keys may use without being members (SYNC-4)."""
    snapshot = office.follower.snapshot
    return shown(snapshot, Escalation(aliases=tuple(sorted(snapshot.catalogue.escalation))), about="escalation")


@put(
    "/escalation",
    opt=OPERATE,
    responses=CHANGES,
    tags=["Escalation"],
    operation_id="putEscalation",
    dto=StrictBody,
    return_dto=None,
)
async def put_escalation(data: JSONBody[Escalation], mutation: Given[Mutation]) -> Response[Receipt]:
    """State all of them."""
    fact = EscalationChanged(tuple(sorted(set(data.aliases))))
    return await mutation.make(lambda _: wish(fact), about="escalation")


@get("/capacities", opt=READ, responses=READS, tags=["Capacity"], operation_id="listCapacities")
async def capacities(office: Given[Office], limit: Limit = PAGE, after: After = None) -> Response[_CapacityPage]:  # type: ignore[valid-type]
    """What each model takes at once of batch requests (CAP-1); a model that is not here takes none (CAP-3)."""
    snapshot = office.follower.snapshot
    found = snapshot.capacities
    return paged(
        snapshot, found, lambda alias: Capacity(alias=alias, batch_capacity=found[alias]), limit=limit, after=after
    )


@get("/capacities/default", opt=READ, responses=READS, tags=["Capacity"], operation_id="getDefaultCapacity")
async def default_capacity(office: Given[Office]) -> Response[DefaultCapacity]:
    """The capacity of models that state none."""
    snapshot = office.follower.snapshot
    return shown(snapshot, DefaultCapacity(batch_capacity=snapshot.catalogue.batch_capacity), about="batch")


@put(
    "/capacities/default",
    opt=OPERATE,
    responses=CHANGES,
    tags=["Capacity"],
    operation_id="putDefaultCapacity",
    dto=StrictBody,
    return_dto=None,
)
async def put_default_capacity(data: JSONBody[DefaultCapacity], mutation: Given[Mutation]) -> Response[Receipt]:
    """Change it for all of them."""
    return await mutation.make(lambda _: wish(BatchDefaultChanged(data.batch_capacity)), about="batch")


@get("/faults", opt=READ, responses=READS, tags=["Faults"], operation_id="listFaults")
async def faults(office: Given[Office], limit: Limit = PAGE, after: After = None) -> Response[_FaultsPage]:  # type: ignore[valid-type]
    """Which models are not quite what was defined, and why (SYNC-13)."""
    snapshot = office.follower.snapshot

    def show(alias: str) -> Faults:
        return Faults(alias=alias, model_id=snapshot.catalogue.models.get(alias), faults=snapshot.faults[alias])

    return paged(snapshot, snapshot.faults, show, limit=limit, after=after)


routes: Final[list[Any]] = [
    settings,
    put_settings,
    patch_settings,
    escalation,
    put_escalation,
    capacities,
    default_capacity,
    put_default_capacity,
    faults,
]
