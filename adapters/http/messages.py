"""What passes between a connection and the application behind it."""

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import attrs
import trio

from engine.errors import Reason

Fields: TypeAlias = Sequence[tuple[bytes, bytes]]


class Peer(Protocol):
    """The other end of a connection."""

    @property
    def gone(self) -> bool:
        """Whether it has hung up."""
        ...


@attrs.define(eq=False)
class Incoming:
    """One request as it came, body complete. Field names are in lower case."""

    method: str = ""
    target: bytes = b""
    version: str = "1.1"
    headers: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    fields: dict[bytes, bytes] = attrs.field(factory=dict, repr=False)
    "The same headers by name; of a repeated one the last."
    body: bytes = attrs.field(default=b"", repr=False)
    keep_alive: bool = False
    "Whether the client lets the connection serve another request."
    refusal: Reason | None = None
    "Set where the connection could not accept the request; body and headers may be incomplete."
    detail: str | None = None
    "What exactly was wrong, where `refusal` is set."
    started_ns: int = 0
    "When its first byte was read."
    address: str = ""
    "The client's IP address as text, IPv4 never in its IPv6 clothes; empty where no connection brought the request."
    peer: Peer | None = None
    "The client, where a connection brought the request."


class Response:
    """A complete answer. Subclasses stream. Entered before it is written and left after, however that went."""

    left_by = "client"
    "Who is to blame if the body does not reach its end."

    def __init__(self, status: int, headers: Fields, body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self._rest: list[bytes] = [body] if body else []

    @property
    def length(self) -> int | None:
        """The body's length in bytes; None where it is not known before its end."""
        return sum(map(len, self._rest))

    async def receive(self) -> bytes:
        """The next bytes of the body; b"" at its end. Raises UpstreamFailed when there will be no proper end."""
        return self.receive_nowait() or b""

    def receive_nowait(self) -> bytes | None:
        """As `receive`, for what is there already; None where it would wait."""
        return self._rest.pop() if self._rest else b""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None


class Takeover(Response):
    """Not an answer but a change of protocol: the connection's stream goes to `serve`, request included."""

    def __init__(self, serve: Callable[[trio.abc.Stream], Awaitable[None]]) -> None:
        super().__init__(101, ())
        self.serve = serve


class Application(Protocol):
    async def __call__(self, incoming: Incoming) -> Response:
        """Answer a request. Raises nothing but cancellation; what goes wrong becomes a response."""
        ...
