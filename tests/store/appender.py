"""A program of its own for the tests: appends to a log and prints what was acknowledged.

`appender.py FILE [COUNT]`: a line `position event_id` for each event; without COUNT until it is killed.
"""

import os
import sys
from pathlib import Path
from uuid import uuid4

import trio

from adapters.store.database import open_database
from adapters.store.sqlite import SqliteEventLog
from engine.errors import WrongPosition
from engine.events import Draft, KeyRemoved


async def main(path: Path, count: int | None) -> None:
    async with open_database(path) as database, trio.open_nursery() as nursery:
        log = SqliteEventLog(database, clock_us=lambda: 1)
        for _ in range(1 if count is not None else 3):
            nursery.start_soon(append, log, count)


async def append(log: SqliteEventLog, count: int | None) -> None:
    """Append pairs of events, or `count` single ones; on a lost race decide again."""
    done = head = 0
    while count is None or done < count:
        drafts = [Draft(uuid4(), KeyRemoved(f"k{n}")) for n in range(2 if count is None else 1)]
        while True:
            try:
                head = (await log.append(drafts, expected=head, actor="appender")).position
            except WrongPosition as error:
                head = error.actual
            else:
                break
        os.write(1, f"{head} {drafts[-1].event_id}\n".encode())
        done += 1


trio.run(main, Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
