"""The window over the newest decisions."""

import attrs

from engine.checkpoint import beginning
from engine.pool.messages import Acquire, Finish, Leased
from engine.runtime.journal import Entry
from projections.decisions import Window
from projections.replay import Hole, Mismatch
from tests.projections.test_replay import Recorded


def window_of(recorded: Recorded, *, parts: int, steps: int = 60) -> tuple[Window, list[list[Entry]]]:
    """A window that has been told of so many parts, and what each of them was."""
    window, told = Window(beginning(), size=1), []
    for part in range(parts):
        if part:
            window.begin(recorded.checkpoint())
        recorded.go_on(steps)
        told.append(recorded.journal.take())
        window.add(told[-1])
    return window, told


def tickets(entries: list[Entry]) -> list[int]:
    """Those of requests that began here and were let in."""
    return [
        one.input.ticket for one in entries if isinstance(one.input, Acquire) and isinstance(one.answers[-1], Leased)
    ]


def test_a_request_is_found_with_all_its_steps_and_comes_out_again() -> None:
    window, (entries,) = window_of(Recorded(1), parts=1)
    for ticket in tickets(entries):
        story = window.story(ticket)
        assert story is not None
        assert story.mismatch is None
        asked = [one for one in story.entries if isinstance(one.input, Acquire) and one.input.ticket == ticket]
        assert len(asked) == 1
        ends = [one for one in entries if isinstance(one.input, Finish) and one.input.ticket == ticket]
        assert [one for one in story.entries if isinstance(one.input, Finish)] == ends


def test_one_that_began_in_the_part_before_is_computed_from_there() -> None:
    """Two parts are held; what runs from one into the other is still whole."""
    window, (_, before, newest) = window_of(Recorded(2), parts=3)
    across = set(tickets(before)) & {getattr(one.input, "ticket", None) for one in newest}
    assert across
    for ticket in across:
        story = window.story(ticket)
        assert story is not None
        assert story.mismatch is None
        assert {one.seq for one in story.entries} & {one.seq for one in before}
        assert {one.seq for one in story.entries} & {one.seq for one in newest}


def test_what_has_left_the_window_is_not_known() -> None:
    window, (first, *_) = window_of(Recorded(3), parts=3)
    assert window.story(tickets(first)[0]) is None
    assert window.story(10**9) is None


def test_a_record_that_was_changed_is_told() -> None:
    _window, (entries,) = window_of(Recorded(4), parts=1)
    ticket = tickets(entries)[-1]
    place = next(
        place for place, one in enumerate(entries) if isinstance(one.input, Acquire) and one.input.ticket == ticket
    )
    changed = Window(beginning(), size=1)
    lease = entries[place].answers[-1]
    assert isinstance(lease, Leased)
    forged = attrs.evolve(lease, decision=attrs.evolve(lease.decision, chosen="somebody"))
    answers = (*entries[place].answers[:-1], forged)
    changed.add([*entries[:place], entries[place]._replace(answers=answers), *entries[place + 1 :]])
    story = changed.story(ticket)
    assert story is not None
    assert isinstance(story.mismatch, Mismatch)
    assert story.mismatch.what.endswith("decision.chosen")


def test_a_hole_before_a_request_is_told() -> None:
    """It cannot be computed from here, and that is said, not hidden."""
    _window, (entries,) = window_of(Recorded(5), parts=1)
    holed = Window(beginning(), size=1)
    holed.add(entries[:5] + entries[6:])
    story = holed.story(tickets(entries)[-1])
    assert story is not None
    assert isinstance(story.mismatch, Hole)


def test_a_copy_does_not_grow_with_the_window() -> None:
    recorded = Recorded(6)
    window, _ = window_of(recorded, parts=1)
    held = window.copy()
    recorded.go_on(60)
    later = recorded.journal.take()
    window.add(later)
    newest = tickets(later)[-1]
    assert window.story(newest) is not None
    assert held.story(newest) is None
