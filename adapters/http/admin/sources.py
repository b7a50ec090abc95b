"""The files that manage a part of the configuration, and letting go of them.

Law: what a file manages, the API does not change (409), until its source is released; then the file is not read any
more, and the table stays as it is until the API changes it. Nothing else changes hands by itself.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import attrs
from litestar import Response, get, post
from litestar.params import FromPath

from adapters.http.admin.answers import PAGE, After, Limit, paged, shown
from adapters.http.admin.entrance import ADMIN, READ
from adapters.http.admin.given import Given
from adapters.http.admin.mutation import Mutation, Wish
from adapters.http.admin.office import Office
from adapters.http.admin.problems import CHANGES, READS, missing
from adapters.http.admin.receipt import Receipt
from engine.commands import ChangeEntities
from engine.events import SourceClaimed, SourceReleased
from engine.names import Position, Source
from engine.snapshot import RoutingSnapshot, is_owning


@attrs.frozen(kw_only=True)
class SourceShown:
    source: str
    "`file:` and the name of a file that a gateway watches, or `sent:` and that of one that came by /apply."
    is_released: bool
    released_at: int | None
    "The position of its release."
    entities: Mapping[str, int]
    "How many of each kind it has defined last, of those that are there."
    position: int
    "Of the last change it made."
    version: int
    "How often it was released and claimed."


@attrs.frozen(kw_only=True)
class SourcePage:
    data: tuple[SourceShown, ...]
    next: str | None
    position: int


@attrs.frozen(kw_only=True)
class SourceChanged(Receipt):
    detail: str = ""


@get("/sources", operation_id="listSources", opt=READ, responses=READS)
async def list_sources(office: Given[Office], limit: Limit = PAGE, after: After = None) -> Response[SourcePage]:
    """The files that manage something, and those that were released."""
    snapshot = office.follower.snapshot
    found = _sources(snapshot)
    return paged(snapshot, found, lambda source: found[source], limit=limit, after=after)


@get("/sources/{source:str}", operation_id="getSource", opt=READ, responses=READS)
async def show_source(office: Given[Office], source: FromPath[str]) -> Response[SourceShown]:
    """One of them, with its ETag."""
    snapshot = office.follower.snapshot
    found = _sources(snapshot).get(source)
    if found is None:
        raise missing("source", source)
    return shown(snapshot, found, about=f"source:{source}")


@post("/sources/{source:str}/release", operation_id="releaseSource", opt=ADMIN, responses=CHANGES, status_code=200)
async def release(mutation: Given[Mutation], source: FromPath[str]) -> Response[SourceChanged]:
    """Let go of what a file manages: from here on the API changes it, and the file is not read any more."""

    def compose(snapshot: RoutingSnapshot) -> Wish:
        _known(snapshot, source)
        return Wish(ChangeEntities((SourceReleased(source),)))

    detail = f"{source} is not read any more. What it has defined stays as it is until the API changes it."
    return await mutation.make(compose, about=f"source:{source}", more={"detail": detail})


@post("/sources/{source:str}/claim", operation_id="claimSource", opt=ADMIN, responses=CHANGES, status_code=200)
async def claim(mutation: Given[Mutation], source: FromPath[str]) -> Response[SourceChanged]:
    """Have a released file manage again what it was the last to define. What others have changed since is not its own,
    and a file that names it is refused.
    """

    def compose(snapshot: RoutingSnapshot) -> Wish:
        _known(snapshot, source)
        return Wish(ChangeEntities((SourceClaimed(source),)))

    detail = f"{source} is taken again: when it changes, when its gateway starts, or when it is sent."
    return await mutation.make(compose, about=f"source:{source}", more={"detail": detail})


def _known(snapshot: RoutingSnapshot, source: Source) -> None:
    if source not in _sources(snapshot):
        raise missing("source", source)


def _sources(snapshot: RoutingSnapshot) -> dict[Source, SourceShown]:
    counts: dict[Source, Counter[str]] = {source: Counter() for source in snapshot.released}
    newest: dict[Source, Position] = {}
    there = _there(snapshot)
    for stream, known in snapshot.streams.items():
        if not is_owning(known.source):
            continue
        kind, _, name = stream.partition(":")
        newest[known.source] = max(newest.get(known.source, 0), known.position)
        counted = counts.setdefault(known.source, Counter())
        if kind not in there or name in there[kind]:
            counted[kind] += 1
    return {source: _shown(snapshot, source, counted, newest.get(source, 0)) for source, counted in counts.items()}


def _shown(snapshot: RoutingSnapshot, source: Source, counted: Mapping[str, int], newest: Position) -> SourceShown:
    turns = snapshot.streams.get(f"source:{source}")
    is_released = source in snapshot.released
    return SourceShown(
        source=source,
        is_released=is_released,
        released_at=turns.position if is_released and turns is not None else None,
        entities=dict(sorted(counted.items())),
        position=newest,
        version=0 if turns is None else turns.version,
    )


def _there(snapshot: RoutingSnapshot) -> Mapping[str, Collection[str]]:
    """The names there are, of the kinds of entities that can go."""
    catalogue = snapshot.catalogue
    return {
        "pool": snapshot.pools,
        "key": snapshot.keys,
        "endpoint": catalogue.endpoints,
        "model": set(_models(snapshot)),
        "user": snapshot.users,
        "group": catalogue.groups,
        "ledger": catalogue.ledgers,
        "tariff": catalogue.tariffs,
        "token": catalogue.token_ids,
    }


def _models(snapshot: RoutingSnapshot) -> Iterator[str]:
    yield from snapshot.catalogue.deployments
    yield from snapshot.catalogue.composites


routes: Final[list[Any]] = [list_sources, show_source, release, claim]
