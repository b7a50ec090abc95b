"""The whole table at a position, what differs between two, and the document it can be made of again.

Law: what is large is made and encoded in a thread, from tables that do not change, while requests are served.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import attrs
import msgspec
import trio
import yaml
from litestar import Response, get
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter

from adapters.http.admin.entrance import READ, Who
from adapters.http.admin.given import Given
from adapters.http.admin.office import Office
from adapters.http.admin.problems import READS
from adapters.http.admin.times import told
from adapters.http.admin.when import WHEN, At, Named, position_of
from engine.snapshot import RoutingSnapshot
from projections.diff import differences
from projections.document import exported, shown

T = TypeVar("T")
_YAML: Final = "application/yaml"


@attrs.frozen(kw_only=True)
class FieldChanged:
    field: str
    "A path in the entity, e.g. `providers[one].weight`."
    before: Any
    "Null also where there was none."
    after: Any


@attrs.frozen(kw_only=True)
class Differing:
    kind: str
    name: str
    change: str
    "`added`, `removed` or `changed`."
    fields: tuple[FieldChanged, ...]
    sentence: str
    "The same in one line for people."


@attrs.frozen(kw_only=True)
class Diff:
    before: int
    "The position of the one table, as the one below of the other."
    after: int
    total: int
    data: tuple[Differing, ...]
    "The first of them, as many as `limit` says."


@attrs.frozen(kw_only=True)
class PositionShown:
    position: int
    recorded_at: datetime | None
    "Of its event, by its writer's clock; null for position 0, which has none."


@get("/positions", operation_id="getPosition", opt=READ, responses=READS)
async def position_at(
    office: Given[Office], at: Annotated[str, QueryParameter(max_length=64, description=WHEN)]
) -> Response[PositionShown]:
    """Where the log stood at a time: the last event that was recorded at it or before it, so that all after it were
    recorded later. Where the clocks of several writers differ, it is by whichever clock wrote each event.
    """
    position = await position_of(office, at, where="?at")
    events = await office.log.read(position - 1, 1) if position else ()
    if position and not events:
        raise await office.past.not_there(position, office.follower.snapshot)
    found = PositionShown(position=position, recorded_at=told(events[0].recorded_at) if events else None)
    return Response(found, headers={"x-pointsman-position": str(office.follower.snapshot.position)})


@get("/snapshot", operation_id="getSnapshot", opt=READ, responses=READS)
async def snapshot(office: Given[Office], at: At = None) -> Response[dict[str, Any]]:
    """All that is in force at a position, without digests: what was defined, the pools of models, and what is wrong
    with them. An earlier position is folded from the log.
    """
    table = await _table(office, at, "?at")
    return _json(table, await _apart(lambda: msgspec.json.encode(shown(table))))


@get("/diff", operation_id="getDiff", opt=READ, responses=READS)
async def diff(
    office: Given[Office],
    from_: Annotated[str, QueryParameter(name="from", max_length=64, description=WHEN)],
    to: At = None,
    limit: Annotated[int, QueryParameter(ge=1, le=10_000)] = 1000,
) -> Response[Diff]:
    """What differs between the tables of two positions or times, entity by entity. Of secrets only that they
    changed.
    """
    before = await _table(office, from_, "?from")
    after = await _table(office, to, "?to")

    def encoded() -> bytes:
        found = differences(before, after)
        told = [attrs.asdict(one) for one in found[:limit]]
        return msgspec.json.encode(
            {"before": before.position, "after": after.position, "total": len(found), "data": told}
        )

    return _json(after, await _apart(encoded))


@get(
    "/export",
    operation_id="exportDocument",
    opt=READ,
    responses={
        **READS,
        200: ResponseSpec(
            dict[str, Any],
            media_type="application/json",
            description="The document; in YAML where Accept names application/yaml.",
            generate_examples=False,
        ),
    },
)
async def export(
    office: Given[Office],
    who: Given[Who],
    at: At = None,
    digests: Annotated[
        bool, QueryParameter(description="Whether digests of secrets are in it, without which it cannot be imported.")
    ] = True,
    accept: Annotated[str, HeaderParameter(name="Accept", max_length=1024)] = "application/json",
) -> Response[dict[str, Any]]:
    """Everything that was defined, in the native format: imported into an empty database it makes the same table.
    Credentials are names, whose values stay in the vault. With digests it asks for a token of scope admin.
    """
    if digests:
        who.needs("admin", "An export with digests")
    table = await _table(office, at, "?at")
    is_yaml = "yaml" in accept.lower()
    body = await _apart(lambda: _document(table, digests=digests, is_yaml=is_yaml))
    return _json(table, body, media_type=_YAML if is_yaml else "application/json")


def _document(table: RoutingSnapshot, *, digests: bool, is_yaml: bool) -> bytes:
    document = exported(table, with_digests=digests)
    if not is_yaml:
        return msgspec.json.format(msgspec.json.encode(document), indent=2)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(document, Dumper=dumper, allow_unicode=True, sort_keys=False)
    return text.encode()


async def _table(office: Office, at: Named | None, where: str) -> RoutingSnapshot:
    if at is None:
        return office.follower.snapshot
    position = await position_of(office, at, where=where)
    return await office.past.table_at(position, office.follower.snapshot)


async def _apart(work: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(work, abandon_on_cancel=True)


def _json(table: RoutingSnapshot, body: bytes, *, media_type: str = "application/json") -> Response[Any]:
    headers: Mapping[str, str] = {"x-pointsman-position": str(table.position)}
    return Response(body, headers=dict(headers), media_type=media_type)


routes: Final[list[Any]] = [position_at, snapshot, diff, export]
