"""A second process that reads a long log and checks its hash chain, while this one folds the events (ADR 0021).

Law: it may fail, or be missing, without anybody noticing but by the time that it takes: what it gives are checked
events that continue the last one which was checked here, as far as it came; whoever asked reads on by itself from
there, meets what the other met, and says what is wrong. The URL, which may have a password, goes there by a pipe: it
is in no list of processes.
"""

import os
import select
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from fcntl import F_SETPIPE_SZ, fcntl
from subprocess import DEVNULL, PIPE
from typing import Any, BinaryIO, Final

import msgspec
import trio

from adapters.store.admission import recorded
from adapters.store.chain import Head, Row, end_of
from adapters.store.ports import Take
from adapters.store.reading import open_log

_PAGE: Final = 2000
_PIECE: Final = 200
"Events that are sent at once: few enough to stay in a core's cache until they are folded."
_SIZE_BYTES: Final = 4
_PIPE: Final = 1 << 20
"Bytes that may be on their way; a page fits, so that the next one is read while this one is folded."
_PATIENCE_S: Final = 30.0
"How long it may be silent before it is given up."
_READY: Final = b"\0"
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[tuple[Any, ...]]).decode


class SecondReader:
    """The other process, as seen from this one."""

    def __init__(self, process: trio.Process, url: str, answers: int) -> None:
        self.process = process
        self._url = url
        self._answers = answers

    def is_ready(self) -> bool:
        """Whether asking it no longer means waiting for it to start; also where it has failed."""
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        return bool(poll.poll(0))

    async def read_into(self, take: Take, head: Head) -> Head:
        """Hand on the events beyond a checked one, as far as they come; the last of them."""
        async with trio.lowlevel.FdStream(os.dup(self._answers)) as answers:
            with suppress(trio.BrokenResourceError):  # it is gone; `is_ready` said so, too
                await self._ask(head)
                async with aclosing(_pieces(answers)) as pieces:
                    async for rows in pieces:
                        if rows[0][0] != head.position + 1:
                            break
                        take([recorded(row) for row in rows])
                        head = end_of(head, rows)
        return head

    async def _ask(self, head: Head) -> None:
        question = self.process.stdin
        if question is not None:
            await question.send_all(_encode((os.fsencode(self._url), head.position, head.hash)))
            await question.aclose()


@asynccontextmanager
async def second_reader(url: str) -> AsyncIterator[SecondReader]:
    """One that begins to start, until the block ends. Raises OSError where the system has none to give."""
    answers, theirs = os.pipe()
    try:
        try:
            with suppress(OSError):  # a system may allow less
                fcntl(answers, F_SETPIPE_SZ, _PIPE)
            # -P: what stands in the working directory is not ours.
            command = [sys.executable, "-P", "-m", "adapters.store.second_reader"]
            process = await trio.lowlevel.open_process(command, stdin=PIPE, stdout=theirs, stderr=DEVNULL)
        finally:
            os.close(theirs)
        try:
            yield SecondReader(process, url, answers)
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
    finally:
        os.close(answers)


async def _pieces(answers: trio.abc.ReceiveStream) -> AsyncGenerator[Sequence[Row], None]:
    buffer, is_begun = b"", False
    while True:
        with trio.move_on_after(_PATIENCE_S) as waiting:
            chunk = await answers.receive_some(_PIPE)
        if waiting.cancelled_caught or not chunk:
            return
        buffer += chunk
        at = 0
        if not is_begun:
            at, is_begun = len(_READY), True
        while len(buffer) - at > _SIZE_BYTES:
            begin = at + _SIZE_BYTES
            end = begin + int.from_bytes(buffer[at:begin])
            if end > len(buffer):
                break
            try:
                rows = _decode(buffer[begin:end])
            except (msgspec.DecodeError, UnicodeDecodeError):
                return
            yield rows
            at = end
        buffer = buffer[at:]


def _framed(rows: Sequence[Row]) -> bytes:
    # What `recorded` does not look at stays behind, but for the last hash.
    sent = [(row[0], None, None, *row[3:9], None, row[10], None) for row in rows[:-1]]
    packed = _encode([*sent, tuple(rows[-1])])
    return len(packed).to_bytes(_SIZE_BYTES) + packed


async def _send(url: str, head: Head, answers: BinaryIO) -> None:
    """What the other process does."""
    async with open_log(url) as log:
        log.begin_behind(head)
        while rows := await log.read_rows(head.position, _PAGE):
            answers.writelines(_framed(rows[begun : begun + _PIECE]) for begun in range(0, len(rows), _PIECE))
            answers.flush()
            head = end_of(head, rows)


def main() -> None:
    with suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # whatever else is printed is no answer
        answers.write(_READY)
        answers.flush()
        asked = sys.stdin.buffer.read()
        if asked:
            url, position, digest = msgspec.msgpack.decode(asked)
            trio.run(_send, os.fsdecode(url), Head(position, digest), answers)


if __name__ == "__main__":
    main()
