"""One pool's actor: the machine, its mailbox, its deadline, and nothing else.

Law: it owns its `PoolState`; all changes are messages through the mailbox, taken in order; its only await is the
mailbox; what it is told is sent with `send_nowait`, so telling never blocks and works while being cancelled. All it
takes and answers goes to the journal in the same step. An exception in `step` is a bug and ends the process.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import trio

from engine.names import Alias, Position, Ticket
from engine.pool.circuit import Turn
from engine.pool.machine import step, wake_at
from engine.pool.messages import (
    Acquire,
    Answered,
    Effect,
    Finish,
    Message,
    Outcome,
    Reconfigure,
    Retry,
    Tick,
)
from engine.pool.meter import Meters
from engine.pool.state import PoolState
from engine.pool.view import PoolView, view
from engine.ports import Clock
from engine.runtime.journal import Journal
from engine.runtime.reply import Reply
from engine.snapshot import Pool

OnTurn: TypeAlias = Callable[[Alias, Turn], None]

_SECOND = 10**9


class PoolActor:
    """`meters` is the process's table of deployments' limits, `seed` that of the pool's draws; `on_turn` hears of
    circuits.
    """

    def __init__(
        self,
        alias: Alias,
        *,
        seed: int,
        clock: Clock,
        meters: Meters,
        journal: Journal,
        on_turn: OnTurn = lambda alias, turn: None,  # noqa: ARG005 - nobody
    ) -> None:
        self._alias = alias
        self._state = PoolState(alias, seed, meters)
        self._clock = clock
        self._journal = journal
        self._on_turn = on_turn
        self._sent: Position = 0
        self._replies: dict[Ticket, Reply[Effect]] = {}
        self._mailbox, self._letters = trio.open_memory_channel[Message](math.inf)
        journal.begin_pool(alias, seed)

    @property
    def state(self) -> PoolState:
        """As it is between two steps; never to be changed."""
        return self._state

    @property
    def is_settled(self) -> bool:
        """Whether it runs the last definition it was sent."""
        return self._state.position >= self._sent

    def view(self) -> PoolView | None:
        """The state between two messages; None once the alias is gone."""
        return view(self._state, self._clock())

    async def run(self, on_over: Callable[[], None]) -> None:
        """Take messages until the pool is retired and empty; then call `on_over` in the same step and return."""
        state, letters = self._state, self._letters
        while True:
            self._take(await self._next())
            try:
                # All that has come meanwhile, without a trip through the scheduler for each.
                while True:
                    self._take(letters.receive_nowait())
            except trio.WouldBlock:
                pass
            if state.is_over:
                # The mailbox is empty and nobody can find this actor from here on: no letter is lost.
                on_over()
                return

    async def acquire(self, ticket: Ticket, affinity: int | None = None) -> Effect:
        """Ask for the first provider. Whatever comes of it, `finish` must follow."""
        return await self._ask(ticket, Acquire(ticket, self._clock(), affinity))

    async def retry(self, ticket: Ticket, outcome: Outcome) -> Effect:
        """End the running attempt and ask for the next provider; the answer comes after the pool's backoff."""
        return await self._ask(ticket, Retry(ticket, self._clock(), outcome))

    def answered(self, ticket: Ticket) -> None:
        """The running attempt, which is a probe, has got a good head."""
        self._mailbox.send_nowait(Answered(ticket, self._clock()))

    def finish(self, ticket: Ticket, outcome: Outcome) -> None:
        """Free all that the ticket holds, once its request is over. Harmless when it holds nothing."""
        self._mailbox.send_nowait(Finish(ticket, self._clock(), outcome))

    def reconfigure(self, pool: Pool | None, position: Position) -> None:
        self._sent = position
        self._mailbox.send_nowait(Reconfigure(pool, position, self._clock()))

    async def _next(self) -> Message:
        """The next letter, or a tick when the machine's deadline comes first."""
        due = wake_at(self._state)
        if due is None:
            return await self._letters.receive()
        with trio.move_on_after(max(0, due - self._clock()) / _SECOND):
            return await self._letters.receive()
        return Tick(self._clock())

    def _take(self, message: Message) -> None:
        state, journal = self._state, self._journal
        if self._alias not in journal.pools or isinstance(message, Reconfigure):
            journal.keep_pool(state, message)
        effects = step(state, message)
        journal.note(self._alias, message, effects)
        for turn in self._state.turns:
            self._on_turn(self._alias, turn)
        for effect in effects:
            reply = self._replies.pop(effect.ticket, None)
            if reply is not None:
                reply.put(effect)

    async def _ask(self, ticket: Ticket, message: Message) -> Effect:
        reply: Reply[Effect] = Reply()
        self._replies[ticket] = reply
        self._mailbox.send_nowait(message)
        try:
            return await reply.get()
        finally:
            self._replies.pop(ticket, None)
