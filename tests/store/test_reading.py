"""`open_log`: looking at a log that somebody else writes."""

import sqlite3
from pathlib import Path
from uuid import UUID

import pytest

from adapters.store import open_log, open_store
from engine.errors import StartFailed
from engine.events import Draft, KeyRemoved


def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


async def test_a_log_is_read_while_its_write_lock_is_held(tmp_path: Path) -> None:
    """Neither a gateway at work nor one in the middle of an append keeps an operator from looking."""
    path = tmp_path / "pointsman.db"
    async with open_store(url(path), environ={}, clock_us=lambda: 1) as store:
        await store.log.append([Draft(UUID(int=1), KeyRemoved("a"))], expected=0, actor="test")
        async with open_log(url(path)) as log:
            assert [recorded.event for recorded in await log.read(0)] == [KeyRemoved("a")]
    writer = sqlite3.connect(path, isolation_level=None)
    try:
        writer.execute("BEGIN IMMEDIATE")
        async with open_log(url(path)) as log:
            assert len(await log.read(0)) == 1
            assert await log.verify() == 1
    finally:
        writer.close()


@pytest.mark.parametrize("content", [None, b"", b"no database at all " * 50])
async def test_what_is_no_log_is_refused_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    """Looking at a missing, empty or foreign file makes nothing and changes nothing."""
    path = tmp_path / "pointsman.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StartFailed) as refused:
        async with open_log(url(path)):
            pass
    assert refused.value.wrong_input
    assert str(path) in str(refused.value)
    assert [found.read_bytes() for found in tmp_path.iterdir()] == ([] if content is None else [content])


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    """A SQLite file of somebody else's is named as such and not changed by a byte."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StartFailed, match="another program"):
        async with open_log(url(path)):
            pass
    assert path.read_bytes() == before
