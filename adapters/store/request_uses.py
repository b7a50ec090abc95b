"""Which request a name means in a block of the journal."""

import attrs

from engine.names import Nanoseconds, Ticket
from engine.recording import Block


@attrs.frozen
class Use:
    """A request that has a name: its id, which clients choose and may use again, or its decisions' number."""

    process: str
    ticket: Ticket | None
    began: Nanoseconds | None
    "None: it has not ended in this block."


def newest_use(block: Block, name: str) -> Use | None:
    """The last request of a name that a block tells of; one that ended goes before one that did not."""
    ticket = int(name) if name.isascii() and name.isdigit() else None
    for one in reversed(block.requests):
        if one.request_id == name or (ticket is not None and one.ticket == ticket):
            return Use(block.process, one.ticket, one.at)
    return Use(block.process, ticket, None) if tells_of(block, ticket) else None


def tells_of(block: Block, ticket: Ticket | None) -> bool:
    """Whether a block has something of the request with these decisions; none has anything of None."""
    if ticket is None:
        return False
    return any(one.ticket == ticket for one in block.requests) or any(
        getattr(entry.told, "ticket", None) == ticket or any(answer.ticket == ticket for answer in entry.answers)
        for entry in block.entries
    )
