"""Recorded inputs, computed again."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from engine.names import Alias, Position
from engine.pool.messages import UNSENT, Acquire, Finish, Kind, Leased, Outcome, Reconfigure
from engine.pool.meter import Meters
from engine.recording import Block, Entry, Granted, Reconfigured, Started
from engine.restoring import restore_keys, restore_meter, restore_pool
from engine.runtime.journal import Journal
from engine.snapshot import Pool
from projections.replay import Mismatch, Replay, replay
from tests.projections.recorded import Recorded


def entries_in(blocks: list[Block]) -> int:
    return sum(len(block.entries) for block in blocks)


@pytest.mark.parametrize("seed", range(20))
def test_what_was_recorded_comes_out_again_from_the_beginning_of_any_block(seed: int) -> None:
    """House §5, issue 5: every answer with its decision; and at each block the states that were kept there."""
    recorded = Recorded(seed)
    blocks = recorded.blocks(80, 1, 90, 40, 3, 90)
    assert any(block.pools for block in blocks[1:])
    for first in range(len(blocks)):
        count, found = replay(iter(blocks[first:]), recorded.definitions)
        assert (count, found) == (entries_in(blocks[first:]), None)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_kept_and_restored_is_equal_when_kept_again(seed: int) -> None:
    """Issue 5: shared deployments, pools that drain or are gone, pauses, circuits and keys included."""
    recorded = Recorded(seed)
    recorded.go_on(150)
    kept = recorded.everything()
    again = Recorded(seed, aliases=())
    again.meters = Meters({name: restore_meter(meter) for name, meter in kept.meters.items()})
    for alias, one in kept.pools.items():
        again.states[alias] = restore_pool(alias, one, recorded.table.get((alias, one.defined_at)), again.meters)
    restore_keys(kept.keys, again.callers)
    assert again.everything() == kept


@pytest.mark.parametrize("seed", range(20))
def test_what_is_restored_behaves_as_what_it_was_kept_from(seed: int) -> None:
    """Issue 5: from a cold start at any block, the same answers and the same states afterwards."""
    recorded = Recorded(seed)
    recorded.blocks(120)
    cold = Replay(recorded.definitions)
    for block in recorded.blocks(60, 60):
        assert cold.enter(block) is None
        assert [cold.take(entry) for entry in block.entries] == [None] * len(block.entries)
    now = recorded.everything()
    for alias, state in cold.pools.items():
        assert restored_and_kept(alias, state) == now.pools[alias]


def restored_and_kept(alias: Alias, state: Any) -> Any:
    journal = Journal()
    journal.keep_pool(state, Acquire(0, 0))
    return journal.close().pools[alias]


def leased(entries: tuple[Entry, ...]) -> Entry:
    """A decision between several, with a draw."""
    return next(one for one in entries if one.answers and isinstance(one.answers[0], Granted) and drawn(one))


def drawn(entry: Entry) -> tuple[int, ...]:
    decision = getattr(entry.answers[-1], "decision", None)
    return () if decision is None else decision.draws


def later(entry: Entry) -> Entry:
    return entry._replace(told=attrs.evolve(entry.told, at=entry.told.at + 1))  # type: ignore[union-attr]


def other_draw(entry: Entry) -> Entry:
    lease: Any = entry.answers[0]
    decision = attrs.evolve(lease.decision, draws=(lease.decision.draws[0] + 1,))
    return entry._replace(answers=(attrs.evolve(lease, decision=decision),))


def other_seed(entry: Entry) -> Entry:
    return entry._replace(told=Started(999))


CHANGES: list[tuple[Callable[[tuple[Entry, ...]], Entry], Callable[[Entry], Entry], str]] = [
    (leased, later, "answers[0].decision.at"),
    (leased, other_draw, "answers[0].decision.draws[0]"),
    (lambda entries: entries[0], other_seed, "answers[0].decision.draws[0]"),
]


@pytest.mark.parametrize(("which", "change", "what"), CHANGES)
def test_one_changed_input_is_found_and_named(
    which: Callable[[tuple[Entry, ...]], Entry], change: Callable[[Entry], Entry], what: str
) -> None:
    """A replay that agrees with everything proves nothing: a time, a draw and the seed each are noticed."""
    recorded = Recorded(3)
    (block,) = recorded.blocks(60)
    entries = list(block.entries)
    place = entries.index(which(block.entries))
    entries[place] = change(entries[place])
    _, found = replay(iter([attrs.evolve(block, entries=tuple(entries))]), recorded.definitions)
    assert found is not None
    assert found.what == what
    assert found.recorded != found.recomputed
    assert str(found).startswith(f"entry {found.seq}, pool {found.alias!r}: {what} was ")


def test_another_definition_is_found_and_named() -> None:
    """A weight that the event log gives otherwise."""
    recorded = Recorded(3)
    blocks = recorded.blocks(60)

    def heavier(alias: Alias, position: Position) -> Pool:
        pool = recorded.definitions(alias, position)
        return attrs.evolve(pool, providers=tuple(attrs.evolve(one, weight=one.weight + 1) for one in pool.providers))

    _, found = replay(iter(blocks), heavier)
    assert found is not None
    assert found.what == "answers[0].decision.candidates[0].weight"


@pytest.mark.parametrize("what", ["draws", "position", "slots", "journeys"])
def test_another_state_at_a_blocks_beginning_is_found_and_named(what: str) -> None:
    """Issue 5: what was computed so far is compared with what was kept."""
    recorded = Recorded(3)
    blocks = recorded.blocks(60, 60)
    alias, kept = next((alias, kept) for alias, kept in blocks[1].pools.items() if kept.journeys)
    other: dict[str, Any] = {
        "draws": kept.draws + 1,
        "position": kept.position + 1,
        "slots": (attrs.evolve(kept.slots[0], active=kept.slots[0].active + 1), *kept.slots[1:]),
        "journeys": {},
    }
    forged = attrs.evolve(blocks[1], pools={**blocks[1].pools, alias: attrs.evolve(kept, **{what: other[what]})})
    count, found = replay(iter([blocks[0], forged]), recorded.definitions)
    assert count == len(blocks[0].entries)
    assert found is not None
    assert found.what.startswith(f"state.{what}")
    assert found.alias == alias


def test_an_outcome_that_no_answer_has_shown_yet_shows_in_the_state() -> None:
    """A failure that is another one changes no answer at once; the next block's beginning tells."""
    recorded = Recorded(4)
    recorded.begin("chat", 900)
    recorded.tell("chat", Finish(900, recorded.at, Outcome(Kind.FAILED, status=500)))
    first = recorded.block()
    recorded.tell("chat", Acquire(901, recorded.at))
    second = recorded.block()
    assert replay(iter([first, second]), recorded.definitions)[1] is None
    forged = first.entries[-1]._replace(told=Finish(900, recorded.at, Outcome(Kind.FAILED, status=400)))
    count, found = replay(
        iter([attrs.evolve(first, entries=(*first.entries[:-1], forged)), second]), recorded.definitions
    )
    assert count == len(first.entries)
    assert isinstance(found, Mismatch)
    assert found.what.endswith(".latency_ns")
    assert (found.recorded, found.recomputed) == (400 * 10**6, 0)


