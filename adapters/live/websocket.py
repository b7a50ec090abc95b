"""One client of the live stream, on a websocket (RFC 6455).

Law: a snapshot comes first, then deltas whose `seq` is one higher each, and a snapshot again for a client that was too
slow for them; a heartbeat every 15 seconds. What the client sends is read at once, bounded, and thrown away: if it
were not read, its pings would go unanswered too. The end of either side is quiet; ours says 1001, or 1008 to a client
that may not watch any more: nothing is told before that was asked, and it is asked every second too.
"""

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream
from wsproto.utilities import LocalProtocolError

from adapters.live.hub import LiveHub
from adapters.live.messages import Heartbeat, Message, encode
from adapters.wire import STALL_S
from projections.live import Snapshot

HEARTBEAT_S = 15.0
ADMITTED_S: Final = 1.0
"""Between two looks whether a client that is told nothing may still watch."""
_HANDSHAKE_S = 5.0
_FAREWELL_S = 0.5
_LONGEST_MESSAGE = 4096
_GOING_AWAY = 1001
_POLICY_VIOLATION = 1008


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


async def serve_live(stream: trio.abc.Stream, still_admitted: Callable[[], bool] = _always, *, hub: LiveHub) -> None:
    """Serve one authorised client until it leaves, stalls, the hub closes, or the server is cancelled.

    `still_admitted`: whether it may go on watching; asked often. The stream begins with the client's upgrade request,
    and is closed when this returns.
    """
    try:
        async with trio.open_nursery() as nursery:
            connection = None
            # A request that is no handshake is answered by the library, which then says nothing more to us.
            with trio.move_on_after(_HANDSHAKE_S):
                request = await wrap_server_stream(nursery, stream, max_message_size=_LONGEST_MESSAGE)
                connection = await request.accept()
            if connection is not None:
                await _converse(connection, stream, hub, still_admitted)
            nursery.cancel_scope.cancel()
    # The second is what the library makes of a ping, or anything else, that crosses our closing.
    except* (ConnectionClosed, LocalProtocolError):
        pass
    finally:
        await trio.aclose_forcefully(stream)


async def _converse(
    connection: WebSocketConnection, stream: trio.abc.Stream, hub: LiveHub, still_admitted: Callable[[], bool]
) -> None:
    code = _GOING_AWAY
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_throw_away, connection, nursery.cancel_scope)
            with hub.watch():
                end = await _tell(connection, hub, still_admitted)
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


async def _tell(connection: WebSocketConnection, hub: LiveHub, still_admitted: Callable[[], bool]) -> _End:
    seq, beat_at = None, math.inf
    while True:
        with trio.move_on_at(min(beat_at, trio.current_time() + ADMITTED_S)) as pause:
            news = await hub.news(seq)
        if not still_admitted():
            return _End.BARRED
        messages: Sequence[Message]
        if not pause.cancelled_caught:
            if news is None:
                return _End.CLOSED
            messages = (news,) if isinstance(news, Snapshot) else news
        elif trio.current_time() >= beat_at:
            messages = (Heartbeat(seq or 0),)
        else:
            continue
        if seq is None or pause.cancelled_caught:
            beat_at = trio.current_time() + HEARTBEAT_S
        for message in messages:
            with trio.move_on_after(STALL_S) as patience:
                await connection.send_message(encode(message))
            if patience.cancelled_caught:
                return _End.STALLED
            seq = message.seq
