"""Money: what entries come to, exactly, and the one event when a balance comes to zero or leaves it."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.amounts import MOST, amount_of, minus, plus
from engine.commands import ChangeEntities, SettleAccounts
from engine.decide import decide
from engine.errors import Rejected
from engine.events import (
    CreditsBooked,
    CreditsCheckpointed,
    EntityEvent,
    FundsExhausted,
    FundsRestored,
    UserDefined,
)
from engine.snapshot import RoutingSnapshot
from projections import routing
from tests.engine.tables import folded

AMOUNTS = st.decimals(0, MOST, allow_nan=False, allow_infinity=False, places=18).map(str) | st.sampled_from(
    ["0", "1e15", "0.1"]
)
ENTRIES = st.tuples(st.sampled_from(["purchase", "admin_grant", "usage", "refund_of_ours"]), AMOUNTS)


def world() -> RoutingSnapshot:
    return folded(routing.empty(), [UserDefined("u")])


def after(snapshot: RoutingSnapshot, fact: EntityEvent) -> tuple[RoutingSnapshot, list[str]]:
    events = decide(snapshot, ChangeEntities((fact,)), change=routing.change)
    return folded(snapshot, events), [type(event).__name__ for event in events[1:]]


def balance(snapshot: RoutingSnapshot) -> Fraction:
    ledger = snapshot.catalogue.ledgers.get("u")
    return Fraction(ledger.balance) if ledger is not None else Fraction()


@settings(deadline=None)
@given(st.lists(ENTRIES, max_size=15))
def test_a_balance_is_the_sum_to_the_last_digit(entries: list[tuple[str, str]]) -> None:
    """SYNC-6, DEF-21, BILL-9: whatever the thread's decimal context; crossing zero is told once each way (SYNC-5)."""
    there, total = world(), Fraction()
    with localcontext() as context:
        context.prec = 3
        for kind, amount in entries:
            there, told = after(there, CreditsBooked("u", 0, kind, amount))
            before, total = total, total + Fraction(amount) * (1 if kind in {"purchase", "admin_grant"} else -1)
            assert balance(there) == total
            crossing = ["FundsRestored" if total > 0 else "FundsExhausted"]
            assert told == (crossing if (before > 0) != (total > 0) else [])
            assert there.users["u"].is_funded == (total > 0)
    assert decide(there, SettleAccounts(0)) == ()


def test_the_example_of_the_specification() -> None:
    """SYNC-6: checkpoint 10 at entry 5, usage of 4, a grant of 1: 7."""
    there, told = after(world(), CreditsCheckpointed("u", "10", 5))
    assert told == ["FundsRestored"]
    for fact in (CreditsBooked("u", 6, "usage", "4"), CreditsBooked("u", 7, "admin_grant", "1")):
        there, told = after(there, fact)
        assert told == []
    assert balance(there) == 7
    assert there.catalogue.ledgers["u"].seq == 7


def test_an_entry_counts_once() -> None:
    """SYNC-6: a number that was there is refused, and in a log that has it all the same it changes nothing."""
    there, _ = after(world(), CreditsBooked("u", 5, "purchase", "2"))
    for number in (5, 4):
        with pytest.raises(Rejected):
            after(there, CreditsBooked("u", number, "purchase", "2"))
        assert balance(folded(there, [CreditsBooked("u", number, "purchase", "2")])) == 2
    assert balance(folded(there, [CreditsBooked("u", 6, "purchase", "NaN"), CreditsBooked("u", 7, "x", "1e99")])) == 2


def test_a_checkpoint_counts_what_it_covers() -> None:
    """SYNC-6: one that is behind says less than is known; at the last entry, or ahead, it is the balance."""
    there, _ = after(world(), CreditsBooked("u", 5, "purchase", "2"))
    with pytest.raises(Rejected):
        after(there, CreditsCheckpointed("u", "9", 4))
    assert balance(folded(there, [CreditsCheckpointed("u", "9", 4)])) == 2
    there, told = after(there, CreditsCheckpointed("u", "-0.5", 5))
    assert (balance(there), told) == (Fraction(-1, 2), ["FundsExhausted"])
    there, told = after(there, CreditsBooked("u", 0, "purchase", "0.5"))
    assert (balance(there), told, there.catalogue.ledgers["u"].seq) == (0, [], 6)


def test_accounts_that_are_not_settled_are() -> None:
    """DEF-16: where a log says otherwise than its entries do, settling says it once."""
    there = folded(world(), [CreditsBooked("u", 1, "purchase", "1")])
    assert not there.users["u"].is_funded
    assert decide(there, SettleAccounts(0)) == (FundsRestored("u"),)
    there = folded(there, [FundsRestored("u"), CreditsBooked("u", 2, "usage", "1")])
    assert decide(there, SettleAccounts(0)) == (FundsExhausted("u"),)


@pytest.mark.parametrize(
    "text",
    ["", "x", "NaN", "-Infinity", "1e16", "-1e16", "1e-19", "1" * 65, "1e-999999", "1e1000000", "-1e999999999999"],
)
def test_what_cannot_be_counted_is_no_amount(text: str) -> None:
    """DEF-10, BILL-9."""
    assert amount_of(text) is None


@given(st.text("0123456789.-_ eN", max_size=16))
def test_a_short_amount_is_what_a_long_one_is(text: str) -> None:
    """What is looked at less closely, being short, would have been counted anyway."""
    assert amount_of(text) == amount_of(text.rjust(40))


def test_sums_are_exact() -> None:
    """BILL-9: the largest and the smallest together."""
    small, large = Decimal("1e-18"), Decimal("1e15")
    assert minus(plus(large, small), large) == small
