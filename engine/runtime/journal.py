"""What the actors were told and what they answered, in the order in which it happened, and how requests ended.

Law: noting never waits and never fails; memory is bounded. Notes are numbered without gaps as they are made, so
that what a slow reader missed shows as a gap, and is counted. An actor's state is kept before its first note after a
`close`, with that of the meters and keys it may change: so what is kept between two closings is how all that has a
note between them was at the first one, and actors that nobody tells anything cost nothing.
"""

from collections import deque
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeAlias, TypeVar

import attrs

from engine.caller import Admitted, CallerMessage, CallerState, Enter
from engine.checkpoint import KeptKey, KeptMeter, KeptPool, keep_key, keep_meter, keep_pool, tickets_by_key
from engine.names import Alias, KeyId, Ticket
from engine.pool.messages import Effect, Message, Reconfigure
from engine.pool.state import PoolState
from engine.recording import Entry, Served, Started, answers_of, told_of

CAPACITY = 65536

Input: TypeAlias = Started | Message | CallerMessage
Answers: TypeAlias = tuple[Effect, ...] | tuple[Admitted, ...]
_K = TypeVar("_K")
_V = TypeVar("_V")


class Note(NamedTuple):
    """An entry with the live values, as cheap as it can be made."""

    seq: int
    alias: Alias | None
    input: Input
    answers: Answers

    def entry(self) -> Entry:
        """As it is recorded."""
        return Entry(self.seq, self.alias, told_of(self.input), answers_of(self.answers))


@attrs.frozen
class Taken:
    """All that was noted since the last time, but for what was lost."""

    notes: tuple[Note, ...]
    served: tuple[Served, ...]
    dropped: int
    "Notes lost before the first of these."
    dropped_requests: int


@attrs.frozen
class Kept:
    """How those that were told something after one `close` and before the next were at the first."""

    pools: Mapping[Alias, KeptPool]
    meters: Mapping[str, KeptMeter]
    keys: Mapping[KeyId, KeptKey]
    told: Collection[Alias] = ()
    "The pools that were told something, those included that began."


_new = tuple.__new__
"""What `Note(…)` comes to in the end; the way there takes as long again as the rest of noting."""


class Journal:
    """Two rings of the newest, until they are taken. With no capacity at all nothing is kept, and nobody takes."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._notes = deque[Note](maxlen=capacity)
        self._served = deque[Served](maxlen=capacity)
        self._taken = 0
        self._requests = self._taken_requests = 0
        self._meters: dict[str, KeptMeter | None] = {}
        self._keys: dict[KeyId, KeptKey | None] = {}
        self._tickets: dict[KeyId, list[Ticket]] | None = None
        self.pools: dict[Alias, KeptPool | None] = {}
        "Those that were told something since the last `close`. None, here and below: it was not there yet."
        self.seq = 0
        "Of the newest note; 0 before the first."

    def note(self, alias: Alias | None, message: Input, answers: Answers) -> None:
        self.seq = seq = self.seq + 1
        self._notes.append(_new(Note, (seq, alias, message, answers)))

    def note_request(self, served: Served) -> None:
        self._requests += 1
        self._served.append(served)

    def begin_pool(self, alias: Alias, seed: int) -> None:
        """An actor begins: there is no state to keep."""
        self.pools.setdefault(alias, None)
        self.note(alias, Started(seed), ())

    def keep_pool(self, state: PoolState, message: Message) -> None:
        """Before the pool takes its first message since the last `close`, and before each `Reconfigure`."""
        if not self._capacity:
            self.pools[state.alias] = None
            return
        if state.alias not in self.pools:
            self.pools[state.alias] = keep_pool(state)
            for slot in (*state.slots, *state.draining):
                if slot.provider.deployment is not None and slot.provider.deployment not in self._meters:
                    self._meters[slot.provider.deployment] = keep_meter(slot.meter)
        if isinstance(message, Reconfigure) and message.pool is not None:
            # It may come to count on meters of other pools, or make new ones.
            for provider in message.pool.providers:
                name = provider.deployment
                if name is not None and name not in self._meters:
                    meter = state.meters.shared.get(name)
                    self._meters[name] = keep_meter(meter) if meter is not None else None

    def keep_key(self, state: CallerState, message: CallerMessage) -> None:
        """Before each message to the keys' actor."""
        key_id = message.key_id if isinstance(message, Enter) else state.tickets.get(message.ticket)
        if key_id is None or key_id in self._keys or not self._capacity:
            return
        key = state.keys.get(key_id)
        if self._tickets is None and key is not None:
            # Once for all keys: those of a key that was told nothing since are what they were.
            self._tickets = tickets_by_key(state)
        tickets = self._tickets.get(key_id, ()) if self._tickets is not None else ()
        self._keys[key_id] = keep_key(key, tickets) if key is not None else None

    def take(self) -> Taken:
        notes, served = tuple(self._notes), tuple(self._served)
        self._notes.clear()
        self._served.clear()
        dropped = self.seq - self._taken - len(notes)
        dropped_requests = self._requests - self._taken_requests - len(served)
        self._taken, self._taken_requests = self.seq, self._requests
        return Taken(notes, served, dropped, dropped_requests)

    def close(self) -> Kept:
        """What was kept since the last time; to be called in one step with the taking of the last notes."""
        kept = Kept(_present(self.pools), _present(self._meters), _present(self._keys), self.pools.keys())
        self.pools, self._meters, self._keys, self._tickets = {}, {}, {}, None
        return kept


def _present(kept: Mapping[_K, _V | None]) -> dict[_K, _V]:
    return {name: one for name, one in kept.items() if one is not None}
