"""Keys' live state as a pure machine: what each limited key has in flight and has left (RL-3, CL-3, CL-6).

Keys span pools, so this is one machine beside the pools'. A key without limits never comes here.
Laws: a key's count is the number of its tickets; a request that is refused, here or in its pool, spends no token
(ORDER-2); a late or unknown `Leave` is harmless; limits are those of the newest snapshot that was seen.
"""

from enum import Enum
from typing import TypeAlias

import attrs

from engine.limiter import Limiter, Quota, adjusted
from engine.names import KeyId, Nanoseconds, Position, Ticket
from engine.snapshot import Limits


@attrs.define
class Enter:
    """A request of a key wants in, under the limits its snapshot gives."""

    ticket: Ticket
    at: Nanoseconds
    key_id: KeyId
    limits: Limits
    position: Position
    "Of that snapshot."


@attrs.define
class Leave:
    ticket: Ticket
    at: Nanoseconds
    spent: bool
    "Whether the request was let in everywhere; if not, its token comes back."


CallerMessage: TypeAlias = Enter | Leave


class Entry(Enum):
    GRANTED = "granted"
    RATE = "rate"
    "The key's rate limit (RL-4)."
    FULL = "full"
    "The key's concurrency limit (CL-3)."


@attrs.define
class Admitted:
    """The answer to `Enter`."""

    ticket: Ticket
    entry: Entry
    retry_at: Nanoseconds | None = None
    "When asking again may help, where that is known."
    quota: Quota | None = None
    "Of the key's rate limit."


@attrs.define(eq=False)
class KeyState:
    limits: Limits
    position: Position
    "Of the newest snapshot that was seen."
    limiter: Limiter | None
    active: int = 0


@attrs.define(eq=False)
class CallerState:
    """State is kept by key id, so no configuration change touches it but for the limits (ADOPT-5)."""

    keys: dict[KeyId, KeyState] = attrs.field(factory=dict)
    tickets: dict[Ticket, KeyId] = attrs.field(factory=dict)


def step(state: CallerState, message: CallerMessage) -> tuple[Admitted, ...]:
    """Take one message; change the state in place; the answer to `Enter`."""
    match message:
        case Enter():
            return (_enter(state, message),)
        case Leave():
            _leave(state, message)
            return ()


def _enter(state: CallerState, message: Enter) -> Admitted:
    ticket, at = message.ticket, message.at
    if ticket in state.tickets:
        # Asked twice; the first answer stands and nothing is taken twice.
        return Admitted(ticket, Entry.GRANTED)
    key = _key(state, message)
    limiter, limit = key.limiter, key.limits.max_concurrent
    if limiter is not None and not limiter.has_token(at):
        return Admitted(ticket, Entry.RATE, limiter.next_at(at), limiter.quota(at))
    if limit is not None and key.active >= limit:
        return Admitted(ticket, Entry.FULL)
    state.tickets[ticket] = message.key_id
    key.active += 1
    if limiter is None:
        return Admitted(ticket, Entry.GRANTED)
    limiter.take(at)
    return Admitted(ticket, Entry.GRANTED, None, limiter.quota(at))


def _key(state: CallerState, message: Enter) -> KeyState:
    key = state.keys.get(message.key_id)
    if key is None:
        limiter = adjusted(None, message.limits, message.at)
        key = state.keys[message.key_id] = KeyState(message.limits, message.position, limiter)
    elif message.position > key.position:
        key.position = message.position
        if message.limits != key.limits:
            key.limits = message.limits
            key.limiter = adjusted(key.limiter, message.limits, message.at)
    return key


def _leave(state: CallerState, message: Leave) -> None:
    key_id = state.tickets.pop(message.ticket, None)
    if key_id is None:
        return
    key = state.keys[key_id]
    key.active -= 1
    if key.limiter is not None and not message.spent:
        key.limiter.give_back(message.at)
    if not key.active and (key.limiter is None or key.limiter.is_full(message.at)):
        # As good as new: nothing to remember.
        del state.keys[key_id]
