"""One request, as it was recorded: what it was told and why, and whether all of it comes out again.

Law: only blocks that tell of the request are read; each is computed again from its own beginning to the request's last
entry in it. What is missing is said; nothing is guessed.
"""

from collections.abc import Iterable, Sequence

import attrs

from engine.access import Admission
from engine.caller import Enter
from engine.errors import Refused
from engine.names import Alias, KeyId, Position, Ticket
from engine.pool.messages import Acquire
from engine.recording import Block, Entry, Granted, Reconfigured, Served
from engine.snapshot import RoutingSnapshot
from projections.readmission import Applicant, is_decided, readmitted, served_as
from projections.replay import Definitions, Mismatch, Replay


@attrs.frozen
class Story:
    process: str
    at_us: int
    "When it began, by the wall clock."
    ticket: Ticket | None
    served: Served | None
    "None: it had not ended when the last of its blocks was written."
    entries: tuple[Entry, ...]
    mismatch: Mismatch | None
    "None: computed again, everything came out as it was recorded."
    cannot: str | None
    "Why that could not be seen."

    @property
    def pool(self) -> Alias | None:
        found = (entry.alias for entry in self.entries if entry.alias is not None)
        return next(found, self.served.pool if self.served is not None else None)

    @property
    def key_id(self) -> KeyId | None:
        """None: no known key, or it has not ended and its key has no limits that would tell of it."""
        if self.served is not None:
            return self.served.key_id
        return next((entry.told.key_id for entry in self.entries if isinstance(entry.told, Enter)), None)

    @property
    def position(self) -> Position | None:
        """Of the table it began with, or of a newer one that gave it a provider.

        None: it has not ended, and nothing tells of it: a provider's lease alone has the position of the last change
        of its pool, and other changes may have come after that.
        """
        if self.served is not None:
            return self.served.position
        began = next((entry.told.position for entry in self.entries if isinstance(entry.told, Enter)), None)
        return None if began is None else max(began, self.decided_at or 0)

    @property
    def decided_at(self) -> Position | None:
        """The newest change of its pool that a provider was given to it under; None: none was."""
        answers = (answer for entry in self.entries for answer in entry.answers)
        leased = (one.position for one in answers if isinstance(one, Granted) and one.ticket == self.ticket)
        return max(leased, default=None)


def definitions_in(blocks: Iterable[Block]) -> frozenset[tuple[Alias, Position]]:
    """What has to be known of the event log to compute blocks again."""
    wanted: set[tuple[Alias, Position]] = set()
    for block in blocks:
        wanted.update((alias, kept.defined_at) for alias, kept in block.pools.items() if kept.defined_at)
        wanted.update(
            (entry.alias, entry.told.position)
            for entry in block.entries
            if entry.alias is not None and isinstance(entry.told, Reconfigured) and not entry.told.is_gone
        )
    return frozenset(wanted)


def story(name: str, blocks: Sequence[Block], definitions: Definitions) -> Story | None:
    """The request of this id, or of this number of a decision, from blocks of one process, oldest first."""
    # Clients choose ids, and may use one again: the newest is told of.
    ended = (one for block in reversed(blocks) for one in reversed(block.requests))
    served = next((one for one in ended if _is_named(one, name)), None)
    ticket = served.ticket if served is not None else _number(name)
    entries = tuple(entry for block in blocks for entry in _of(block, ticket))
    if not blocks or (served is None and not entries):
        return None
    began = served.at if served is not None else getattr(entries[0].told, "at", blocks[0].at)
    clock = blocks[0]
    at_us = clock.unix_us + (began - clock.at) // 1000
    cannot = None
    if entries and not isinstance(entries[0].told, Enter | Acquire):
        cannot = "the beginning of this request is not in the journal any more, or was lost"
    mismatch = _recomputed(blocks, ticket, definitions) if ticket is not None else None
    return Story(blocks[0].process, at_us, ticket, served, entries, mismatch, cannot)


def admission(told: Story, table: RoutingSnapshot) -> tuple[Admission | Refused, Mismatch | None] | None:
    """Whether the table of its position lets the request in, and how that differs from what was recorded.

    None: what would have to be known of it is not recorded.
    """
    served = told.served
    if served is None or not is_decided(served):
        return None
    result = readmitted(table, Applicant.of(served), told.at_us // 1_000_000)
    recorded, recomputed = served_as(served), served_as(result)
    if recorded == recomputed:
        return result, None
    return result, Mismatch(0, served.pool, served.ticket, "admission", recorded, recomputed)


def _recomputed(blocks: Sequence[Block], ticket: Ticket, definitions: Definitions) -> Mismatch | None:
    for block in blocks:
        own = _of(block, ticket)
        last = own[-1].seq if own else 0
        again = Replay(definitions)
        if last and (found := again.enter(block)) is not None:
            return found
        for entry in block.entries:
            if entry.seq > last:
                break
            if (found := again.take(entry)) is not None:
                return found
    return None


def _of(block: Block, ticket: Ticket | None) -> list[Entry]:
    return [] if ticket is None else [entry for entry in block.entries if _tells_of(entry, ticket)]


def _tells_of(entry: Entry, ticket: Ticket) -> bool:
    """Whether it was the request's own, or ended one of its pauses."""
    return getattr(entry.told, "ticket", None) == ticket or any(one.ticket == ticket for one in entry.answers)


def _is_named(served: Served, name: str) -> bool:
    return served.request_id == name or (served.ticket is not None and str(served.ticket) == name)


def _number(name: str) -> Ticket | None:
    return int(name) if name.isascii() and name.isdigit() and len(name) < 19 else None
