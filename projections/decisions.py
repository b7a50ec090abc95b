"""The newest requests as their pools saw them: what was asked, what was decided, what became of it.

Law: a bounded window over the journal, in two parts, each with the checkpoint it begins at, so that whatever is in it
can be computed again. What has left the window is not known any more, and nothing is said about it.
"""

from collections.abc import Sequence

import attrs

from engine.caller import Enter
from engine.checkpoint import Checkpoint
from engine.names import Ticket
from engine.pool.messages import Acquire
from engine.runtime.journal import Entry
from projections.replay import Hole, Mismatch, Replay


@attrs.define(eq=False)
class _Part:
    start: Checkpoint
    entries: list[Entry] = attrs.field(factory=list)


@attrs.frozen
class Story:
    """All that one request and the actors told each other."""

    entries: tuple[Entry, ...]
    mismatch: Mismatch | Hole | None
    "None: computed again, everything came out as it was recorded."


class Window:
    """`size`: entries in each of the two parts."""

    def __init__(self, start: Checkpoint, *, size: int) -> None:
        self._size = size
        self._parts = [_Part(start)]
        self._fading: list[Entry] = []
        "What is forgotten, let go little by little: freeing a whole part at once would take milliseconds."

    @property
    def wants_checkpoint(self) -> bool:
        """Whether the newest part is full, so that a checkpoint of now should begin the next one."""
        return len(self._parts[-1].entries) >= self._size

    def add(self, entries: Sequence[Entry]) -> None:
        self._parts[-1].entries.extend(entries)
        del self._fading[max(0, len(self._fading) - 2 * len(entries)) :]

    def begin(self, checkpoint: Checkpoint) -> None:
        """Go on in a new part; the one before the last is forgotten."""
        *forgotten, last = self._parts
        for part in forgotten:
            self._fading.extend(part.entries)
        self._parts = [last, _Part(checkpoint)]

    def copy(self) -> "Window":
        """The window as it is, for another thread to read."""
        window = Window(self._parts[0].start, size=self._size)
        window._parts = [_Part(part.start, part.entries.copy()) for part in self._parts]
        return window

    def story(self, ticket: Ticket) -> Story | None:
        """A request's entries, computed again; None: it is not in the window, or did not begin in it."""
        entries = (entry for part in self._parts for entry in part.entries)
        found = [entry for entry in entries if _ticket_of(entry) == ticket or _woke(entry, ticket)]
        if not found or not isinstance(found[0].input, Enter | Acquire):
            return None
        return Story(tuple(found), self._recomputed(found[0].seq, found[-1].seq))

    def _recomputed(self, first: int, last: int) -> Mismatch | Hole | None:
        """The first difference up to an entry, from the nearest checkpoint before another one."""
        parts = [part for part in self._parts if not part.entries or part.entries[-1].seq >= first]
        again = Replay(parts[0].start)
        try:
            for part in parts:
                for entry in part.entries:
                    if entry.seq > last:
                        return None
                    if (mismatch := again.take(entry)) is not None:
                        return mismatch
        except Hole as hole:
            return hole
        return None


def _ticket_of(entry: Entry) -> Ticket | None:
    return getattr(entry.input, "ticket", None)


def _woke(entry: Entry, ticket: Ticket) -> bool:
    """Whether a backoff of the request ended with this entry."""
    return any(answer.ticket == ticket for answer in entry.answers)
