"""What a fact about money must satisfy: entries of ledgers, balances, and prices.

Law: as `engine.entity_checks`, which asks these. What passes can be added without rounding.
"""

from engine.amounts import MOST, MOST_PLACES, amount_of
from engine.errors import Problem
from engine.events import CreditsBooked, CreditsCheckpointed, TariffDefined
from engine.reference_checks import Problems, model_problems, text_problems, user_problems
from engine.snapshot import RoutingSnapshot


def booking_problems(snapshot: RoutingSnapshot, event: CreditsBooked) -> Problems:
    yield from user_problems(snapshot, event.user_id)
    yield from text_problems("kind", event.kind, least=1)
    yield from _amount("amount", event.amount)
    ledger = snapshot.catalogue.ledgers.get(event.user_id)
    if event.seq < 0 or (ledger is not None and 0 < event.seq <= ledger.seq):
        last = 0 if ledger is None else ledger.seq
        yield Problem(("seq",), f"{event.seq} does not follow {last}, the ledger's last entry", "0 for the next one")


def checkpoint_problems(snapshot: RoutingSnapshot, event: CreditsCheckpointed) -> Problems:
    yield from user_problems(snapshot, event.user_id)
    yield from _amount("balance", event.balance, may_be_negative=True)
    ledger = snapshot.catalogue.ledgers.get(event.user_id)
    if event.seq < (0 if ledger is None else ledger.seq):
        yield Problem(("seq",), f"{event.seq} is behind the ledger's last entry", "that entry's number or a later one")


def tariff_problems(snapshot: RoutingSnapshot, event: TariffDefined) -> Problems:
    yield from model_problems(snapshot, event.model_id)
    yield from _amount("input_price", event.input_price)
    yield from _amount("output_price", event.output_price)
    begin, end = event.valid_from, event.valid_until
    if (begin is not None and begin < 0) or (end is not None and end <= (begin or 0)):
        what = f"{begin} to {end} is no time"
        yield Problem(("valid_until",), what, "microseconds since 1970, the end after the start")


def _amount(field: str, text: str, *, may_be_negative: bool = False) -> Problems:
    amount = amount_of(text)
    if amount is None or (amount < 0 and not may_be_negative):
        valid = f'a decimal number as text, at most {MOST:.0E} with {MOST_PLACES} decimal places, e.g. "0.25"'
        yield Problem((field,), f"{text[:64]!r} is no amount", valid)
