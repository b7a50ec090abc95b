"""What the catalogues ask of a running gateway: raw exchanges, an upstream with any answer, and the log as it is."""

import json
import sqlite3
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import attrs
import trio

from adapters.cli.demo_routes import routes
from adapters.settings import Address
from engine.snapshot import RoutingSnapshot
from projections import routing
from tests.e2e.running import PATIENCE_S, Gateway, Simulator, gateway, simulators

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Spares every SDK the loading of the system's certificates."""

QUESTION = {"role": "user", "content": "who are you"}
CHAT = "/v1/chat/completions"


def asked(model: str = "m", **more: Any) -> dict[str, Any]:
    """A chat body."""
    return {"model": model, "messages": [QUESTION], **more}


@asynccontextmanager
async def demo_world(folder: Path) -> AsyncIterator[tuple[Gateway, dict[str, Simulator]]]:
    """A gateway with the demo's document and its three providers."""
    async with simulators("north", "south", "east") as started:
        document = routes([Address("127.0.0.1", int(each.url.rpartition(":")[2])) for each in started])
        async with gateway(folder, document) as running:
            yield running, {each.name: each for each in started}


@attrs.frozen
class Raw:
    """An answer as bytes."""

    status: int
    headers: dict[str, str]
    "Names in lower case; of a repeated one the last."
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


async def exchange(base: str, *pieces: bytes) -> Raw:
    """Send bytes piece by piece on a new connection; the first answer on it, which may come before the last piece."""
    host, _, port = base.removeprefix("http://").rpartition(":")
    received = b""

    async def send() -> None:
        try:
            for piece in pieces:
                await stream.send_all(piece)
        except trio.BrokenResourceError:
            pass  # the gateway has heard enough; what it said about that is what is asked

    with trio.fail_after(PATIENCE_S):
        async with await trio.open_tcp_stream(host, int(port)) as stream, trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while (answer := _whole(received)) is None:
                data = await stream.receive_some()
                assert data, f"the connection ended after {received!r}"
                received += data
            nursery.cancel_scope.cancel()
    return answer


def head(target: str, *fields: str, method: str = "POST") -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: gateway", *fields, "", ""]).encode("latin-1")


def _whole(received: bytes) -> Raw | None:
    start, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return None
    line, *fields = start.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
    if len(body) < int(headers["content-length"]):
        return None
    return Raw(int(line.split(" ")[1]), headers, body)


@asynccontextmanager
async def upstream_saying(raw: bytes) -> AsyncIterator[str]:
    """The address of an upstream that answers its first request on each connection with these bytes, then closes."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            received = b""
            while b"\r\n\r\n" not in received:
                received += await stream.receive_some()
            await stream.send_all(raw)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        host, port = listeners[0].socket.getsockname()
        yield f"http://{host}:{port}"
        nursery.cancel_scope.cancel()


def values(record: Mapping[str, Any], name: str) -> list[str]:
    """What a request that a simulator has recorded carried under a header name, in any case."""
    return [value for key, value in record["headers"] if key.lower() == name]


def names(record: Mapping[str, Any]) -> list[str]:
    """The header names of a recorded request, in lower case and in order."""
    return [key.lower() for key, _ in record["headers"]]


def appended(folder: Path) -> int:
    """How many events the log in a folder holds; 0 where there is no database."""
    path = folder / "pointsman.db"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if "events" not in tables:
            return 0
        ((count,),) = database.execute("SELECT count(*) FROM events")
        return int(count)


def folded(recorded: Sequence[Any]) -> RoutingSnapshot:
    """The table that the log's events say, folded one by one."""
    snapshot = routing.empty()
    for each in recorded:
        snapshot = routing.apply(snapshot, each)
    return snapshot
