"""Keys' live state as a pure machine: how many requests each limited key has in flight (CL-3, CL-6).

Keys span pools, so this is one machine beside the pools'. A key without limits never comes here.
Law: a key's count is the number of its tickets; a late or unknown `Leave` is harmless.
"""

from typing import TypeAlias

import attrs

from engine.names import KeyId, Nanoseconds, Ticket


@attrs.frozen
class Enter:
    """A request of a key wants in, under the limit its snapshot gives."""

    ticket: Ticket
    at: Nanoseconds
    key_id: KeyId
    limit: int | None


@attrs.frozen
class Leave:
    ticket: Ticket
    at: Nanoseconds


CallerMessage: TypeAlias = Enter | Leave


@attrs.frozen
class Entry:
    """The answer to `Enter`."""

    ticket: Ticket
    granted: bool


@attrs.define(eq=False)
class CallerState:
    """Counts are kept by key id and live as long as a request does, so no configuration change touches them."""

    tickets: dict[Ticket, KeyId] = attrs.field(factory=dict)
    active: dict[KeyId, int] = attrs.field(factory=dict)


def step(state: CallerState, message: CallerMessage) -> Entry | None:
    """Take one message; change the state in place; the answer to `Enter`."""
    match message:
        case Enter(ticket=ticket, key_id=key_id, limit=limit):
            if ticket in state.tickets:
                return Entry(ticket, granted=True)
            active = state.active.get(key_id, 0)
            if limit is not None and active >= limit:
                return Entry(ticket, granted=False)
            state.tickets[ticket] = key_id
            state.active[key_id] = active + 1
            return Entry(ticket, granted=True)
        case Leave(ticket=ticket):
            left = state.tickets.pop(ticket, None)
            if left is not None:
                state.active[left] -= 1
                if not state.active[left]:
                    del state.active[left]
            return None
