"""Composites and their components (SYNC-1, SYNC-10, SYNC-11), as the API takes and shows them.

A composite's document may carry its components, which then are these and no others; without them they stay as they are.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import attrs
import msgspec
from litestar import Response, delete, get, put
from litestar.params import Body, FromPath, JSONBody

from adapters.http.admin.answers import PAGE, After, Limit, page_of, paged, shown
from adapters.http.admin.bodies import StrictBody
from adapters.http.admin.bounds import AtLeastOne, Count, Order, Rate
from adapters.http.admin.entrance import OPERATE, READ
from adapters.http.admin.given import Given
from adapters.http.admin.mutation import Mutation, Place, Receipt, Wish, wish
from adapters.http.admin.office import Office
from adapters.http.admin.problems import CHANGES, READS, Fault, Invalid, missing
from adapters.http.admin.resource import Resource, routes_of
from engine import events
from engine.names import ModelId
from engine.snapshot import RoutingSnapshot, Strategy

Weight = Annotated[int, msgspec.Meta(ge=1, le=100), Body(ge=1, le=100)]
_TAGS: Final = ["Composite"]


@attrs.frozen(kw_only=True)
class Standing:
    """Where a deployment stands in a composite."""

    weight: Weight = 1
    sort_order: Order = 0
    "Ascending; then the heavier first, then by id."
    enabled: bool = True


@attrs.frozen(kw_only=True)
class Component(Standing):
    deployment_id: str


@attrs.frozen(kw_only=True)
class CompositeFields:
    alias: str
    "What clients call it."
    fallback_enabled: bool | None = None
    "None, here and in the fields about fallback below: the default of FB-14."
    fallback_on_rate_limit: bool | None = None
    fallback_on_status: tuple[int, ...] | None = None
    fallback_with_replacement: bool | None = None
    fallback_max_attempts: AtLeastOne | None = None
    max_concurrent: Count | None = None
    "Of the pool, as the two after it."
    requests_per_second: Rate | None = None
    burst: AtLeastOne | None = None
    batch_capacity: AtLeastOne | None = None
    sanitize_response: bool = False
    open_responses_adapter: bool | None = None


@attrs.frozen(kw_only=True)
class Composite(CompositeFields):
    strategy: Strategy | None = None
    "None: weighted_random."
    components: tuple[Component, ...] | None = None
    "Absent: they stay as they are."


@attrs.frozen(kw_only=True)
class CompositeShown(CompositeFields):
    id: str
    strategy: str | None
    "As it was defined, be it known or not."
    components: tuple[Component, ...]


def _define(_: Mutation, snapshot: RoutingSnapshot, model_id: ModelId, body: Composite) -> Wish:
    fields = attrs.asdict(body, filter=lambda field, _: field.name != "components")
    fields["strategy"] = None if body.strategy is None else body.strategy.value
    fact = events.CompositeDefined(model_id, **fields)
    if body.components is None:
        return wish(fact)
    wanted = [component.deployment_id for component in body.components]
    for place, deployment_id in enumerate(wanted):
        if deployment_id in wanted[:place]:
            where, what = f"components[{place}].deployment_id", f"a second {deployment_id!r}"
            raise Invalid((Fault(where=where, what=what, valid="each deployment once"),))
    present = {one.deployment_id for one in snapshot.catalogue.components.get(model_id, ())}
    gone = [events.ComponentRemoved(model_id, one) for one in sorted(present - set(wanted))]
    stated = [_fact(model_id, component.deployment_id, component) for component in body.components]

    def where_of(where: Place) -> Place | None:
        if not gone and not stated:
            return where
        place, *rest = where
        if place == 0:
            return tuple(rest)
        # A composite that is wrong itself is told once, not for each component.
        return None if rest == ["composite_id"] else ("components", int(place) - 1 - len(gone), *rest)

    return wish(fact, *gone, *stated, where=where_of)


def _show(snapshot: RoutingSnapshot, model_id: ModelId) -> CompositeShown:
    fields = attrs.asdict(snapshot.catalogue.composites[model_id])
    return CompositeShown(id=fields.pop("model_id"), components=tuple(_components(snapshot, model_id)), **fields)


def _components(snapshot: RoutingSnapshot, model_id: ModelId) -> Iterator[Component]:
    for one in snapshot.catalogue.components.get(model_id, ()):
        yield Component(
            deployment_id=one.deployment_id, weight=one.weight, sort_order=one.sort_order, enabled=one.enabled
        )


def _fact(model_id: ModelId, deployment_id: ModelId, place: Standing) -> events.ComponentDefined:
    return events.ComponentDefined(model_id, deployment_id, place.weight, place.sort_order, place.enabled)


COMPOSITES: Final = Resource(
    path="/composites",
    word="composite",
    name="Composite",
    stream="model",
    body=Composite,
    model=CompositeShown,
    there=lambda snapshot: snapshot.catalogue.composites,
    show=_show,
    define=_define,
    remove=events.CompositeRemoved,
    elsewhere=lambda snapshot: snapshot.catalogue.deployments,
)

_ComponentPage = page_of("Component", Component)
_ONE: Final = "/composites/{composite_id:str}/components/{deployment_id:str}"


def _found(snapshot: RoutingSnapshot, composite_id: ModelId) -> dict[ModelId, Component]:
    """The components by deployment. Raises Refusal (404)."""
    if composite_id not in snapshot.catalogue.composites:
        raise missing("composite", composite_id)
    return {one.deployment_id: one for one in _components(snapshot, composite_id)}


@get(
    "/composites/{composite_id:str}/components",
    opt=READ,
    responses=READS,
    tags=_TAGS,
    operation_id="listComponents",
)
async def components(
    composite_id: FromPath[str], office: Given[Office], limit: Limit = PAGE, after: After = None
) -> Response[_ComponentPage]:  # type: ignore[valid-type]
    """A composite's components, by deployment."""
    snapshot = office.follower.snapshot
    found = _found(snapshot, composite_id)
    return paged(snapshot, found, found.__getitem__, limit=limit, after=after)


