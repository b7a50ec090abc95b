"""A second process that reads a long log and checks its hash chain, while this one folds the events (ADR 0021).

Law: it may fail, or be missing, without anybody noticing but by the time that it takes: what it gives are checked
events in order and without gaps, as far as it came; whoever asked reads on by itself from there, meets what the other
met, and says what is wrong. The URL, which may have a password, goes there by a pipe: it is in no list of processes.
"""

import os
import select
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from fcntl import F_SETPIPE_SZ, fcntl
from subprocess import DEVNULL, PIPE
from typing import Any, Final

import msgspec
import trio

from adapters.store.admission import recorded
from adapters.store.chain import Row
from adapters.store.ports import Take
from adapters.store.reading import open_log
from engine.names import Position

_PAGE: Final = 2000
_PIECE: Final = 200
"Events that are sent at once: few enough to stay in a core's cache until they are folded."
_SIZE_BYTES: Final = 4
_PIPE: Final = 1 << 20
"Bytes that may be on their way; a page fits, so that the next one is read while this one is folded."
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
        return bool(select.select([self._answers], [], [], 0)[0])

    async def read_into(self, take: Take, after: Position) -> Position:
        """Hand on the events beyond a position, as far as they come; the position of the last."""
        async with trio.lowlevel.FdStream(os.dup(self._answers)) as answers:
            try:
                await self._ask(after)
                async for rows in _pieces(answers):
                    if rows[0][0] != after + 1:
                        break
                    take([recorded(row) for row in rows])
                    after = rows[-1][0]
            except trio.BrokenResourceError:
                pass  # it is gone; `is_ready` said so, too
        return after

    async def _ask(self, after: Position) -> None:
        question = self.process.stdin
        if question is not None:
            await question.send_all(_encode((self._url, after)))
            await question.aclose()


@asynccontextmanager
async def second_reader(url: str) -> AsyncIterator[SecondReader]:
    """One that begins to start, until the block ends."""
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


async def _pieces(answers: trio.abc.ReceiveStream) -> AsyncIterator[Sequence[Row]]:
    buffer, is_begun = b"", False
    while chunk := await answers.receive_some(_PIPE):
        buffer += chunk
        at = 0
        if not is_begun:
            at, is_begun = len(_READY), True
        while len(buffer) - at > _SIZE_BYTES:
            begin = at + _SIZE_BYTES
            end = begin + int.from_bytes(buffer[at:begin])
            if end > len(buffer):
                break
            yield _decode(buffer[begin:end])
            at = end
        buffer = buffer[at:]


def _framed(rows: Iterable[Row]) -> bytes:
    # What `recorded` does not look at stays behind.
    sent = _encode([(row[0], None, None, *row[3:9], None, row[10], None) for row in rows])
    return len(sent).to_bytes(_SIZE_BYTES) + sent


async def _send(url: str, after: Position) -> None:
    """What the other process does."""
    async with open_log(url) as log:
        while rows := await log.read_rows(after, _PAGE):
            for begun in range(0, len(rows), _PIECE):
                sys.stdout.buffer.write(_framed(rows[begun : begun + _PIECE]))
            sys.stdout.buffer.flush()
            after = rows[-1][0]


def main() -> None:
    sys.stdout.buffer.write(_READY)
    sys.stdout.buffer.flush()
    asked = sys.stdin.buffer.read()
    if asked:
        with suppress(BrokenPipeError):
            trio.run(_send, *msgspec.msgpack.decode(asked))


if __name__ == "__main__":
    main()
