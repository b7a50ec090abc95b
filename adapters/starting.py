"""The first table of a process: from the log, or while that is away from the local cache.

Law: the log decides wherever it can be read. A cache is used only if it continues the log that it was made from, which
is found out as soon as that can be looked at; one that does not is set aside, and said so.
"""

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import attrs
import structlog

from adapters.collecting import uncollected
from adapters.settings import ServeSettings
from adapters.store import Store, open_store
from adapters.store.cache import Cached, SnapshotCache
from adapters.store.ports import Beside, Take, VerifiableLog
from adapters.store.second_reader import SecondReader, second_reader
from adapters.store.urls import PostgresServer, place_of
from engine.errors import LogDamaged, StoreUnavailable
from engine.events import Draft, Recorded
from engine.names import Position
from engine.ports import Appended, Found, Wake
from engine.runtime.follower import Follower, Look
from engine.snapshot import RoutingSnapshot
from projections import routing

_PAGE = 10_000
"""What is read at one go while nobody is waiting."""
_log = structlog.get_logger("pointsman")


@attrs.frozen
class Beginning:
    store: Store
    follower: Follower
    "At the head of the log, or where the cache is."
    cache: SnapshotCache | None
    "None: the log is in a local file anyway."
    cached: Position
    "What the cache holds; 0: nothing."


@asynccontextmanager
async def beginning(
    settings: ServeSettings,
    environ: Mapping[str, str],
    *,
    clock_us: Callable[[], int],
    on_look: Callable[[Look], None],
) -> AsyncIterator[Beginning]:
    """The store, open until the block ends, and a follower with a table. Raises StartFailed, StoreUnavailable."""
    is_shared = isinstance(place_of(settings.database), PostgresServer)
    cache = SnapshotCache(settings.cache) if is_shared else None
    cached = await cache.load() if cache is not None else None
    async with open_store(
        settings.database,
        environ=environ,
        clock_us=clock_us,
        catch_up_s=settings.catch_up_s,
        key_file=settings.vault_key_file,
        copies=cached.sealed if cached is not None else None,
    ) as store:
        log: VerifiableLog = store.log
        snapshot = routing.empty()
        if cached is not None:
            log = _SameLog(log, cached)
            try:
                if await log.is_same():
                    snapshot = cached.snapshot
                else:
                    position = cached.snapshot.position
                    _log.warning("the snapshot cache is of another log and is set aside", position=position)
                    cached, log = None, store.log
            except StoreUnavailable as error:
                snapshot = cached.snapshot if cached is not None else snapshot
                _log.error(
                    "STARTING WITHOUT THE DATABASE, on the table of the last run",
                    position=snapshot.position,
                    pools=len(snapshot.pools),
                    problem=str(error),
                )
        failure = None
        try:
            snapshot = await caught_up(log, snapshot, url=settings.database)
        except StoreUnavailable as error:
            if cached is None:
                raise
            failure = str(error)
        follower = Follower(log, snapshot, fold=routing.fold, on_look=on_look)
        follower.failing_since = failure
        saved = cached.snapshot.position if cached is not None else 0
        yield Beginning(attrs.evolve(store, log=log), follower, cache, saved)


async def caught_up(
    log: VerifiableLog,
    snapshot: RoutingSnapshot,
    step: Callable[[Position], None] = lambda _: None,
    *,
    url: str | None = None,
) -> RoutingSnapshot:
    """The table at the head of the log; `step` hears how far it has come. Raises StoreUnavailable, LogDamaged.

    With `url`, where the log is, a second process reads it if it turns out to be long.
    """
    second: SecondReader | None = None
    async with AsyncExitStack() as opened:
        opened.enter_context(uncollected())
        folding = routing.Folding(snapshot)

        def take(recorded: Sequence[Recorded]) -> None:
            folding.take(recorded)
            step(folding.position)

        while True:
            before = folding.position
            reached = await log.read_into(take, before, _PAGE)
            if reached - before < _PAGE:
                return folding.close()[0]
            if second is None and url is not None and len(os.sched_getaffinity(0)) > 1:
                try:
                    second = await opened.enter_async_context(second_reader(url))
                except OSError:
                    url = None  # there is no process to be had
            elif second is not None and second.is_ready():
                await log.read_beside(second, take, reached)
                url = second = None


class _SameLog:
    """A log of which it is still to be seen whether it is the one that the cache was made from."""

    def __init__(self, log: VerifiableLog, cached: Cached) -> None:
        self._log = log
        self._position = cached.snapshot.position
        self._hash = cached.head_hash
        self._is_seen = False

    async def is_same(self) -> bool:
        """Raises StoreUnavailable."""
        if not self._is_seen:
            self._is_seen = await self._log.hash_at(self._position) == self._hash
        return self._is_seen

    async def _check_same(self) -> None:
        if not await self.is_same():
            raise LogDamaged(self._position, "is not the event that this gateway's table was made from")

    async def read(self, after: Position, limit: int = 500) -> Sequence[Recorded]:
        await self._check_same()
        return await self._log.read(after, limit)

    async def read_into(self, take: Take, after: Position, limit: int = 500) -> Position:
        await self._check_same()
        return await self._log.read_into(take, after, limit)

    async def read_beside(self, beside: Beside, take: Take, after: Position) -> Position:
        await self._check_same()
        return await self._log.read_beside(beside, take, after)

    async def append(
        self, drafts: Sequence[Draft], *, expected: Position, actor: str, causation: UUID | None = None
    ) -> Appended:
        if not await self.is_same():
            raise StoreUnavailable("the database holds another log than the one this gateway runs on")
        return await self._log.append(drafts, expected=expected, actor=actor, causation=causation)

    async def find(self, event_id: UUID) -> Found | None:
        return await self._log.find(event_id)

    async def wait(self, after: Position) -> Wake:
        return await self._log.wait(after)

    async def history(self, stream: str, after: Position = 0, limit: int = 500) -> Sequence[Recorded]:
        return await self._log.history(stream, after, limit)

    async def hash_at(self, position: Position) -> bytes | None:
        return await self._log.hash_at(position)

    async def position_at(self, at_us: int) -> Position:
        return await self._log.position_at(at_us)

    async def verify(self, progress: Callable[[Position, Position], None] | None = None) -> Position:
        return await self._log.verify(progress)
