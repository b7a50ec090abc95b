"""Records as the gateway does, until it is killed; says how far it has come, twenty times a second.

A line: the number of the newest note, and how many of them are surely written.
"""

import sys
from pathlib import Path

import trio

from adapters import clock
from adapters.journal_opening import recording
from adapters.settings import JournalSettings
from engine.pool.messages import Tick


async def main(path: Path, process: str) -> None:
    ports = {"process": process, "clock": clock.monotonic_ns, "unix_us": clock.unix_us}
    async with (
        recording(JournalSettings(file=path), "memory:", **ports) as recorder,  # type: ignore[arg-type]
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(recorder.run)
        journal = recorder.journal
        journal.begin_pool("chat", 1)
        while True:
            for _ in range(500):
                journal.note("chat", Tick(clock.monotonic_ns()), ())
            sys.stdout.write(f"{journal.seq} {recorder.counts.entries}\n")
            sys.stdout.flush()
            await trio.sleep(0.05)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), sys.argv[2])
