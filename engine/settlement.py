"""What time brings about: tariffs that begin and end, and accounts that are not settled yet.

Law: pure; the fold reads no clock (SYNC-30), so that what holds at a position holds whoever folds the log and when.
Whoever has a clock asks what is due and appends it; two who do find nothing left the second time, and two whose clocks
differ take nothing back (`engine.tariffs`).
"""

from collections.abc import Iterator

from engine.entity_changes import funds
from engine.events import Event
from engine.snapshot import RoutingSnapshot


def due(snapshot: RoutingSnapshot, at_us: int) -> Iterator[Event]:
    """The events of what has come about by a moment, in Unix microseconds, and is not in the log yet."""
    # Looked at by the ten thousand, and hardly ever something is due: it is sorted afterwards.
    tariffs = [turn for one in snapshot.catalogue.tariffs.values() if (turn := one.turn(at_us)) is not None]
    yield from sorted(tariffs, key=lambda event: event.tariff_id)
    accounts = [
        event
        for user_id, ledger in snapshot.catalogue.ledgers.items()
        for event in funds(snapshot, user_id, ledger.balance)
    ]
    yield from sorted(accounts, key=lambda event: event.user_id)


def next_due(snapshot: RoutingSnapshot, after_us: int) -> int | None:
    """When the next tariff begins or ends, in Unix microseconds; None: none will."""
    turns = (
        turn
        for tariff in snapshot.catalogue.tariffs.values()
        if not tariff.has_ended
        for turn in (tariff.defined.valid_from, tariff.defined.valid_until)
        if turn is not None and turn > after_us
    )
    return min(turns, default=None)
