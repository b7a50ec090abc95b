"""The event log as server-sent events, to one client.

Law: no event is left out or told twice, however slowly the client reads: it is the log that waits for it, not memory.
Nothing is held but one page. The feed ends when the process drains, or its reader may not read any more.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

import msgspec
import trio

from adapters.http.admin.office import Office
from adapters.http.admin.past import PAGE
from engine.errors import LogDamaged, StoreUnavailable
from engine.events import Recorded
from engine.names import Position

_HEARTBEAT_S: Final = 15.0
_RETRY_S: Final = 1.0
_OPENING: Final = b"retry: 1000\n\n"
"""What a client that was cut off is to wait, in milliseconds."""


class Feed:
    """An iterator and no generator: nothing is left half-run when the client goes while a chunk is being sent."""

    def __init__(
        self,
        office: Office,
        after: Position,
        *,
        show: Callable[[Recorded], Any],
        is_admitted: Callable[[], bool],
    ) -> None:
        self._office = office
        self._position = after
        self._show = show
        self._is_admitted = is_admitted
        self._waiting: deque[Recorded] = deque()
        self._opening: bytes | None = _OPENING

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        opening, self._opening = self._opening, None
        if opening is not None:
            return opening
        if self._office.draining.is_set() or not self._is_admitted():
            raise StopAsyncIteration
        if not self._waiting:
            try:
                self._waiting.extend(await self._office.log.read(self._position, PAGE))
            except StoreUnavailable:
                await self._pause(trio.sleep_forever, _RETRY_S)
                return b": the event log cannot be read at present\n\n"
            except LogDamaged:
                raise StopAsyncIteration from None
        if not self._waiting:
            await self._pause(lambda: self._office.follower.applied(self._position + 1), _HEARTBEAT_S)
            return b": \n\n"
        recorded = self._waiting.popleft()
        self._position = recorded.position
        return b"id: %d\ndata: %b\n\n" % (recorded.position, msgspec.json.encode(self._show(recorded)))

    async def _pause(self, event: Callable[[], Awaitable[None]], longest_s: float) -> None:
        """Until something happens, the process drains, or for so long."""

        async def until(what: Callable[[], Awaitable[None]]) -> None:
            await what()
            nursery.cancel_scope.cancel()

        with trio.move_on_after(longest_s):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(until, event)
                nursery.start_soon(until, self._office.draining.wait)
