"""How this process stands with the store's news: whether it is told of other processes' appends.

Law: states follow each other as in SYNC-23, and whoever watches can neither stop the listener nor see it stop.
"""

from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

import attrs
import structlog
import trio

_log = structlog.get_logger("pointsman")


class SyncState(Enum):
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    RECONNECTING = "reconnecting"
    "Waiting for the next attempt."


@attrs.frozen
class SyncStatus:
    state: SyncState
    since: float
    "When it came to that, in seconds of trio's clock."
    reconnects: int = 0
    "How often it was connected again."
    error: str | None = None
    "What ended the last connection or attempt; None where nothing has yet. Never holds a password."


Watcher: TypeAlias = Callable[[SyncStatus], None]


class Sync:
    """The present status; `watch` hears of each change, in the trio thread."""

    def __init__(self, state: SyncState = SyncState.CONNECTED) -> None:
        self.status = SyncStatus(state, trio.current_time())
        self._was_connected = state is SyncState.CONNECTED
        self._watchers: list[Watcher] = []

    def watch(self, watcher: Watcher) -> None:
        """Call it with each status from now on. What it raises is logged and goes no further."""
        self._watchers.append(watcher)

    def enter(self, state: SyncState, error: str | None = None) -> None:
        again = state is SyncState.CONNECTED and self._was_connected
        self._was_connected = self._was_connected or state is SyncState.CONNECTED
        before = self.status
        self.status = SyncStatus(state, trio.current_time(), before.reconnects + again, error or before.error)
        for watcher in self._watchers:
            try:
                watcher(self.status)
            except Exception:  # noqa: BLE001 - whatever it is, it is the watcher's
                _log.exception("a watcher of the store's sync state failed", state=state.value)
