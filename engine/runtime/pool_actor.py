"""One pool's actor: the machine, its mailbox, and nothing else.

Law: it owns its `PoolState`; all changes are messages through the mailbox, taken in order; its only await is the
mailbox; what it is told is sent with `send_nowait`, so telling never blocks and works while being cancelled. An
exception in `step` is a bug and ends the process.
"""

import math
from collections.abc import Callable

import trio

from engine.names import Alias, Position, Ticket
from engine.pool.machine import step
from engine.pool.messages import Acquire, Effect, Finish, Message, Outcome, Reconfigure, Retry
from engine.pool.state import PoolState
from engine.pool.view import PoolView, view
from engine.ports import Clock
from engine.runtime.reply import Reply
from engine.snapshot import Pool


class PoolActor:
    def __init__(self, alias: Alias, *, seed: int, clock: Clock) -> None:
        self._state = PoolState(alias, seed)
        self._clock = clock
        self._sent: Position = 0
        self._replies: dict[Ticket, Reply[Effect]] = {}
        self._mailbox, self._letters = trio.open_memory_channel[Message](math.inf)

    @property
    def changes(self) -> int:
        """Grows with every message taken; an observer compares it to skip a pool that is as it was."""
        return self._state.changes

    @property
    def is_settled(self) -> bool:
        """Whether it runs the last definition it was sent."""
        return self._state.position >= self._sent

    def view(self) -> PoolView | None:
        """The state between two messages; None once the alias is gone."""
        return view(self._state)

    async def run(self, on_over: Callable[[], None]) -> None:
        """Take messages until the pool is retired and empty; then call `on_over` in the same step and return."""
        state, replies, letters = self._state, self._replies, self._letters
        while True:
            message = await letters.receive()
            while True:
                effect = step(state, message)
                if effect is not None and (reply := replies.pop(effect.ticket, None)) is not None:
                    reply.put(effect)
                try:
                    # All that has come meanwhile, without a trip through the scheduler for each.
                    message = letters.receive_nowait()
                except trio.WouldBlock:
                    break
            if state.is_over:
                # The mailbox is empty and nobody can find this actor from here on: no letter is lost.
                on_over()
                return

    async def acquire(self, ticket: Ticket) -> Effect:
        """Ask for the first provider. Whatever comes of it, `finish` must follow."""
        return await self._ask(ticket, Acquire(ticket, self._clock()))

    async def retry(self, ticket: Ticket, outcome: Outcome) -> Effect:
        """End the running attempt and ask for the next provider."""
        return await self._ask(ticket, Retry(ticket, self._clock(), outcome))

    def finish(self, ticket: Ticket, outcome: Outcome) -> None:
        """Free all that the ticket holds, once its request is over. Harmless when it holds nothing."""
        self._mailbox.send_nowait(Finish(ticket, self._clock(), outcome))

    def reconfigure(self, pool: Pool | None, position: Position) -> None:
        self._sent = position
        self._mailbox.send_nowait(Reconfigure(pool, position, self._clock()))

    async def _ask(self, ticket: Ticket, message: Message) -> Effect:
        reply: Reply[Effect] = Reply()
        self._replies[ticket] = reply
        self._mailbox.send_nowait(message)
        try:
            return await reply.get()
        finally:
            self._replies.pop(ticket, None)
