"""The recorded journal's writer: takes what the actors noted, in small pieces, and stores it in blocks.

Law: no request waits for it and none fails by it. What it cannot keep is counted, by why, and the next block that is
written says how much is missing before it: entries are lost in whole blocks, so that every block still begins with the
states it needs. A block's entries and states are taken in one step, in which no actor runs.

Longer than others because filling a block, writing it and counting what is lost on either way are one order of events.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import attrs
import structlog
import trio
from prometheus_client.core import Metric

from adapters.codec.journal_codec import Packed, notes_chunk, served_chunk
from adapters.journal_metrics import journal_metrics
from adapters.store.journal import JournalReader
from adapters.store.journal_writing import JournalWriter
from adapters.store.transactions import ConstraintBroken
from engine.errors import StoreError
from engine.names import Ticket
from engine.ports import Clock
from engine.runtime.journal import Journal, Note

_BUSY_S, _QUIET_S = 0.02, 0.2
"""Between two looks: often where much is noted, so that none takes long."""
_BLOCK_NS = 250_000_000
_BLOCK_ENTRIES = 8192
"""What ends a block. With the quiet look, what is noted is written within half a second."""
_PENDING: Final = 64
"""Blocks that may wait to be written; with at most so many entries each they are some 50 MB."""
_RETRY_S = 1.0
_FLUSH_S = 5.0
_FORGET_EVERY_S = 5.0
_log: Final = structlog.get_logger("pointsman")


@attrs.define
class Counts:
    """Since the start."""

    blocks: int = 0
    bytes: int = 0
    entries: int = 0
    requests: int = 0
    dropped: dict[str, int] = attrs.field(factory=lambda: defaultdict(int))
    "Entries that were lost, by why: `overrun` (not taken in time), `unwritten`, `unencodable`."
    dropped_requests: dict[str, int] = attrs.field(factory=lambda: defaultdict(int))
    failures: int = 0
    "Of writing."
    error: str | None = None
    "Of the last write, if it failed."


@attrs.define
class _Open:
    """The block that is being filled."""

    at: int
    unix_us: int
    first_seq: int
    chunks: list[bytes] = attrs.field(factory=list)
    served: list[bytes] = attrs.field(factory=list)
    entries: int = 0
    requests: int = 0
    tickets: list[Sequence[Ticket]] = attrs.field(factory=list)
    request_ids: list[str] = attrs.field(factory=list)


class Recorder:
    """`process` names this run; `writer` and `reader` are None where nothing is to be recorded, and `why` says why."""

    def __init__(
        self,
        writer: JournalWriter | None,
        reader: JournalReader | None,
        *,
        process: str,
        clock: Clock,
        unix_us: Callable[[], int],
        why: str | None = None,
    ) -> None:
        self.journal = Journal() if writer is not None else Journal(capacity=0)
        self.reader = reader
        self.why = why
        if reader is not None:
            reader.on_flush = self.flush
        self.counts = Counts()
        self._writer = writer
        self._process = process
        self._clock, self._unix_us = clock, unix_us
        self._open = self._begun(clock())
        self._pending = deque[Packed]()
        self._lost = self._lost_requests = 0
        "Since the last block that was closed."
        self._closed = self._settled = 0
        "Blocks, and those of them that are written or lost."
        self._news, self._moved = trio.Event(), trio.Event()

    def report(self) -> dict[str, Any]:
        """How it is, for people."""
        if self._writer is None:
            return {"state": "off", "problem": self.why}
        lost = sum(self.counts.dropped.values()) + sum(self.counts.dropped_requests.values())
        state = "failing" if self.counts.error is not None else "writing"
        return {"state": state, "problem": self.counts.error, "dropped": lost}

    def metrics(self) -> Iterator[Metric]:
        return journal_metrics(self.counts, is_on=self._writer is not None)

    async def run(self) -> None:
        """Take and write until cancelled."""
        if self._writer is None:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write_all, self._writer)
            while True:
                is_busy = self.take()
                if self._is_due():
                    self._close()
                await trio.sleep(_BUSY_S if is_busy else _QUIET_S)

    async def flush(self) -> None:
        """Return when all that is noted so far is written, or is known not to be for now."""
        if self._writer is None:
            return
        self.take()
        self._close()
        wanted, failures = self._closed, self.counts.failures
        with trio.move_on_after(_FLUSH_S):
            while self._settled < wanted and self.counts.failures == failures:
                await self._moved.wait()

    async def finish(self) -> None:
        """Write what is left, once `run` is over."""
        if self._writer is None:
            return
        self.take()
        self._close()
        with trio.move_on_after(_FLUSH_S, shield=True):
            while self._pending and await self._write_one(self._writer):
                pass
        if self._pending:
            _log.error("the journal's end was not written", blocks=len(self._pending), problem=self.counts.error)

    def take(self) -> bool:
        """Take what was noted; whether there was anything."""
        taken = self.journal.take()
        if taken.dropped_requests:
            self._lose_requests("overrun", taken.dropped_requests)
        if taken.dropped:
            # The states that the rest began with may be those of what is lost.
            self._break_off("overrun", taken.dropped + len(taken.notes))
        elif taken.notes:
            self._add(taken.notes)
        if taken.served:
            block = self._open
            try:
                chunk = served_chunk(taken.served)
            except (OverflowError, TypeError, ValueError) as error:
                _log.error("requests cannot be recorded", problem=str(error), requests=len(taken.served))
                self._lose_requests("unencodable", len(taken.served))
            else:
                block.served.append(chunk)
                block.requests += len(taken.served)
                block.request_ids += [one.request_id for one in taken.served]
                block.tickets.append([one.ticket for one in taken.served if one.ticket is not None])
        return bool(taken.notes or taken.served)

    def _add(self, notes: tuple[Note, ...]) -> None:
        try:
            chunk, tickets = notes_chunk(notes)
        except (OverflowError, TypeError, ValueError) as error:
            _log.error("entries cannot be recorded", problem=str(error), entries=len(notes))
            self._break_off("unencodable", len(notes))
            return
        block = self._open
        block.chunks.append(chunk)
        block.entries += len(notes)
        block.tickets.append(tickets)

    def _begun(self, at: int) -> _Open:
        return _Open(at, self._unix_us(), self.journal.seq + 1)

    def _is_due(self) -> bool:
        block, now = self._open, self._clock()
        if not block.entries and not block.requests:
            # It begins with what comes first.
            self._open = self._begun(now)
            return False
        return now - block.at >= _BLOCK_NS or block.entries >= _BLOCK_ENTRIES

    def _break_off(self, why: str, lost: int) -> None:
        """The entries just taken are lost; the next block begins behind them."""
        self._close()
        self.counts.dropped[why] += lost
        self._lost += lost

    def _lose_requests(self, why: str, lost: int) -> None:
        self.counts.dropped_requests[why] += lost
        self._lost_requests += lost

    def _close(self) -> None:
        """End the block, in the step in which the last notes were taken."""
        block, kept, now = self._open, self.journal.close(), self._clock()
        self._open = self._begun(now)
        if not block.entries and not block.requests:
            return
        self._closed += 1
        packed = Packed(
            process=self._process,
            number=self._closed,
            first_seq=block.first_seq,
            unix_us=block.unix_us,
            at=block.at,
            until=now,
            pools=kept.pools,
            meters=kept.meters,
            keys=kept.keys,
            chunks=block.chunks,
            served=block.served,
            entries=block.entries,
            requests=block.requests,
            tickets=block.tickets,
            request_ids=block.request_ids,
            aliases=kept.told,
            dropped=self._lost,
            dropped_requests=self._lost_requests,
        )
        self._lost = self._lost_requests = 0
        self._pending.append(packed)
        while len(self._pending) > _PENDING:
            self._drop(self._pending.popleft(), "unwritten")
        self._news.set()

    def _drop(self, packed: Packed, why: str) -> None:
        """Give a block up; the next one tells of it."""
        self.counts.dropped[why] += packed.entries
        self.counts.dropped_requests[why] += packed.requests
        lost, lost_requests = packed.dropped + packed.entries, packed.dropped_requests + packed.requests
        if self._pending:
            after = self._pending[0]
            self._pending[0] = attrs.evolve(
                after, dropped=after.dropped + lost, dropped_requests=after.dropped_requests + lost_requests
            )
        else:
            self._lost += lost
            self._lost_requests += lost_requests
        self._settle()

    def _settle(self) -> None:
        self._settled += 1
        self._moved.set()
        self._moved = trio.Event()

    async def _write_all(self, writer: JournalWriter) -> None:
        next_forget = trio.current_time()
        while True:
            with trio.move_on_at(next_forget):
                await self._news.wait()
            self._news = trio.Event()
            while self._pending:
                if not await self._write_one(writer):
                    await trio.sleep(_RETRY_S)
            if trio.current_time() >= next_forget:
                await self._forget(writer)
                next_forget = trio.current_time() + _FORGET_EVERY_S

    async def _write_one(self, writer: JournalWriter) -> bool:
        """The oldest of those that wait; whether it was written, or given up."""
        packed = self._pending.popleft()
        try:
            size = await writer.write(packed)
        except ConstraintBroken:
            size = 0  # it was, the last time, though nobody could say so
        except StoreError as error:
            self._failed(str(error))
            self._pending.appendleft(packed)
            return False
        except trio.Cancelled:
            self._pending.appendleft(packed)
            raise
        except Exception as error:  # noqa: BLE001 - nothing in a block may end the gateway
            _log.error("a block cannot be recorded", problem=repr(error), entries=packed.entries)
            self._drop(packed, "unencodable")
            return True
        if self.counts.error is not None:
            _log.warning("the journal is written again", dropped=sum(self.counts.dropped.values()))
            self.counts.error = None
        self.counts.blocks += 1
        self.counts.bytes += size
        self.counts.entries += packed.entries
        self.counts.requests += packed.requests
        self._settle()
        return True

    def _failed(self, problem: str) -> None:
        if self.counts.error is None:
            _log.error("THE JOURNAL CANNOT BE WRITTEN; requests go on", problem=problem)
        self.counts.error = problem
        self.counts.failures += 1
        self._moved.set()
        self._moved = trio.Event()

    async def _forget(self, writer: JournalWriter) -> None:
        try:
            while await writer.forget(self._unix_us()):
                pass
        except StoreError as error:
            self._failed(str(error))
