"""Answers to questions: what there is at one position, as pages or one by one.

Law: an answer names the position it is of; a page goes on where the one before it ended, by id, whatever has come or
gone between.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import attrs
from litestar import Response
from litestar.params import QueryParameter

from adapters.codec import NAMES
from engine import events
from engine.names import Stream
from engine.snapshot import RoutingSnapshot

T = TypeVar("T")

Limit: TypeAlias = Annotated[int, QueryParameter(ge=1, le=1000, description="How many a page has at most.")]
After: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=1024, description="The `next` of the page before; absent: the first page.")
]
PAGE: Final = 100


def etag_of(snapshot: RoutingSnapshot, stream: Stream) -> str:
    """The version of an entity as a strong ETag; "0" of one without events."""
    known = snapshot.streams.get(stream)
    return f'"{0 if known is None else known.version}"'


def shown(snapshot: RoutingSnapshot, value: Any, *, about: Stream | None = None) -> Response[Any]:
    """One value, with the ETag of the entity it is of."""
    headers = {"x-pointsman-position": str(snapshot.position)}
    if about is not None:
        headers["etag"] = etag_of(snapshot, about)
    return Response(value, headers=headers)


def paged(
    snapshot: RoutingSnapshot, ids: Iterable[str], show: Callable[[str], Any], *, limit: int, after: str | None
) -> Response[Any]:
    """`{"data": […], "next": cursor or null, "position": N}`, in the order of ids."""
    chosen = heapq.nsmallest(limit + 1, ids if after is None else (one for one in ids if one > after))
    page = {
        "data": [show(one) for one in chosen[:limit]],
        "next": chosen[limit - 1] if len(chosen) > limit else None,
        "position": snapshot.position,
    }
    return Response(page, headers={"x-pointsman-position": str(snapshot.position)})


def page_of(name: str, model: Any) -> Any:
    """The model of a page, for the API's description."""
    types: Mapping[str, Any] = {"data": tuple[model, ...], "next": str | None, "position": int}
    fields = {field: attrs.field(type=kind) for field, kind in types.items()}
    return attrs.make_class(f"{name}Page", fields, frozen=True, kw_only=True)


def event_shown(event: events.Event) -> dict[str, Any]:
    """An event as the API tells it: its type and fields, no digest."""
    told = attrs.asdict(event, recurse=False, filter=lambda field, _: field.repr is True)
    return {"type": NAMES[type(event)], **told}
