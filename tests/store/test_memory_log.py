"""The event log in memory."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.store import MemoryEventLog
from engine.errors import LogDamaged
from tests.contracts.event_log import EventLogContract, OpenLog, draft


class TestMemoryEventLog(EventLogContract):
    @pytest.fixture
    def open_log(self) -> OpenLog:
        @asynccontextmanager
        async def open_() -> AsyncIterator[MemoryEventLog]:
            yield MemoryEventLog(clock_us=itertools.count(1).__next__)

        return open_


async def test_verify_notices_a_changed_entry() -> None:
    """Its chain is a real one."""
    log = MemoryEventLog(clock_us=itertools.count(1).__next__)
    await log.append([draft(1), draft(2)], expected=0, actor="a")
    log._entries[1] = log._entries[1]._replace(actor="b")
    with pytest.raises(LogDamaged) as caught:
        await log.verify()
    assert caught.value.position == 2
