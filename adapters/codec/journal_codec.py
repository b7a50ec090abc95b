"""Blocks of the recorded journal as bytes, and back.

Law: decoding what was encoded gives an equal block, of the engine's own classes. The first byte is the version of all
that follows, which is MessagePack, compressed by zstd with a checksum: bytes that were changed or cut off are never
taken for a block, and what a newer version wrote is refused and said so.
"""

import gc
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final
from zlib import crc32

import attrs
import msgspec
import zstandard

from adapters.codec.journal_reading import entry, served
from adapters.codec.journal_rows import notes_chunk, served_chunk
from adapters.codec.journal_wire import EntryRow, ServedRow
from engine.checkpoint import KeptKey, KeptMeter, KeptPool
from engine.errors import StoreError
from engine.names import Alias, KeyId, Nanoseconds, Ticket
from engine.recording import Block, Entry, Served

__all__ = [
    "VERSION",
    "Packed",
    "UnreadableBlock",
    "decode",
    "encode",
    "marks",
    "marks_of",
    "notes_chunk",
    "served_chunk",
]

VERSION: Final = 1
LARGEST: Final = 1 << 28
"""Bytes a block may have at most, uncompressed: a frame that claims more is none of ours."""
_LEVEL: Final = 3
_LOW: Final = 0xFFFFFFFF


class UnreadableBlock(StoreError):
    """Stored bytes are no block that this version understands; the message says why."""


@attrs.frozen
class Packed:
    """A block that is over, with its entries and requests as bytes already."""

    process: str
    number: int
    "From 1, within the process."
    first_seq: int
    unix_us: int
    at: Nanoseconds
    until: Nanoseconds
    pools: Mapping[Alias, KeptPool]
    meters: Mapping[str, KeptMeter]
    keys: Mapping[KeyId, KeptKey]
    chunks: Sequence[bytes] = ()
    "Of `notes_chunk`, in order."
    served: Sequence[bytes] = ()
    entries: int = 0
    requests: int = 0
    tickets: Sequence[Sequence[Ticket]] = ()
    "Lists of whom it tells of; a ticket may be there more than once."
    request_ids: Sequence[str] = ()
    aliases: Collection[Alias] = ()
    dropped: int = 0
    "Entries lost before it; also `dropped_requests`. Known when it is written."
    dropped_requests: int = 0

    @property
    def until_us(self) -> int:
        return self.unix_us - (self.at - self.until) // 1000


class _Head(msgspec.Struct, array_like=True):
    process: str
    first_seq: int
    unix_us: int
    at: int
    until: int
    dropped: int
    dropped_requests: int


class _Document(msgspec.Struct, array_like=True):
    head: _Head
    pools: Mapping[Alias, KeptPool]
    meters: Mapping[str, KeptMeter]
    keys: Mapping[KeyId, KeptKey]
    chunks: Sequence[bytes]
    served: Sequence[bytes]


def encode(packed: Packed) -> bytes:
    """A block as it is stored: one zstd frame."""
    one = packed
    head = _Head(one.process, one.first_seq, one.unix_us, one.at, one.until, one.dropped, one.dropped_requests)
    document = _Document(head, one.pools, one.meters, one.keys, one.chunks, one.served)
    plain = bytes((VERSION,)) + _encoder.encode(document)
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(plain)


def decode(stored: bytes) -> Block:
    """Raises UnreadableBlock."""
    return decode_plain(expanded(stored))


def decode_plain(plain: bytes) -> Block:
    """A block from what is in its frame. Raises UnreadableBlock."""
    if plain[:1] != bytes((VERSION,)):
        if not plain:
            raise UnreadableBlock("it is empty")
        raise UnreadableBlock(
            f"it has version {plain[0]}, this version of pointsman reads {VERSION}: "
            + ("it was written by a newer version" if plain[0] > VERSION else "it was written by an older version")
        )
    # A hundred thousand values without a circle among them: looking for one takes longer than making them.
    was_on = gc.isenabled()
    gc.disable()
    try:
        document = _document.decode(memoryview(plain)[1:])
        head = document.head
        return Block(
            process=head.process,
            first_seq=head.first_seq,
            unix_us=head.unix_us,
            at=head.at,
            until=head.until,
            dropped=head.dropped,
            dropped_requests=head.dropped_requests,
            pools={alias: _remade(kept) for alias, kept in document.pools.items()},
            meters=document.meters,
            keys=document.keys,
            entries=tuple(_entries(head.first_seq, document.chunks)),
            requests=tuple(_requests(document.served)),
        )
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise UnreadableBlock(f"it is malformed: {error}") from error
    finally:
        if was_on:
            gc.enable()


def expanded(stored: bytes) -> bytes:
    """What is in a frame. Raises UnreadableBlock."""
    try:
        size = zstandard.frame_content_size(stored)
        if not 0 < size <= LARGEST:
            raise UnreadableBlock(f"its frame is of {size} bytes")
        plain = zstandard.ZstdDecompressor().decompress(stored)
    except zstandard.ZstdError as error:
        raise UnreadableBlock(f"it is damaged: {error}") from error
    return plain


def pools_told(block: Block) -> frozenset[Alias]:
    """The pools that a block tells of."""
    return frozenset(block.pools).union(entry.alias for entry in block.entries if entry.alias is not None)


def marks_of(name: str) -> list[bytes]:
    """What a request id, or a decision's number, leaves in `marks`: one of these."""
    found = [_mark(crc32(name.encode()))]
    if name.isascii() and name.isdigit():
        found.append(ticket_mark(int(name)))
    return found


def ticket_mark(ticket: Ticket) -> bytes:
    """What a decision's number alone leaves in `marks`."""
    return _mark(ticket)


def pool_mark(alias: Alias) -> bytes:
    """What a pool leaves in `marks`."""
    return _mark(crc32(b"pool:" + alias.encode()))


def marks(packed: Packed) -> bytes:
    """Whom a block tells of, four bytes each; others may leave the same."""
    tickets = set(chain.from_iterable(packed.tickets))
    found = [crc32(b"pool:" + alias.encode()) for alias in packed.aliases]
    found += [crc32(request_id.encode()) for request_id in packed.request_ids]
    found += [ticket & _LOW for ticket in tickets]
    return struct.pack(f"<{len(found)}I", *found)


def _mark(number: int) -> bytes:
    return (number & _LOW).to_bytes(4, "little")


def _entries(seq: int, chunks: Iterable[bytes]) -> Iterator[Entry]:
    for chunk in chunks:
        for row in _rows.decode(chunk):
            yield entry(seq, row)
            seq += 1


def _requests(chunks: Iterable[bytes]) -> Iterator[Served]:
    for chunk in chunks:
        yield from map(served, _served_rows.decode(chunk))


def _remade(kept: KeptPool) -> KeptPool:
    """The same, with providers made by their constructor, which knows what the class works out for itself."""
    if not kept.draining:
        return kept
    draining = [
        attrs.evolve(slot, provider=None if slot.provider is None else attrs.evolve(slot.provider))
        for slot in kept.draining
    ]
    return attrs.evolve(kept, draining=tuple(draining))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a block")


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=_plain)
_document: Final = msgspec.msgpack.Decoder(_Document)
_rows: Final = msgspec.msgpack.Decoder(list[EntryRow])
_served_rows: Final = msgspec.msgpack.Decoder(list[ServedRow])
