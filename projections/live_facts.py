"""What a gateway tells of itself on the live stream, beside its pools (WS-1, SYNC-23, DEF-51).

Law: times are Unix microseconds and no ages, so what does not change is not told again; nothing here has a place for a
secret.
"""

from collections.abc import Mapping

import attrs

from engine.names import Alias, KeyId, Position
from engine.pool.view import KeyView, PoolView


@attrs.frozen
class SyncView:
    """How the gateway hears of other processes' appends."""

    state: str = "connected"
    "connecting, connected, disconnected or reconnecting."
    reconnects: int = 0
    error: str | None = None
    "What ended the last connection or attempt; None: nothing has yet."


@attrs.frozen
class FileView:
    """How the configuration file and the table in force relate."""

    path: str
    position: Position
    "At which the last good content held."
    problems: tuple[str, ...] = ()
    "Why the newest content is not in force; empty when it is."
    warnings: tuple[str, ...] = ()
    "What is worth knowing of the last good content."
    in_force_us: int | None = None
    "Since when the last good content is."
    refused_us: int | None = None
    "When the newest content was found not to be good; None: it is."


@attrs.frozen
class ReloadView:
    """The last time that a new table came in force."""

    source: str
    "What made the gateway look: own_write, notify or poll."
    at_us: int
    lag_us: int
    "From the recording of the oldest change in it."


@attrs.frozen
class GatewayView:
    """The gateway itself."""

    status: str = "ready"
    "ready, draining or stuck."
    started_us: int = 0
    log: str = "readable"
    "Or why the event log cannot be read."
    faults: int = 0
    "Models that are not quite what was defined."
    sync: SyncView = attrs.field(factory=SyncView)
    file: FileView | None = None
    "None: it has no configuration file."
    reload: ReloadView | None = None
    "None: the table is the one it started with."


@attrs.frozen
class Observation:
    """All of it, at one moment."""

    position: Position
    "Of the last configuration event that all pools run."
    pools: Mapping[Alias, PoolView]
    keys: Mapping[KeyId, KeyView] = attrs.field(factory=dict)
    "Of keys with limits, those that are not as good as new."
    gateway: GatewayView = attrs.field(factory=GatewayView)


@attrs.frozen
class EventTold:
    """A configuration event as the live stream tells it."""

    position: Position
    type: str
    "Its name in the log."
    stream: str
    "The entity it is about."
    actor: str
    recorded_at: str
    "ISO 8601 in UTC, by the clock of whoever wrote it."
    recorded_at_us: int
    sentence: str
    "What it changed."


@attrs.frozen
class Happened:
    """The configuration events since the last time that was asked."""

    position: Position
    "All events up to this one have been told, or left out."
    events: tuple[EventTold, ...] = ()
    left_out: int = 0
    "How many follow those."
