"""What no rollback takes back: that a secret ended, and what was booked.

Law: no secret is good by it that is not good now, and no entry of a ledger is lost or counted twice.
"""

from collections.abc import Iterable

import attrs

from engine.catalogue import Ledger
from engine.commands import Account
from engine.entity_changes import booked, checkpointed
from engine.events import CreditsBooked, CreditsCheckpointed, Event, FundsExhausted, FundsRestored
from engine.names import KeyId, UserId
from engine.snapshot import Key, RoutingSnapshot


def keys_then(now: RoutingSnapshot, then: RoutingSnapshot, *, revoked: bool) -> dict[KeyId, Key]:
    """The keys of an earlier table as they may be again. `revoked`: also those, and all secrets, that ended since."""
    if revoked:
        return dict(then.keys)
    return {key_id: _as_ended(then.keys[key_id], key) for key_id, key in now.keys.items() if key_id in then.keys}


def account_of(table: RoutingSnapshot, user_id: UserId) -> Account:
    return Account(table.catalogue.ledgers.get(user_id), table.users[user_id].is_funded)


def account_after(account: Account, events: Iterable[Event]) -> Account:
    """What a user has to pay with after some more events of the ledger."""
    ledger, is_funded = account.ledger or Ledger(), account.is_funded
    for event in events:
        match event:
            case CreditsBooked():
                ledger = booked(ledger, event)
            case CreditsCheckpointed():
                ledger = checkpointed(ledger, event)
            case FundsRestored() | FundsExhausted():
                is_funded = isinstance(event, FundsRestored)
            case _:
                pass
    return Account(account.ledger if ledger == Ledger() else ledger, is_funded)


def _as_ended(then: Key, now: Key) -> Key:
    ends = [one for one in (then.expires_at, now.expires_at) if one is not None]
    return attrs.evolve(
        then,
        digest=now.digest,
        previous=now.previous,
        previous_until=now.previous_until,
        expires_at=min(ends, default=None),
    )