def test_a_hole_inside_a_block_is_told() -> None:
    """What is missing is not guessed."""
    recorded = Recorded(5)
    (block,) = recorded.blocks(30)
    holed = attrs.evolve(block, entries=block.entries[:9] + block.entries[12:])
    count, found = replay(iter([holed]), recorded.definitions)
    assert count == 9
    assert found is not None
    assert (found.what, found.recorded, found.recomputed) == ("seq", 13, 10)


def test_a_missing_block_ends_what_is_known_and_the_next_one_begins_it_again() -> None:
    """Issue 5: a hole is explicit, and replay resumes with the states that the next block has."""
    recorded = Recorded(6)
    first, _, third = recorded.blocks(60, 60, 60)
    assert replay(iter([first, third]), recorded.definitions) == (len(first.entries) + len(third.entries), None)


def test_a_pool_that_is_over_may_still_have_had_letters() -> None:
    """ADOPT-9: an actor empties its mailbox before it ends, and its alias may come back with another actor."""
    recorded = Recorded(6)
    gone = "mini"
    for message in (Reconfigure(None, 90, recorded.at), Finish(77, recorded.at, UNSENT), Acquire(78, recorded.at)):
        recorded.tell(gone, message)
    assert recorded.states[gone].is_over
    recorded.start(gone)
    blocks = recorded.blocks(30, 30)
    assert replay(iter(blocks), recorded.definitions) == (entries_in(blocks), None)


def test_only_those_that_were_told_something_are_kept() -> None:
    """Issue 5: a block has the states of the actors in it, and of nobody else."""
    recorded = Recorded(7)
    assert recorded.block().pools == {}, "they began in it"
    recorded.tell("chat", Acquire(1, recorded.at))
    assert list(recorded.block().pools) == ["chat"]
    assert recorded.block().pools == {}


def test_a_recorded_entry_names_what_a_note_has_whole() -> None:
    """A lease's provider and a definition are in the event log, and only named here."""
    recorded = Recorded(8)
    recorded.go_on(40)
    notes = recorded.journal.take().notes
    for note in notes:
        entry = note.entry()
        assert (entry.seq, entry.alias, len(entry.answers)) == (note.seq, note.alias, len(note.answers))
        if isinstance(note.input, Reconfigure):
            assert entry.told == Reconfigured(note.input.position, note.input.at, note.input.pool is None)
        for made, answer in zip(entry.answers, note.answers, strict=True):
            assert not isinstance(answer, Leased) or made.provider == answer.provider.name  # type: ignore[union-attr]
