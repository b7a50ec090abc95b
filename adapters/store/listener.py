"""Hears PostgreSQL's notifications, on a connection of its own.

Law: it never ends before it is stopped. A connection that is lost or half open is noticed within seconds and made
again, soon at first, then after longer and longer pauses; what was missed meanwhile is made up for by telling of news
after every (re)connect (SYNC-22 to SYNC-24, DEF-5, DEF-6). No error's text decides anything (DEF-13).
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from adapters.store.sync import SyncState

CHECK_EVERY_S: Final = 5.0
"""A TCP connection whose other end is gone without a word looks like one on which nothing happens."""
ANSWER_S: Final = 2.0
_PAUSE_S: Final = (0.05, 2.0)
"""The first and the longest pause between attempts."""


class Audience(Protocol):
    """Who is told; its functions are called in the asyncio thread."""

    def heard(self, payload: str) -> None: ...

    def came_back(self) -> None:
        """Anything may have been missed before now."""
        ...

    def changed(self, state: SyncState, error: str | None) -> None: ...


class Listener:
    """`start` and `stop` run in the asyncio thread."""

    def __init__(
        self,
        connect: Callable[[], Any],
        channel: str,
        audience: Audience,
        *,
        check_every_s: float = CHECK_EVERY_S,
        answer_s: float = ANSWER_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connect = connect
        "Gives an awaitable of an asyncpg connection, bounded in time."
        self._channel = channel
        self._audience = audience
        self._check_every_s = check_every_s
        self._answer_s = answer_s
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="listener")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        shortest, longest = _PAUSE_S
        pause = shortest
        while True:
            self._audience.changed(SyncState.CONNECTING, None)
            try:
                connection = await self._connect()
                pause = shortest
                try:
                    reason = await self._listen(connection)
                finally:
                    connection.terminate()
            except Exception as error:  # noqa: BLE001 - none that we know, none that we do not, may end it
                reason = f"{type(error).__name__}: {error}".removesuffix(": ")
            self._audience.changed(SyncState.DISCONNECTED, reason)
            self._audience.changed(SyncState.RECONNECTING, None)
            await self._sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
            pause = min(pause * 2, longest)

    async def _listen(self, connection: Any) -> str:
        """Why it ended, unless it raises that."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(self._channel, lambda _c, _pid, _channel, payload: self._audience.heard(payload))
        self._audience.changed(SyncState.CONNECTED, None)
        self._audience.came_back()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(lost.wait(), self._check_every_s)
                return "the server ended the connection"
            await connection.execute("SELECT 1", timeout=self._answer_s)
