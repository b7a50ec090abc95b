"""Logs: one JSON object a line on standard error, through structlog; request lines through a buffer of their own.

Law: lines are whole and in order, and logging never blocks or ends the gateway: a thread writes, and what nobody takes
is dropped and counted. Request lines wait at most `_FLUSH_S`, or until anything else is logged, so that a request pays
for no system call; a process that is killed loses at most those.
"""

import io
import os
import queue
import sys
import threading
from typing import Any

import msgspec
import structlog
import trio

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_FLUSH_S = 0.25
_FLUSH_BYTES = 64 * 1024
_MOST_WAITING = 128
"""Blocks of about `_FLUSH_BYTES` that may wait for the thread."""
_CLOSE_S = 1.0


class LineWriter:
    """Collects encoded lines and has a thread write many at once."""

    def __init__(self, file: io.RawIOBase | io.BufferedIOBase) -> None:
        self._file = file
        self._lines: list[bytes] = []
        self._size = 0
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_blocks, name="logs", daemon=True)
        self._thread.start()
        self.dropped = 0
        "Lines that nobody took: the reader is gone, or does not read."

    def write(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size > _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand the lines on. Never waits."""
        if not self._lines:
            return
        lines, self._lines, self._size = self._lines, [], 0
        if self._blocks.qsize() >= _MOST_WAITING:
            self.dropped += len(lines)
            return
        self._blocks.put(b"\n".join(lines) + b"\n")

    def close(self) -> None:
        """Flush, and give the thread a moment to write."""
        self.flush()
        self._blocks.put(None)
        self._thread.join(_CLOSE_S)

    async def run(self) -> None:
        """Flush now and then; and at the end."""
        try:
            while True:
                await trio.sleep(_FLUSH_S)
                self.flush()
        finally:
            self.flush()

    def _write_blocks(self) -> None:
        while (block := self._blocks.get()) is not None:
            rest = memoryview(block)
            try:
                while rest:
                    rest = rest[self._file.write(rest) :]
                self._file.flush()
            except (OSError, ValueError):
                self.dropped += block.count(b"\n")


class _Logger:
    """What structlog writes to: straight through, after the lines that wait."""

    def __init__(self, lines: LineWriter) -> None:
        self._lines = lines

    def msg(self, message: bytes) -> None:
        self._lines.write(message)
        self._lines.flush()

    debug = info = warning = error = exception = critical = msg


def configure_logs(level: str) -> LineWriter:
    """Log from `level` (debug, info, warning, error) up. The writer, which is the caller's to close."""
    # Unbuffered, so that what the operating system refused is not tried again at the exit; None without any stderr.
    descriptor = sys.stderr.fileno() if sys.stderr is not None else os.open(os.devnull, os.O_WRONLY)
    lines = LineWriter(open(descriptor, "wb", buffering=0, closefd=False))  # noqa: SIM115 - open for good
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _Logger(lines),
        cache_logger_on_first_use=True,
    )
    return lines


def writes_requests(level: str) -> bool:
    """Whether request lines, which are `info`, are wanted at a level."""
    return _LEVELS[level] <= _LEVELS["info"]


def _render(_logger: Any, _method: str, entry: Any) -> bytes:
    return msgspec.json.encode(entry, enc_hook=str)
