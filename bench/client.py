"""One connection to the gateway, one exchange at a time: for what watches it while wrk loads it.

h11 on trio, on purpose not the gateway's own HTTP.
"""

import json
import time
from typing import Any

import attrs
import h11
import load
import trio


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    sent_at: int
    "Monotonic nanoseconds before the request's first byte left; the clock is the one the gateway reads."
    received_at: int
    "After the head had come."


@attrs.define(eq=False)
class Client:
    _stream: trio.SocketStream
    _protocol: h11.Connection = attrs.field(factory=lambda: h11.Connection(h11.CLIENT))

    @classmethod
    async def connect(cls, port: int) -> "Client":
        return cls(await trio.open_tcp_stream("127.0.0.1", port))

    async def get(self, path: str) -> Answer:
        return await self._exchange(h11.Request(method="GET", target=path, headers=[("host", "bench")]), b"", None)

    async def put(self, path: str, document: dict[str, Any], token: str) -> Answer:
        body = json.dumps(document).encode()
        headers = [
            *(("host", "bench"), ("content-type", "application/json"), ("content-length", str(len(body)))),
            ("authorization", f"Bearer {token}"),
        ]
        return await self._exchange(h11.Request(method="PUT", target=path, headers=headers), body, None)

    async def chat(self, model: str, *, stream: bool = False, on_head: trio.Event | None = None) -> Answer:
        """A chat completion, with the whole body; `on_head` is set once the answer has begun."""
        question = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}
        body = json.dumps(question).encode()
        headers = [
            *(("host", "bench"), ("content-type", "application/json"), ("content-length", str(len(body)))),
            ("authorization", f"Bearer {load.KEY}"),
        ]
        request = h11.Request(method="POST", target="/v1/chat/completions", headers=headers)
        return await self._exchange(request, body, on_head)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _exchange(self, request: h11.Request, body: bytes, on_head: trio.Event | None) -> Answer:
        protocol = self._protocol
        data = (protocol.send(request) or b"") + (protocol.send(h11.Data(body)) or b"" if body else b"")
        data += protocol.send(h11.EndOfMessage()) or b""
        sent_at = time.monotonic_ns()
        await self._stream.send_all(data)
        head = await self._next()
        received_at = time.monotonic_ns()
        if on_head is not None:
            on_head.set()
        pieces = []
        while not isinstance(event := await self._next(), h11.EndOfMessage):
            pieces.append(bytes(event.data))
        protocol.start_next_cycle()
        headers = {name.decode(): value.decode() for name, value in head.headers}
        return Answer(head.status_code, headers, b"".join(pieces), sent_at, received_at)

    async def _next(self) -> Any:
        """The next event. Raises h11.RemoteProtocolError where the answer breaks off."""
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            self._protocol.receive_data(await self._stream.receive_some(65536))
        return event
