"""The keys' actor: owns what every limited key has in flight and has left, across all pools.

The same laws as `pool_actor`. A request of a key without limits never asks it, so it costs nothing then.
"""

import math

import trio

from engine.caller import Admitted, CallerMessage, CallerState, Enter, Leave, step
from engine.names import KeyId, Position, Ticket
from engine.pool.view import KeyView, key_view
from engine.ports import Clock
from engine.runtime.journal import Journal
from engine.runtime.reply import Reply
from engine.snapshot import Key


class CallerActor:
    def __init__(self, *, clock: Clock, journal: Journal) -> None:
        self._state = CallerState()
        self._clock = clock
        self._journal = journal
        self._replies: dict[Ticket, Reply[Admitted]] = {}
        self._mailbox, self._letters = trio.open_memory_channel[CallerMessage](math.inf)

    @property
    def state(self) -> CallerState:
        """As it is between two steps; never to be changed."""
        return self._state

    def standing(self) -> dict[KeyId, tuple[int, int | None]]:
        """Requests in flight and tokens left (None: no rate limit), of limited keys that are not as good as new."""
        at = self._clock()
        return {
            key_id: (key.active, None if key.limiter is None else key.limiter.quota(at).remaining)
            for key_id, key in self._state.keys.items()
        }

    def views(self) -> dict[KeyId, KeyView]:
        """The same, with their limits."""
        at = self._clock()
        return {key_id: key_view(key, at) for key_id, key in self._state.keys.items()}

    async def run(self) -> None:
        """Take messages for ever."""
        letters = self._letters
        while True:
            self._take(await letters.receive())
            try:
                # All that has come meanwhile, without a trip through the scheduler for each.
                while True:
                    self._take(letters.receive_nowait())
            except trio.WouldBlock:
                pass

    async def enter(self, ticket: Ticket, key: Key, position: Position) -> Admitted:
        """Whether a key, as of a position, may send one more request. Whatever comes of it, `leave` must follow."""
        reply: Reply[Admitted] = Reply()
        self._replies[ticket] = reply
        self._mailbox.send_nowait(Enter(ticket, self._clock(), key.key_id, key.limits, position))
        try:
            return await reply.get()
        finally:
            self._replies.pop(ticket, None)

    def _take(self, message: CallerMessage) -> None:
        self._journal.keep_key(self._state, message)
        answers = step(self._state, message)
        self._journal.note(None, message, answers)
        for admitted in answers:
            reply = self._replies.pop(admitted.ticket, None)
            if reply is not None:
                reply.put(admitted)

    def leave(self, ticket: Ticket, *, spent: bool) -> None:
        """The request is over. `spent`: whether it was let in everywhere; if not, its token comes back."""
        self._mailbox.send_nowait(Leave(ticket, self._clock(), spent))
