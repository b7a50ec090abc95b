"""One client of the live stream, on a websocket (RFC 6455).

Law: first a snapshot, or what has changed since the `seq` a client comes back with; then deltas, each of which applies
to what was told before; `resync_required` and a snapshot to a client whose `seq` is too old or was never issued. A
heartbeat every 15 seconds, and within one where nothing of what a client watches has changed and much else has. What
the client sends is read at once, bounded, and thrown away: if it were not read, its pings would go unanswered too. The
end of either side is quiet; ours says 1001, or 1008 to a client that may not watch any more: nothing is told before
that was asked, and it is asked every second too.
"""

import math
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from functools import partial
from typing import Final

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, wrap_server_stream
from wsproto.utilities import LocalProtocolError

from adapters.live.hub import LiveHub
from adapters.live.lane import Lane, framed
from adapters.live.messages import Heartbeat, encode
from adapters.wire import STALL_S
from projections.live import Watched

HEARTBEAT_S = 15.0
ADMITTED_S: Final = 1.0
"""Between two looks whether a client that is told nothing may still watch; also the longest that it waits for the head
seq while only others' pools change.
"""
MOST_CLIENTS: Final = 1000
SUBPROTOCOL: Final = "pointsman.live"
_HANDSHAKE_S = 5.0
_FAREWELL_S = 0.5
_LONGEST_MESSAGE = 4096
_GOING_AWAY = 1001
_POLICY_VIOLATION = 1008
_LATER = [(b"retry-after", b"10"), (b"content-type", b"application/problem+json")]
_TOO_MANY = b'{"type":"about:blank","status":503,"detail":"The live stream has as many clients as it may have."}'


class _End(Enum):
    """Why nothing more is told."""

    CLOSED = "closed"
    "The hub is."
    STALLED = "stalled"
    "The client has not read for `STALL_S`."
    BARRED = "barred"
    "It may not watch any more."


def _always() -> bool:
    return True


async def serve_live(
    stream: trio.abc.Stream,
    still_admitted: Callable[[], bool] = _always,
    since: int | None = None,
    watched: Watched = None,
    *,
    hub: LiveHub,
) -> None:
    """Serve one authorised client until it leaves, stalls, the hub closes, or the server is cancelled.

    `still_admitted`: whether it may go on watching; asked often. `since`: the `seq` it has already; `watched`: the
    pools it wants to hear of. The stream begins with the client's upgrade request, and is closed when this returns.
    """
    lane = Lane(stream)
    try:
        async with trio.open_nursery() as nursery:
            connection = None
            # A request that is no handshake is answered by the library, which then says nothing more to us.
            with trio.move_on_after(_HANDSHAKE_S):
                request = await wrap_server_stream(nursery, lane, max_message_size=_LONGEST_MESSAGE)
                connection = await _accepted(request, hub)
            if connection is not None:
                tell = partial(_tell, connection, lane, hub, still_admitted, since, watched)
                await _converse(connection, lane, hub, tell)
            nursery.cancel_scope.cancel()
    # The second is what the library makes of a ping, or anything else, that crosses our closing.
    except* (ConnectionClosed, LocalProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        await trio.aclose_forcefully(stream)


async def _accepted(request: WebSocketRequest, hub: LiveHub) -> WebSocketConnection | None:
    if hub.watchers >= MOST_CLIENTS:
        await request.reject(503, extra_headers=_LATER, body=_TOO_MANY)
        return None
    offered = SUBPROTOCOL if SUBPROTOCOL in request.proposed_subprotocols else None
    return await request.accept(subprotocol=offered)


async def _converse(
    connection: WebSocketConnection, stream: trio.abc.Stream, hub: LiveHub, tell: Callable[[], Awaitable[_End]]
) -> None:
    code = _GOING_AWAY
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_throw_away, connection, nursery.cancel_scope)
            with hub.watch():
                end = await tell()
            if end is _End.STALLED:
                # Closed in the middle of a frame, after which a farewell would not be understood.
                await trio.aclose_forcefully(stream)
            elif end is _End.BARRED:
                code = _POLICY_VIOLATION
            nursery.cancel_scope.cancel()
    finally:
        # Cancelled or not, the client is told; it need not answer.
        with trio.move_on_after(_FAREWELL_S, shield=True):
            await connection.aclose(code)


async def _throw_away(connection: WebSocketConnection, conversation: trio.CancelScope) -> None:
    """Read whatever comes, and end the conversation when the client does."""
    try:
        while True:
            await connection.get_message()
    except ConnectionClosed:
        conversation.cancel()


async def _tell(
    connection: WebSocketConnection,
    lane: Lane,
    hub: LiveHub,
    still_admitted: Callable[[], bool],
    since: int | None,
    watched: Watched,
) -> _End:
    told = seen = since
    # Who comes back learns at once that it may, also where there is nothing to tell.
    beat_at = trio.current_time() if since == hub.seq else math.inf
    while True:
        with trio.move_on_at(min(beat_at, trio.current_time() + ADMITTED_S)) as pause:
            news = await hub.news(told, seen, watched)
        if not still_admitted():
            return _End.BARRED
        now = trio.current_time()
        if not pause.cancelled_caught:
            if news is None:
                return _End.CLOSED
            frames, seen = news.frames, news.seq
            if not frames:
                beat_at = min(beat_at, now + ADMITTED_S)
                continue
        elif now >= beat_at and seen == hub.seq:
            frames = (framed(encode(Heartbeat(hub.seq, hub.position))),)
        else:
            continue
        if beat_at == math.inf or now >= beat_at:
            beat_at = now + HEARTBEAT_S
        told = seen
        if not await _send(connection, lane, frames):
            return _End.STALLED


async def _send(connection: WebSocketConnection, lane: Lane, frames: Sequence[bytes]) -> bool:
    """Whether the client took them. Raises ConnectionClosed."""
    for frame in frames:
        if connection.closed is not None:
            raise ConnectionClosed(connection.closed)
        with trio.move_on_after(STALL_S) as patience:
            await lane.send_all(frame)
        if patience.cancelled_caught:
            return False
    return True
