"""How the process is, and how it ends.

Law: the first signal to stop drains, the second or the end of the patience breaks off what still runs; signals are
taken until the store is closed, so that none of them ends the process half-way.
"""

import signal
from collections.abc import Callable
from typing import Any

import attrs
import structlog
import trio

from adapters.configuration import ConfigurationFile
from adapters.http.server import Server
from adapters.store import Sync, SyncState
from adapters.sync_metrics import SyncMetrics
from engine.names import Alias, Position
from engine.pool.circuit import Turn
from engine.pool.view import PoolView
from engine.runtime.caller_actor import CallerActor
from engine.runtime.follower import Follower
from engine.runtime.router import Router
from projections.live_facts import FileView, GatewayView, Observation, SyncView

_log = structlog.get_logger("pointsman")


class StopSignals:
    """SIGINT and SIGTERM, counted."""

    def __init__(self) -> None:
        self.first = trio.Event()
        self.second = trio.Event()

    async def attend(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Take signals until cancelled."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                (self.second if self.first.is_set() else self.first).set()


@attrs.define(eq=False)
class State:
    """What the process tells about itself."""

    _router: Router
    _follower: Follower
    _file: ConfigurationFile | None
    _sync: Sync
    _callers: CallerActor | None = None
    _syncs: SyncMetrics | None = None
    _started_us: int = 0
    _journal: Callable[[], dict[str, Any]] | None = None
    is_draining: bool = False
    _settled: Position = 0
    "Of the last sample in which no actor had a definition still to take over."

    def is_ready(self) -> bool:
        """Whether new requests are wanted: with any table, store or no store, until the process drains; but not with
        one that the log has gone on from in a way that this process cannot understand.
        """
        return not (self.is_draining or self._follower.is_stuck)

    def report(self) -> tuple[bool, dict[str, Any]]:
        """Readiness, and how the table in force relates to the log and the file."""
        detail: dict[str, Any] = {
            "status": self._is(),
            "position": self._router.snapshot.position,
            "log": self._log_is(),
            "sync": self._sync.status.state.value,
            "faults": len(self._router.snapshot.faults),
        }
        if self._journal is not None:
            detail["journal"] = self._journal()
        if self._file is not None:
            status = self._file.status
            detail["file"] = {
                "path": status.path,
                "position": status.position,
                "problems": status.problems,
                "warnings": status.warnings,
            }
        return self.is_ready(), detail

    def _log_is(self) -> str:
        """Readable, or why it is not. One that is told of news and never looks by itself would not find out."""
        status = self._sync.status
        if self._follower.failing_since is None and status.state is not SyncState.CONNECTED and status.error:
            return f"not connected: {status.error}"
        return self._follower.failing_since or "readable"

    def views(self) -> list[PoolView]:
        found = (actor.view() for actor in self._router.actors.values())
        return [view for view in found if view is not None]

    def sample(self) -> Observation:
        """What the live stream tells, as it is now."""
        if all(actor.is_settled for actor in self._router.actors.values()):
            self._settled = self._router.snapshot.position
        pools = {view.alias: view for view in self.views()}
        keys = self._callers.views() if self._callers is not None else {}
        return Observation(self._settled, pools, keys, self._gateway())

    def _gateway(self) -> GatewayView:
        sync = self._sync.status
        file = None if self._file is None else FileView(**attrs.asdict(self._file.status, recurse=False))
        return GatewayView(
            self._is(),
            self._started_us,
            self._log_is(),
            len(self._router.snapshot.faults),
            SyncView(sync.state.value, sync.reconnects, sync.error),
            file,
            self._syncs.reload if self._syncs is not None else None,
        )

    def _is(self) -> str:
        return "ready" if self.is_ready() else "draining" if self.is_draining else "stuck"


async def stop_when_asked(asked: StopSignals, state: State, server: Server, drain_s: float) -> None:
    """Drain the data port once asked to, and end what outlasts the patience."""
    await asked.first.wait()
    _log.info("draining", connections=server.connections)
    state.is_draining = True
    server.drain()
    with trio.move_on_after(drain_s):
        await asked.second.wait()
    server.abort()


def log_turn(alias: Alias, turn: Turn) -> None:
    """One line for each circuit that opens or closes."""
    since = [f"{cause.what} in decision {cause.ticket}" for cause in turn.causes]
    if turn.wait_ns is None:
        _log.info("circuit closed", pool=alias, provider=turn.provider, of=turn.of)
    else:
        seconds = turn.wait_ns // 1_000_000 / 1000
        _log.warning("circuit open", pool=alias, provider=turn.provider, of=turn.of, seconds=seconds, since=since)
