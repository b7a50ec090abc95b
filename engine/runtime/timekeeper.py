"""The timekeeper: appends what time has brought about (DEF-16).

Law: every replica may run one. Each change is decided on the newest table and appended exactly there, so whoever comes
second finds that it holds already.
"""

from collections.abc import Callable
from typing import Final

import trio

from engine.commands import SettleAccounts
from engine.errors import StoreError
from engine.runtime.writer import Writer
from engine.settlement import next_due

ACTOR: Final = "clock"
_RETRY_S = 5.0
_LONGEST_S = 3600.0
"""How long it sleeps at most, since the clock on the wall may be set."""


class Timekeeper:
    def __init__(self, writer: Writer, *, unix_us: Callable[[], int]) -> None:
        self._writer = writer
        self._unix_us = unix_us
        self._rung = trio.Event()

    def ring(self) -> None:
        """Tariffs have changed."""
        self._rung.set()

    async def run(self) -> None:
        """Settle what is due, for ever. A store that is away delays it."""
        while True:
            self._rung = trio.Event()
            at_us = self._unix_us()
            try:
                await self._writer.write(SettleAccounts(at_us), actor=ACTOR)
            except StoreError:
                await trio.sleep(_RETRY_S)
                continue
            following = next_due(self._writer.snapshot, at_us)
            wait_s = _LONGEST_S if following is None else (following - self._unix_us()) / 1e6
            with trio.move_on_after(min(max(wait_s, 0.0), _LONGEST_S)):
                await self._rung.wait()
