"""The journal's reader: keeps the newest decisions for whoever asks why.

Law: it never delays an actor; what it could not take in time is counted by the journal, and a new part begins after
the hole. Computing again happens in a thread, on copies.
"""

from collections.abc import Callable
from typing import Any

import attrs
import trio

from engine.checkpoint import Checkpoint
from engine.runtime.journal import Journal
from projections.decisions import Window
from projections.explanation import steps

_BUSY_S, _QUIET_S = 0.02, 0.2
"""Between two looks: often where much is noted, so that none takes long."""
_ENTRIES = 1024
"""In each of the window's two parts. Eight times as many cost a tenth of the throughput: memory that is never warm."""


class Recent:
    """`checkpoint` gives all actors' state as of the journal's newest entry, copied."""

    def __init__(self, journal: Journal, checkpoint: Callable[[], Checkpoint]) -> None:
        self._journal = journal
        self._checkpoint = checkpoint
        # What was noted so far is in the checkpoint.
        journal.take()
        self._window = Window(checkpoint(), size=_ENTRIES)

    @property
    def dropped(self) -> int:
        """Journal entries that were lost because nobody took them in time."""
        return self._journal.dropped

    async def run(self) -> None:
        """Take what the actors noted, for ever."""
        while True:
            is_busy = self._take()
            await trio.sleep(_BUSY_S if is_busy else _QUIET_S)

    async def explain(self, ticket: int) -> dict[str, Any] | None:
        """What a request was told and why, and whether it comes out again; None: it is not among the newest."""
        self._take()
        window = self._window.copy()
        story = await trio.to_thread.run_sync(window.story, ticket)
        if story is None:
            return None
        pool = next((entry.alias for entry in story.entries if entry.alias is not None), None)
        return {
            "decision": ticket,
            "pool": pool,
            "recomputed": story.mismatch is None,
            "difference": None if story.mismatch is None else str(story.mismatch),
            "steps": [attrs.asdict(step) for step in steps(story.entries, ticket)],
        }

    def _take(self) -> bool:
        """Whether there was anything."""
        dropped = self._journal.dropped
        taken = self._journal.take()
        self._window.add(taken)
        if self._journal.dropped != dropped or self._window.wants_checkpoint:
            self._window.begin(self._checkpoint())
        return bool(taken)
