"""A process that appends is killed; nothing it acknowledged is lost."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import trio

from tests.store.test_sqlite_log import APPENDER, all_of, open_log

ROUNDS = 4


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Each acknowledged event is at its position, positions are dense, no append is there in half, the chain holds."""
    path = tmp_path / "a.db"
    dice = random.Random(9)
    acknowledged: dict[int, str] = {}
    for _ in range(ROUNDS):
        lines = await trio.to_thread.run_sync(killed_after, path, dice.randint(1, 40))
        acknowledged |= {int(position): event_id for position, event_id in map(str.split, lines)}
        async with open_log(path) as log:
            there = await all_of(log)
            assert await log.verify() == len(there)
        assert [position for position, _, _ in there] == list(range(1, len(there) + 1))
        assert len(there) % 2 == 0
        assert acknowledged.items() <= {position: str(event_id) for position, event_id, _ in there}.items()
    assert len(acknowledged) >= ROUNDS


def killed_after(path: Path, lines: int) -> list[str]:
    """All complete lines of an appender that is killed at some moment after its first so many."""
    with subprocess.Popen([sys.executable, str(APPENDER), str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = [process.stdout.readline() for _ in range(lines)]
        finally:
            process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
        assert process.wait() == -signal.SIGKILL
    return [line for line in said if line.endswith("\n")]
