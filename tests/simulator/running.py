"""A running simulator as a client sees it, and requests as bytes."""

import json as _json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import attrs
import httpx
import trio

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Spares every client the loading of the system's certificates."""


@attrs.frozen
class Running:
    host: str
    port: int
    name: str

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream(self.host, self.port)

    async def exchange(self, raw: bytes) -> bytes:
        """Send bytes on a new connection and read until the simulator closes it. A reset raises BrokenResourceError."""
        async with await self.connect() as stream:
            await stream.send_all(raw)
            return b"".join([data async for data in stream])

    async def ask(self, method: str, target: str, *, json: Any = None, **headers: str) -> httpx.Response:
        """One request through httpx on a connection of its own; header names with `_` for `-`."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        # The tests bound their waits themselves; under a mock clock a timeout here would fire at once.
        forever = httpx.Timeout(None)
        async with httpx.AsyncClient(base_url=self.url, timeout=forever, verify=NO_TLS) as client:
            return await client.request(method, target, json=json, headers=names)

    async def chat(self, text: str = "hello", *, stream: bool = False, **headers: str) -> httpx.Response:
        body = {"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream}
        return await self.ask("POST", "/v1/chat/completions", json=body, **headers)

    async def requests(self) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = (await self.ask("GET", "/_simulator/requests")).json()
        return answer

    async def state(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.ask("GET", "/_simulator/state")).json()
        return answer

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first state that meets the condition."""
        with trio.fail_after(5):
            while not condition(state := await self.state()):
                await trio.lowlevel.checkpoint()
        return state

    async def change(self, **settings: object) -> dict[str, Any]:
        answer = await self.ask("PATCH", "/_simulator/settings", json=settings)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result


def posted(target: str, body: object, *extra: str) -> bytes:
    """A POST request as bytes."""
    content = _json.dumps(body).encode()
    head = [f"POST {target} HTTP/1.1", "Host: h", f"Content-Length: {len(content)}", *extra]
    return "\r\n".join([*head, "", ""]).encode() + content


Start: TypeAlias = Callable[..., Awaitable[Running]]
"""Starts a simulator with settings as keywords and an optional name."""
