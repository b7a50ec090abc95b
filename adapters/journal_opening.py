"""The recorded journal of a gateway: where it is, and its recorder with the file open.

Law: a journal that cannot be had stops no start; the gateway says so and serves without one.
"""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from adapters.recorder import Recorder
from adapters.settings import JournalSettings
from adapters.store.journal import JournalReader
from adapters.store.journal_file import JOURNAL, journal_beside
from adapters.store.journal_writing import JournalWriter
from adapters.store.journal_written import open_to_write
from adapters.store.urls import place_of
from engine.errors import StoreError
from engine.ports import Clock

_log: Final = structlog.get_logger("pointsman")


@asynccontextmanager
async def recording(
    settings: JournalSettings, database: str, *, process: str, clock: Clock, unix_us: Callable[[], int]
) -> AsyncIterator[Recorder]:
    """A recorder with its file open until the block ends; one that records nothing where there is to be no file, or
    none can be had, which is said in the log.
    """
    with tempfile.TemporaryDirectory(prefix="pointsman-") as forgotten:
        path = settings.file or journal_of(database, Path(forgotten))
        make = partial(Recorder, process=process, clock=clock, unix_us=unix_us)
        if not settings.is_on:
            yield make(None, None, why="it is switched off")
            return
        async with AsyncExitStack() as opened:
            try:
                file = await opened.enter_async_context(open_to_write(path.absolute()))
            except StoreError as error:
                _log.error("THE JOURNAL IS OFF: no decision of this run can be looked at", problem=str(error))
                yield make(None, None, why=str(error))
                return
            writer = JournalWriter(file, age_us=int(settings.age_s * 1e6), size_bytes=settings.size_bytes)
            reader = JournalReader(file)
            file.on_reopened = reader.begin_anew
            yield make(writer, reader)


def journal_of(database: str, forgotten: Path) -> Path:
    """Where the journal of a gateway is unless the operator says where: beside a SQLite file; for a server in the
    working directory; for `memory:` in a directory that goes with the process, since its log does.
    """
    match place_of(database):
        case None:
            return forgotten / JOURNAL
        case Path() as file:
            return journal_beside(file)
        case _:
            return JOURNAL
