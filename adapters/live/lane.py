"""A stream that two may write to: the websocket's library, and we with messages that are framed already.

Law: what either sends goes out in one piece. A frame of a server is the same for every client (RFC 6455, 5.3: it is not
masked), so one that many clients are told is made once; the handshake, pings and the closing stay the library's.
"""

import trio
from wsproto.frame_protocol import FrameProtocol


def framed(text: bytes) -> bytes:
    """A whole text message of a server."""
    protocol = FrameProtocol(client=False, extensions=[])
    # That it is text is told by the type of what is sent; decoding it is the price, once a message.
    return bytes(protocol.send_data(text.decode(), fin=True))


class Lane(trio.abc.Stream):
    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._sending = trio.Lock()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self._sending:
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        async with self._sending:
            await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()
