"""Recorded traffic in a file of its own, to be replayed later and elsewhere.

Law: one zstd frame a block behind one that says whose it is: a file that was cut off is read as far as it goes, which
is said. It belongs to the log whose event at its position has its hash, and to no other.
"""

import itertools
import os
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final, TypeVar

import attrs
import msgspec
import structlog
import trio

from adapters.codec import journal_codec as codec
from adapters.store.corpus_frames import framed, frames_of, is_compressed
from adapters.store.journal import JournalReader, Span
from adapters.store.journal_file import JournalRefused
from adapters.store.request_uses import newest_use, tells_of
from engine.names import Alias, Position
from engine.recording import Block

VERSION: Final = 1
_AT_ONCE: Final = 4
_MAGIC: Final = "pointsman corpus"
_log: Final = structlog.get_logger("pointsman")
T = TypeVar("T")


class Label(msgspec.Struct, array_like=True):
    """The first frame, as JSON."""

    magic: str
    version: int
    position: Position
    "Of the log's head when it was saved."
    log_hash: str
    "Of the event there, in hexadecimal."


async def save(
    reader: JournalReader,
    path: Path,
    since_us: int | None,
    until_us: int | None,
    *,
    position: Position,
    log_hash: bytes,
) -> int:
    """Write what a journal has of a span; how many blocks. The file appears whole or not at all. Raises StoreError."""
    draft, count = trio.Path(path.with_name(path.name + ".part")), 0
    label = msgspec.json.encode(Label(_MAGIC, VERSION, position, log_hash.hex()))
    try:
        begun = await trio.open_file(draft, "xb", opener=_its_owners)
    except FileExistsError:
        raise JournalRefused(
            f"{draft} is there already: another save is writing it, or was broken off and it can be removed."
        ) from None
    except OSError as error:
        raise _unwritten(path, error) from error
    try:
        async with begun as file:
            await file.write(framed(label))
            async with aclosing(reader.stored(since_us, until_us)) as docs:
                async for doc in docs:
                    if _is_whole(doc):
                        await file.write(doc)
                        count += 1
        await draft.rename(path)
    except BaseException as error:
        with trio.CancelScope(shield=True), suppress(OSError):
            await draft.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritten(path, error) from error
        raise
    return count


def _unwritten(path: Path, error: OSError) -> JournalRefused:
    return JournalRefused(f"The corpus {path} cannot be written: {error.strerror or error}.")


async def open_corpus(path: Path) -> "Corpus":
    """Raises JournalRefused."""
    return await trio.to_thread.run_sync(_opened, path)


@attrs.frozen
class Corpus:
    """What was saved, read as a `JournalReader` reads."""

    path: Path
    position: Position
    log_hash: bytes
    _unreadable: set[int] = attrs.field(factory=set, init=False)
    "Blocks by number, 0 for whatever is behind the last."

    async def read(self, since_us: int | None = None, until_us: int | None = None) -> AsyncIterator[Block]:
        """Blocks that overlap a span, in order; a few are in memory at a time."""
        blocks = self._blocks()
        while some := await trio.to_thread.run_sync(_some, blocks):
            for one in some:
                if (since_us is None or _end_us(one) >= since_us) and (until_us is None or one.unix_us <= until_us):
                    yield one

    async def find(self, name: str) -> list[Block]:
        """As `JournalReader.find`; all of the file is read."""
        use, place, number = None, 0, 0
        async for one in self.read():
            number += 1
            if (found := newest_use(one, name)) is not None:
                use, place = found, number
        if use is None:
            return []
        blocks, number = list[Block](), 0
        async for one in self.read():
            number += 1
            if number == place or (one.process == use.process and tells_of(one, use.ticket)):
                blocks.append(one)
        return blocks

    async def back(self, aliases: Collection[Alias], until_us: int) -> AsyncGenerator[tuple[Block, frozenset[Alias]]]:
        """As `JournalReader.back`; all of the file is read twice."""
        last: dict[Alias, int] = {}
        number = 0
        async for one in self.read(None, until_us):
            number += 1
            told = await trio.to_thread.run_sync(codec.pools_told, one)
            last |= dict.fromkeys(told.intersection(aliases), number)
        by_number: dict[int, set[Alias]] = {}
        for alias, number in last.items():
            by_number.setdefault(number, set()).add(alias)
        number = 0
        # A frame cannot be read but from the beginning, so the oldest come first.
        async for one in self.read(None, until_us):
            number += 1
            if number in by_number:
                yield one, frozenset(by_number[number])

    async def unreadable(self, since_us: int | None, until_us: int | None) -> int:  # noqa: ARG002 - as a journal
        """Blocks of the file that had to be skipped, whose times are not known; one more where it is cut off."""
        return len(self._unreadable)

    async def span(self) -> Span:
        span = Span(None, None, 0, 0, 0, 0, 0, 0, 0)
        async for one in self.read():
            span = attrs.evolve(
                span,
                first_us=min(one.unix_us, span.first_us or one.unix_us),
                last_us=max(_end_us(one), span.last_us or 0),
                blocks=span.blocks + 1,
                entries=span.entries + len(one.entries),
                requests=span.requests + len(one.requests),
                dropped=span.dropped + one.dropped,
                dropped_requests=span.dropped_requests + one.dropped_requests,
            )
        return attrs.evolve(span, bytes=(await trio.Path(self.path).stat()).st_size)

    async def flush(self) -> None:
        """Nothing is being written."""
        await trio.lowlevel.checkpoint()

    def _blocks(self) -> Iterator[Block]:
        frames = frames_of(self.path, self._unreadable)
        next(frames)
        for number, plain in enumerate(frames, 1):
            try:
                yield codec.decode_plain(plain)
            except codec.UnreadableBlock as error:
                self._unreadable.add(number)
                _log.error("a block of the corpus cannot be read and is skipped", block=number, why=str(error))


def _opened(path: Path) -> Corpus:
    try:
        if not is_compressed(path):
            raise JournalRefused(f"The corpus {path} is none that pointsman has saved.")
        label = msgspec.json.decode(next(frames_of(path), b""), type=Label)
    except OSError as error:
        raise JournalRefused(f"The corpus {path} cannot be read: {error.strerror}.") from error
    except msgspec.MsgspecError:
        raise JournalRefused(f"The corpus {path} is none that pointsman has saved.") from None
    if label.magic != _MAGIC:
        raise JournalRefused(f"The corpus {path} is none that pointsman has saved.")
    if label.version != VERSION:
        raise JournalRefused(
            f"The corpus {path} has version {label.version}, this version of pointsman knows {VERSION}: it was written "
            "by a newer version; use that one."
        )
    return Corpus(path, label.position, bytes.fromhex(label.log_hash))


def _its_owners(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _some(blocks: Iterator[Block]) -> Sequence[Block]:
    return list(itertools.islice(blocks, _AT_ONCE))


def _is_whole(doc: bytes) -> bool:
    try:
        codec.expanded(doc)
    except codec.UnreadableBlock as error:
        _log.error("a block of the journal cannot be read and is left out", why=str(error))
        return False
    return True


def _end_us(one: Block) -> int:
    return one.unix_us - (one.at - one.until) // 1000
