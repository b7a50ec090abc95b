"""The admin API in this process, on a database, where no gateway is asked.

Law: it is the same API. What it changes it appends to the log, which running gateways on the same database follow; the
token that opens it is made for this one run and is known to nobody else.
"""

import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import httpx
import structlog
import trio

from adapters import clock
from adapters.cli.gateway_client import AdminApi
from adapters.cli.progress import progress
from adapters.cli.traffic import Traffic
from adapters.http.admin.app import api
from adapters.office import Process, office_of
from adapters.starting import caught_up
from adapters.store import Store, open_store
from adapters.store.urls import place_of
from engine.access import digest
from engine.errors import StartFailed
from engine.names import Alias
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from engine.snapshot import RoutingSnapshot
from projections import routing

_WARNING = 30


@asynccontextmanager
async def offline(
    url: str, key_file: Path | None, *, makes: bool, traffic: Traffic | None = None
) -> AsyncIterator[AdminApi]:
    """The API until the block ends. `makes`: a SQLite file that is not there is made. Raises StartFailed."""
    _look_at(url, makes=makes)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(_WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    async with (
        open_store(url, environ=os.environ, clock_us=clock.unix_us, key_file=key_file) as store,
        traffic.open(url, store) if traffic is not None else nullcontext() as journal,
    ):
        follower = await _caught_up(store, url)
        writer = Writer(store.log, follower, new_id=clock.new_id, change=routing.change)
        token = secrets.token_urlsafe(32).encode()
        process = Process(
            report=lambda: (False, {"status": "no gateway", "sync": store.sync.status.state.value}),
            settled=trio.lowlevel.checkpoint,
            local_token=digest(token),
            draining=trio.Event(),
        )
        office = office_of(store, follower, writer, process, environ=os.environ, journal=journal)
        async with trio.open_nursery() as running:
            running.start_soon(follower.run, _nobody)
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(api(office)),
                base_url="http://offline",
                headers={b"authorization": b"Bearer " + token},
            ) as http:
                yield AdminApi(http, "The database")
            running.cancel_scope.cancel()


def _look_at(url: str, *, makes: bool) -> None:
    place = place_of(url)
    if place is None:
        raise StartFailed("A memory: database ends with its gateway; there is none to work on.", wrong_input=True)
    if isinstance(place, Path) and not makes and not (place.is_file() and place.stat().st_size):
        raise StartFailed(f"The database {place} is empty or no file; no gateway has used it.", wrong_input=True)


async def _caught_up(store: Store, url: str) -> Follower:
    """A follower at the head of the log, whose end nobody knows before it is there."""
    with progress("reading the log") as step:
        snapshot = await caught_up(store.log, routing.empty(), lambda position: step(position, None), url=url)
    return Follower(store.log, snapshot, fold=routing.fold)


def _nobody(snapshot: RoutingSnapshot, touched: frozenset[Alias]) -> None:
    """Nothing here routes by the table."""
