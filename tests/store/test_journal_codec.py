"""Blocks of the journal as bytes."""

import sys
from pathlib import Path

import attrs
import pytest
import zstandard

from adapters.codec import journal_codec as codec
from adapters.codec.journal_codec import UnreadableBlock, decode, encode, expanded
from engine.pool.messages import Acquire, Refusal, Refused
from engine.runtime.journal import Note
from tests.projections.recorded import Recorded
from tests.store.journal_values import everything, packed_of

GOLDEN = Path(__file__).parent.parent / "golden" / f"journal-v{codec.VERSION}.block"


def test_what_is_decoded_equals_what_was_recorded() -> None:
    """Issue 5: with each kind of entry, answer, request and state, of the engine's own classes."""
    packed, block = everything()
    assert decode(encode(packed)) == block


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happened_is_decoded_equal(seed: int) -> None:
    recorded = Recorded(seed)
    for number in (1, 2, 3):
        packed, block = packed_of(recorded, number, steps=60)
        found = decode(encode(packed))
        assert found == block
        providers = [slot.provider for kept in found.pools.values() for slot in kept.draining]
        assert {hash(one) for one in providers} == {hash(attrs.evolve(one)) for one in providers if one is not None}


def test_a_block_that_was_stored_once_is_read_for_ever() -> None:
    """The golden block; written again by this version it is the same but for its compression."""
    packed, block = everything()
    assert decode(GOLDEN.read_bytes()) == block
    assert expanded(GOLDEN.read_bytes()) == expanded(encode(packed))


@pytest.mark.parametrize("version", [codec.VERSION + 1, 0])
def test_another_version_is_refused_and_named(version: int) -> None:
    plain = bytes((version,)) + expanded(encode(everything()[0]))[1:]
    whose = "newer" if version > codec.VERSION else "older"
    with pytest.raises(UnreadableBlock, match=rf"version {version}, this .* reads {codec.VERSION}: .* by an? {whose}"):
        decode(zstandard.compress(plain))


@pytest.mark.parametrize("damage", [lambda doc: doc[:-9], lambda doc: doc[:40] + b"\0" + doc[41:], lambda _: b"what"])
def test_damaged_bytes_are_never_taken_for_a_block(damage: object) -> None:
    doc = encode(everything()[0])
    with pytest.raises(UnreadableBlock, match="damaged"):
        decode(damage(doc))  # type: ignore[operator]


@pytest.mark.parametrize("plain", [b"", b"\1", b"\1\x90", b"\1\x96" + b"\xa1x" * 6])
def test_other_content_is_malformed_and_no_crash(plain: bytes) -> None:
    with pytest.raises(UnreadableBlock):
        decode(zstandard.compress(plain))


def test_a_number_that_does_not_fit_is_an_error_of_its_chunk() -> None:
    refused = Refused(1, Refusal.POOL_RATE, 2**70)
    with pytest.raises(OverflowError):
        codec.notes_chunk([Note(1, "chat", Acquire(1, 1), (refused,))])


def test_marks_name_all_that_a_block_tells_of() -> None:
    """Issue 5: a request is found by its id and by its decisions' number, also where a pause of it ended."""
    packed, _ = everything()
    marks = codec.marks(packed)
    for name in ("id-1", "id-2", "9", "10", "11"):
        assert any(mark in marks for mark in codec.marks_of(name)), name
    assert codec.pool_mark("chat") in marks
    assert codec.pool_mark("mini") not in marks


if __name__ == "__main__":
    # Once for each version: python -m tests.store.test_journal_codec
    sys.exit(0 if GOLDEN.write_bytes(encode(everything()[0])) else 1)
