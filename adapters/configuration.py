"""The configuration file in force: read, decided, kept in step.

Law: a file is taken whole or not at all; the last good one stays in force (CFG-19), and what is wrong with the newest
is observable until it is mended (DEF-51). Secrets are in the vault before the event that names them is in the log. A
file whose source was released is not applied until it is claimed again: the table is what the log says.
"""

import traceback
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

import attrs
import structlog
import trio

from adapters import clock
from adapters.config import ConfigError, Loaded, load, watch
from adapters.settings import ServeSettings
from adapters.store.vault import Vault
from engine.commands import ApplyManifest
from engine.decide import decide
from engine.errors import Rejected, StartFailed, StoreError, StoreUnavailable
from engine.events import stream_of
from engine.names import Position
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer, Written
from engine.snapshot import FILE, RoutingSnapshot

_RETRY_S = 2.0
_WARNINGS: Final = 20
_LONGEST: Final = 300
"""Of the warnings in a status: lines, and characters of one. The log has all of them, whole."""
_log = structlog.get_logger("configuration")


@attrs.frozen
class FileStatus:
    """How the file and the table in force relate."""

    path: str
    position: Position
    "At which the last good content held."
    problems: tuple[str, ...] = ()
    "Why the newest content is not in force; empty when it is."
    warnings: tuple[str, ...] = ()
    "What is worth knowing of the last good content, such as keys that are ignored; the first of them."
    in_force_us: int | None = None
    "Since when the last good content is, in Unix microseconds; None: none has been since the start."
    refused_us: int | None = None
    "When the newest content was found not to be good, likewise; None: it is."


class ConfigurationFile:
    def __init__(self, path: Path, writer: Writer, vault: Vault, *, strict: bool, environ: Mapping[str, str]) -> None:
        self._path = path
        self._source = FILE + path.name
        self._writer = writer
        self._vault = vault
        self._strict = strict
        self._environ = environ
        self._seen: str | None = None
        self.status = FileStatus(path.name, 0)

    @classmethod
    def of(
        cls, settings: ServeSettings, writer: Writer, vault: Vault, environ: Mapping[str, str]
    ) -> "ConfigurationFile | None":
        """The file the settings name, if they name one."""
        if settings.config is None:
            return None
        return cls(settings.config, writer, vault, strict=settings.strict_config, environ=environ)

    async def read_first(self, snapshot: RoutingSnapshot) -> Loaded | None:
        """As `read`, at the start, when there is no last good content to stay with; None where it was released.

        Raises StartFailed.
        """
        if self._is_released(snapshot):
            return None
        try:
            return await self.read(snapshot)
        except ConfigError as error:
            raise StartFailed(str(error), wrong_input=True) from None

    async def read(self, snapshot: RoutingSnapshot) -> Loaded:
        """The file, decided on a snapshot but not applied. Raises ConfigError."""
        loaded = await trio.to_thread.run_sync(
            partial(
                load,
                self._path,
                strict=self._strict,
                credential_id=self._vault.credential_id,
                environ=self._environ,
            )
        )
        try:
            decide(snapshot, ApplyManifest(loaded.manifest, takes_over=True), source=self._source)
        except Rejected as rejected:
            raise loaded.explain(rejected) from None
        return loaded

    async def apply(self, loaded: Loaded) -> Position:
        """Make the table what a file wishes. Raises Rejected, StoreUnavailable, OutcomeUnknown."""
        self._seen = loaded.content_digest
        for warning in loaded.warnings:
            _log.warning("configuration", warning=warning)
        await self._vault.keep(loaded.credentials)
        before = self._writer.snapshot
        written = await self._writer.write(ApplyManifest(loaded.manifest, takes_over=True), actor=self._source)
        position = written.position
        self._tell_taken_over(before, written)
        self.status = FileStatus(
            self._path.name, position, warnings=_bounded(loaded.warnings), in_force_us=clock.unix_us()
        )
        _log.info("configuration file in force", file=self._path.name, position=position)
        return position

    async def begin(self, loaded: Loaded, follower: Follower) -> None:
        """Apply what was read at the start, and wait until it is in force. A store that is away leaves the table of the
        log in force, and the file to `follow`. Raises Rejected, OutcomeUnknown.
        """
        try:
            await follower.applied(await self.apply(loaded))
        except StoreUnavailable as error:
            self._seen = None
            self._stay((f"{self._path}: the event store did not take it: {error}",))

    async def follow(self) -> None:
        """Apply each new content of the file, for ever."""
        await watch(self._path, self._take_newest, seen=self._seen)

    async def _take_newest(self) -> None:
        while True:
            snapshot = self._writer.snapshot
            if self._is_released(snapshot):
                return
            try:
                await self.apply(await self.read(snapshot))
            except ConfigError as error:
                self._stay(error.problems)
                return
            except Rejected:
                # What it was read for has changed on the way; then the next look says why not, in the file's terms.
                await trio.sleep(_RETRY_S)
            except StoreError as error:
                self._stay((f"{self._path}: the event store did not take it: {error}",))
                await trio.sleep(_RETRY_S)
            except Exception as error:  # noqa: BLE001 - a file must not be able to end a running gateway
                # Where, but not with what words: those may hold a piece of the file, and so a secret.
                where = "".join(traceback.format_tb(error.__traceback__))
                _log.error("configuration file not understood", kind=type(error).__name__, where=where)
                self._stay((f"{self._path}: cannot be understood ({type(error).__name__}).",))
                return
            else:
                return

    def _tell_taken_over(self, before: RoutingSnapshot, written: Written) -> None:
        """Say so where it now has, or has removed, what another file had defined: two gateways may be at odds."""
        owners = {stream: before.owner(stream) for stream in map(stream_of, written.events)}
        taken = Counter(owner for owner in owners.values() if owner not in {None, self._source})
        for owner, count in taken.items():
            _log.warning(
                "configuration file took over what another one managed",
                source=self._source,
                managed_by=owner,
                entities=count,
                position=written.position,
            )

    def _is_released(self, snapshot: RoutingSnapshot) -> bool:
        """Say so, loudly, where it is."""
        if self._source not in snapshot.released:
            return False
        release = snapshot.streams.get(f"source:{self._source}")
        position = snapshot.position if release is None else release.position
        problem = (
            f"{self._path}: its source was released at position {position}, so this gateway goes by the event log; "
            f"to have the file in force again: POST /admin/v1/sources/{quote(self._source)}/claim, then change the file"
        )
        self.status = attrs.evolve(self.status, problems=(problem,), refused_us=clock.unix_us())
        _log.error("configuration file released; the event log is in force without it", problem=problem)
        return True

    def _stay(self, problems: tuple[str, ...]) -> None:
        self.status = attrs.evolve(self.status, problems=problems, refused_us=clock.unix_us())
        for problem in problems:
            _log.error("configuration file not taken; the last good one stays in force", problem=problem)


def _bounded(warnings: tuple[str, ...]) -> tuple[str, ...]:
    """The first of them, and how many more there are: a status is told again and again, and to many."""
    told = [line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…" for line in warnings[:_WARNINGS]]
    left = len(warnings) - len(told)
    return (*told, f"and {left} more, in the gateway's log") if left else tuple(told)
