"""What the actors were told and what they answered, in the order in which it happened.

Law: noting never waits and never fails; memory is bounded. Entries are numbered without gaps as they are noted, so
that what a slow reader missed shows as a gap, and is counted.
"""

from collections import deque
from typing import NamedTuple, TypeAlias

import attrs

from engine.caller import Admitted, CallerMessage
from engine.names import Alias
from engine.pool.messages import Effect, Message

CAPACITY = 65536


@attrs.frozen
class Started:
    """A pool's actor begins, with nothing but the seed of its draws."""

    seed: int


Input: TypeAlias = Started | Message | CallerMessage
Answers: TypeAlias = tuple[Effect, ...] | tuple[Admitted, ...]


class Entry(NamedTuple):
    seq: int
    "From 1, over all actors of the process."
    alias: Alias | None
    "The pool's; None: the keys' actor."
    input: Input
    answers: Answers


_new = tuple.__new__
"""What `Entry(…)` comes to in the end; the way there takes as long again as the rest of noting."""


class Journal:
    """A ring of the newest entries, until they are taken."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries = deque[Entry](maxlen=capacity)
        self._taken = 0
        self.seq = 0
        "Of the newest entry; 0 before the first."
        self.dropped = 0
        "Entries that were overwritten before anybody took them, as known at the last `take`."

    def note(self, alias: Alias | None, message: Input, answers: Answers) -> None:
        self.seq = seq = self.seq + 1
        self._entries.append(_new(Entry, (seq, alias, message, answers)))

    def take(self) -> list[Entry]:
        """All entries since the last time, but for those that were dropped meanwhile."""
        taken = list(self._entries)
        self._entries.clear()
        self.dropped += self.seq - self._taken - len(taken)
        self._taken = self.seq
        return taken
