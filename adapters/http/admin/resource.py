"""A kind of entity as a resource: one description gives its five routes.

Law: what a route shows is of one snapshot, in a stable order; PUT states the whole entity, PATCH is a merge patch of
what GET shows (RFC 7396); DELETE of what was there once changes nothing the second time, of what never was is a 404.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import attrs
import msgspec
from litestar import Response, delete, get, patch, put
from litestar.params import FromPath, JSONBody

from adapters.http.admin.answers import PAGE, After, Limit, page_of, paged, shown
from adapters.http.admin.bodies import MergePatch, StrictBody, checked, merged
from adapters.http.admin.entrance import OPERATE, READ
from adapters.http.admin.given import Given
from adapters.http.admin.mutation import Compose, Mutation, Receipt, Wish, wish
from adapters.http.admin.office import Office
from adapters.http.admin.problems import CHANGES, READS, missing
from engine.events import EntityEvent
from engine.names import Stream
from engine.snapshot import RoutingSnapshot

_ONE: Final = "/{entity_id:str}"


def _nothing(_merged: dict[str, Any], _patch: dict[str, Any]) -> None:
    """What a patch states stands beside what is there."""


@attrs.frozen(kw_only=True)
class Resource:
    """A kind of entity. Models of bodies have no id; what is shown has `id` beside the body's fields."""

    path: str
    word: str
    "For messages, e.g. `endpoint`."
    name: str
    "For the API's description, e.g. `Endpoint`."
    stream: str
    "What its streams' names begin with."
    body: Any
    "An attrs model whose field names are the facts'."
    model: Any
    "The attrs model of what is shown."
    there: Callable[[RoutingSnapshot], Collection[str]]
    "The ids."
    show: Callable[[RoutingSnapshot, str], Any]
    "By an id that is there."
    define: Callable[[Mutation, RoutingSnapshot, str, Any], Wish]
    remove: Callable[[str], EntityEvent]
    elsewhere: Callable[[RoutingSnapshot], Collection[str]] = lambda _: ()
    "Ids of the same streams that are of another kind."
    patched: Callable[[dict[str, Any], dict[str, Any]], None] = _nothing
    "Given what a patch has made and the patch, what else it means."
    opt: Mapping[str, str] = attrs.field(factory=lambda: OPERATE)

    def stream_of(self, entity_id: str) -> Stream:
        return f"{self.stream}:{entity_id}"


def routes_of(of: Resource) -> list[Any]:
    """GET of all and of one, PUT, PATCH, DELETE."""
    return [*_reads(of), *_definitions(of), _removal(of)]


def _reads(of: Resource) -> list[Any]:
    tags = [of.name]
    page, model = page_of(of.name, of.model), of.model

    @get(of.path, opt=READ, responses=READS, tags=tags, operation_id=f"list{of.name}s")
    async def entities(office: Given[Office], limit: Limit = PAGE, after: After = None) -> Response[page]:  # type: ignore[valid-type]
        """All, by id, a page at a time."""
        snapshot = office.follower.snapshot
        return paged(snapshot, of.there(snapshot), lambda name: of.show(snapshot, name), limit=limit, after=after)

    @get(of.path + _ONE, opt=READ, responses=READS, tags=tags, operation_id=f"get{of.name}")
    async def entity(office: Given[Office], entity_id: FromPath[str]) -> Response[model]:  # type: ignore[valid-type]
        """One, with its ETag."""
        snapshot = office.follower.snapshot
        if entity_id not in of.there(snapshot):
            raise missing(of.word, entity_id)
        return shown(snapshot, of.show(snapshot, entity_id), about=of.stream_of(entity_id))

    return [entities, entity]


def _definitions(of: Resource) -> list[Any]:
    tags = [of.name]
    body, changes = of.body, patch_of(of.name, of.body)

    @put(
        of.path + _ONE,
        opt=dict(of.opt),
        responses=CHANGES,
        tags=tags,
        operation_id=f"put{of.name}",
        dto=StrictBody,
        return_dto=None,
    )
    async def define(
        entity_id: FromPath[str],
        data: JSONBody[body],  # type: ignore[valid-type]
        mutation: Given[Mutation],
    ) -> Response[Receipt]:
        """Define it, or define it anew: fields that are not stated take their defaults."""
        return await _made(of, mutation, entity_id, lambda snapshot: of.define(mutation, snapshot, entity_id, data))

    @patch(
        of.path + _ONE,
        opt=dict(of.opt),
        responses=CHANGES,
        tags=tags,
        operation_id=f"patch{of.name}",
        dto=MergePatch,
        return_dto=None,
    )
    async def change(
        entity_id: FromPath[str],
        data: JSONBody[changes],  # type: ignore[valid-type]
        mutation: Given[Mutation],
    ) -> Response[Receipt]:
        """Change some fields: null takes the default, what is not stated stays (RFC 7396)."""
        stated: Any = data

        def compose(snapshot: RoutingSnapshot) -> Wish:
            if entity_id not in of.there(snapshot):
                raise missing(of.word, entity_id)
            whole = merged(fields_of(of.body, of.show(snapshot, entity_id)), stated)
            of.patched(whole, stated)
            return of.define(mutation, snapshot, entity_id, checked(whole, of.body))

        return await _made(of, mutation, entity_id, compose)

    return [define, change]


def _removal(of: Resource) -> Any:
    @delete(
        of.path + _ONE,
        opt=dict(of.opt),
        status_code=200,
        responses=CHANGES,
        tags=[of.name],
        operation_id=f"delete{of.name}",
    )
    async def remove(entity_id: FromPath[str], mutation: Given[Mutation]) -> Response[Receipt]:
        """Remove it, and what hangs on it. Once more changes nothing."""

        def compose(snapshot: RoutingSnapshot) -> Wish:
            was_there = of.stream_of(entity_id) in snapshot.streams and entity_id not in of.elsewhere(snapshot)
            if entity_id not in of.there(snapshot) and not was_there:
                raise missing(of.word, entity_id)
            return wish(of.remove(entity_id), where=lambda _: ())

        return await _made(of, mutation, entity_id, compose)

    return remove


async def _made(of: Resource, mutation: Mutation, entity_id: str, compose: Compose) -> Response[Any]:
    return await mutation.make(
        compose, about=of.stream_of(entity_id), exists=lambda snapshot: entity_id in of.there(snapshot)
    )


def fields_of(body: Any, value: Any) -> dict[str, Any]:
    """Of a value that is shown what a body states, as plain values; what is None is not stated."""
    plain = msgspec.to_builtins(value)
    names = {field.name for field in attrs.fields(body)}
    return {name: one for name, one in plain.items() if name in names and one is not None}


def patch_of(name: str, body: Any) -> Any:
    """The model of a merge patch, for the API's description: each field may be absent, or null."""
    fields = {field.name: attrs.field(type=field.type | None, default=None) for field in attrs.fields(body)}
    return attrs.make_class(f"{name}Patch", fields, frozen=True, kw_only=True)
