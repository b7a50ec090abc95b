"""Amounts of credits: decimal numbers as text, added without ever rounding.

Law: a sum is exact and the same on every machine, whatever the decimal context of the thread it is made in.
"""

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation
from typing import Final

MOST: Final = Decimal(10) ** 15
"""What an amount may be at most."""
MOST_PLACES: Final = 18
"""Digits behind the point, so that sums stay short."""
_LONGEST: Final = 64
_SHORT: Final = 15
"""So many characters without an exponent are never too much, nor have they too many places."""
_SMALLEST: Final = Decimal(1).scaleb(-MOST_PLACES)
_EXACT: Final = Context(prec=200, Emax=MAX_EMAX, Emin=MIN_EMIN)


def amount_of(text: str) -> Decimal | None:
    """The number; None where the text is no amount that can be counted."""
    try:
        amount = Decimal(text) if len(text) <= _LONGEST else None
    except InvalidOperation:
        return None
    if amount is None or not amount.is_finite():
        return None
    # This is asked for every entry of a log.
    if len(text) <= _SHORT and "e" not in text and "E" not in text:
        return amount
    # `abs` would round it, or overflow, by the thread's context.
    if amount.copy_abs() > MOST:
        return None
    # Not by its exponent, which costs a tuple of its digits.
    return amount if amount == amount.quantize(_SMALLEST, context=_EXACT) else None


def plus(one: Decimal, other: Decimal) -> Decimal:
    return _EXACT.add(one, other)


def minus(one: Decimal, other: Decimal) -> Decimal:
    return _EXACT.subtract(one, other)
