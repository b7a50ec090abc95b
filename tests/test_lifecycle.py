"""What the process tells about itself."""

import itertools
from types import SimpleNamespace
from typing import Any

from adapters.lifecycle import State
from adapters.store import MemoryEventLog, Sync, SyncState
from engine.runtime.follower import Follower
from projections import routing


async def test_a_log_that_is_not_connected_is_not_called_readable() -> None:
    """SYNC-23, `--catch-up-seconds 0`: who never looks by itself learns from the listener that the server is away."""
    sync = Sync(SyncState.CONNECTING)
    follower = Follower(MemoryEventLog(clock_us=itertools.count().__next__), routing.empty(), fold=routing.fold)
    router: Any = SimpleNamespace(snapshot=follower.snapshot)
    state = State(router, follower, None, sync)
    told = []
    for entered, error in (
        (SyncState.CONNECTED, None),
        (SyncState.DISCONNECTED, "connection refused"),
        (SyncState.RECONNECTING, None),
        (SyncState.CONNECTING, None),
        (SyncState.CONNECTED, None),
    ):
        sync.enter(entered, error)
        told.append(state.report()[1]["log"])
    away = "not connected: connection refused"
    assert told == ["readable", away, away, away, "readable"]
    follower.failing_since = "the log cannot be read"
    sync.enter(SyncState.DISCONNECTED, "connection refused")
    assert state.report()[1]["log"] == "the log cannot be read"