@get(_ONE, opt=READ, responses=READS, tags=_TAGS, operation_id="getComponent")
async def component(
    composite_id: FromPath[str], deployment_id: FromPath[str], office: Given[Office]
) -> Response[Component]:
    """One component; the ETag is the composite's."""
    snapshot = office.follower.snapshot
    found = _found(snapshot, composite_id).get(deployment_id)
    if found is None:
        raise missing("component", deployment_id)
    return shown(snapshot, found, about=f"model:{composite_id}")


@put(_ONE, opt=OPERATE, responses=CHANGES, tags=_TAGS, operation_id="putComponent", dto=StrictBody, return_dto=None)
async def put_component(
    composite_id: FromPath[str],
    deployment_id: FromPath[str],
    data: JSONBody[Standing],
    mutation: Given[Mutation],
) -> Response[Receipt]:
    """Put a deployment into a composite, or at another place there."""

    def compose(snapshot: RoutingSnapshot) -> Wish:
        _found(snapshot, composite_id)
        return wish(_fact(composite_id, deployment_id, data))

    return await mutation.make(compose, about=f"model:{composite_id}", exists=_is_in(composite_id, deployment_id))


@delete(_ONE, opt=OPERATE, status_code=200, responses=CHANGES, tags=_TAGS, operation_id="deleteComponent")
async def remove_component(
    composite_id: FromPath[str], deployment_id: FromPath[str], mutation: Given[Mutation]
) -> Response[Receipt]:
    """Take a deployment out of a composite. One that is not in it changes nothing."""

    def compose(snapshot: RoutingSnapshot) -> Wish:
        _found(snapshot, composite_id)
        return wish(events.ComponentRemoved(composite_id, deployment_id))

    return await mutation.make(compose, about=f"model:{composite_id}", exists=_is_in(composite_id, deployment_id))


def _is_in(composite_id: ModelId, deployment_id: ModelId) -> Any:
    return lambda snapshot: any(one.deployment_id == deployment_id for one in _components(snapshot, composite_id))


routes: list[Any] = [*routes_of(COMPOSITES), components, component, put_component, remove_component]
