"""Who is let in under a table that is tried: access, and then the key's own limits.

Law: as in `projections.what_if`. The keys' live state begins with what was recorded of it and goes on by itself.
"""

from typing import Final

import attrs

from engine import caller
from engine.caller import CallerState, Enter, Entry, Leave
from engine.errors import Refused
from engine.names import KeyId, Nanoseconds, Ticket
from engine.recording import Block
from engine.restoring import restore_keys
from engine.snapshot import Limits, RoutingSnapshot
from projections.readmission import Applicant, readmitted
from projections.traffic import ACCESS, Verdict, Went, verdict_of_key

_NEWEST: Final = 2**62
"""As the position of a key's limits: newer than any that was recorded."""


class Gate:
    def __init__(self, table: RoutingSnapshot) -> None:
        self._table = table
        self._unix_us = 0
        self.forget()

    def forget(self) -> None:
        """Who is inside is not known after a hole."""
        self._callers, self._known = CallerState(), set[KeyId]()

    def enter(self, block: Block) -> None:
        """Take up what begins to be known with a block."""
        self._unix_us = block.unix_us - block.at // 1000
        unknown = {key_id: key for key_id, key in block.keys.items() if key_id not in self._known}
        self._known.update(unknown)
        restore_keys(unknown, self._callers)

    def admit(self, ticket: Ticket, at: Nanoseconds, who: Applicant | None, unknown: Went) -> Went:
        """The request on its way to its pool, or refused. `unknown`: what is known of one that has not ended yet."""
        went, limits = unknown, Limits()
        if who is not None:
            let_in = readmitted(self._table, who, (self._unix_us + at // 1000) // 1_000_000)
            if isinstance(let_in, Refused):
                return Went(who.alias, who.key_id, None, (), Verdict(ACCESS, let_in.reason.value))
            went = Went(who.alias, who.key_id, let_in.pool.alias)
            limits = let_in.key.limits if let_in.key is not None else limits
        elif went.key_id is not None and (key := self._table.keys.get(went.key_id)) is not None:
            limits = key.limits
        verdict = None if went.key_id is None else self._of_key(ticket, at, went.key_id, limits)
        return went if verdict is None else attrs.evolve(went, pool=None, refused=verdict)

    def leave(self, ticket: Ticket, at: Nanoseconds, *, spent: bool) -> None:
        caller.step(self._callers, Leave(ticket, at, spent))

    def _of_key(self, ticket: Ticket, at: Nanoseconds, key_id: KeyId, limits: Limits) -> Verdict | None:
        """Why the key's limits turn the request away; None: they do not."""
        if limits.max_concurrent is None and limits.requests_per_second is None:
            return None
        self._known.add(key_id)
        (admitted,) = caller.step(self._callers, Enter(ticket, at, key_id, limits, _NEWEST))
        return None if admitted.entry is Entry.GRANTED else verdict_of_key(admitted.entry)
