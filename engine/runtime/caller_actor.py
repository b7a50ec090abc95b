"""The keys' actor: owns what every limited key has in flight, across all pools.

The same laws as `pool_actor`. A request of a key without limits never asks it, so it costs nothing then.
"""

import math

import trio

from engine.caller import CallerMessage, CallerState, Enter, Entry, Leave, step
from engine.names import KeyId, Ticket
from engine.ports import Clock
from engine.runtime.reply import Reply


class CallerActor:
    def __init__(self, *, clock: Clock) -> None:
        self._state = CallerState()
        self._clock = clock
        self._replies: dict[Ticket, Reply[Entry]] = {}
        self._mailbox, self._letters = trio.open_memory_channel[CallerMessage](math.inf)

    def active(self) -> dict[KeyId, int]:
        """Requests in flight by limited key; keys with none are absent."""
        return dict(self._state.active)

    async def run(self) -> None:
        """Take messages for ever."""
        while True:
            entry = step(self._state, await self._letters.receive())
            if entry is not None and (reply := self._replies.pop(entry.ticket, None)) is not None:
                reply.put(entry)

    async def enter(self, ticket: Ticket, key_id: KeyId, limit: int | None) -> bool:
        """Whether the key may have one more request in flight. Whatever comes of it, `leave` must follow."""
        reply: Reply[Entry] = Reply()
        self._replies[ticket] = reply
        self._mailbox.send_nowait(Enter(ticket, self._clock(), key_id, limit))
        try:
            return (await reply.get()).granted
        finally:
            self._replies.pop(ticket, None)

    def leave(self, ticket: Ticket) -> None:
        self._mailbox.send_nowait(Leave(ticket, self._clock()))
