"""Values of one row of the source.

Law: NULL, and a column that this version of the source lacks, take the stated default; a value that can mean nothing
here takes what dwctl makes of it or the nearest that is valid, and is told (DEF-9, DEF-10). Fractions stay (RL-2).
"""

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import attrs

from adapters.dwctl.findings import Findings
from engine.snapshot import Limits

_LONGEST: Final = 256
_MOST: Final = 2**31 - 1


@attrs.frozen
class Row:
    values: Mapping[str, Any] = attrs.field(repr=False)
    name: str
    "What examples in findings call it."
    findings: Findings

    def tell(self, what: str) -> None:
        self.findings.tell(what, self.name)

    def text(self, column: str, default: str = "") -> str:
        value = self.values.get(column)
        return default if value is None else str(value)

    def flag(self, column: str, *, default: bool) -> bool:
        stated = self.maybe(column)
        return default if stated is None else stated

    def maybe(self, column: str) -> bool | None:
        value = self.values.get(column)
        return None if value is None else bool(value)

    def whole(self, column: str) -> int | None:
        """A whole number; None for NULL and for what is none."""
        value = self.values.get(column)
        if value is None:
            return None
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number.copy_abs() > _MOST:
            self.tell(f"{column} is no usable number and is left out")
            return None
        return int(number)

    def limits(self) -> Limits:
        """CL-7 and RL-2: without a rate, a burst means nothing."""
        rate = self._rate()
        burst = None if rate is None else self.whole("burst_size")
        if burst is not None and burst < 1:
            self.tell("burst_size is 0 or below: it counts as 1, as in dwctl")
            burst = 1
        capacity = self.whole("capacity")
        if capacity is not None and capacity < 0:
            self.tell("capacity is negative: there is no limit, as in dwctl")
            capacity = None
        elif capacity == 0:
            self.tell("capacity is 0: nothing is let through, as in dwctl")
        return Limits(capacity, rate, burst)

    def _rate(self) -> float | None:
        value = self.values.get("requests_per_second")
        if value is None:
            return None
        try:
            rate = float(value)
        except ValueError:
            rate = math.nan
        if not (math.isfinite(rate) and rate > 0):
            self.tell("requests_per_second is 0, below it or no number: there is no limit, as in dwctl")
            return None
        return rate

    def batch_capacity(self) -> int | None:
        """CAP-1."""
        capacity = self.whole("batch_capacity")
        if capacity is not None and capacity < 1:
            self.tell("batch_capacity is 0 or below: the default counts, as in dwctl")
            return None
        return capacity

    def label(self, column: str) -> str:
        """A name for people, made fit for one line."""
        text = "".join(character if character.isprintable() else " " for character in self.text(column))
        return text[:_LONGEST]

    def amount(self, column: str, *, least: Decimal | None = None) -> str:
        """A decimal number as text, without an exponent or zeros that mean nothing."""
        value = self.values.get(column)
        try:
            amount = Decimal("0" if value is None else str(value))
        except InvalidOperation:
            amount = Decimal("NaN")
        is_absurd = not amount.is_finite() or abs(amount.adjusted()) > _LONGEST
        if is_absurd or (least is not None and amount < least):
            self.tell(f"{column} is negative or no number: it counts as 0")
            amount = Decimal(0)
        # Not `normalize`, which rounds to what the thread's context allows.
        text = format(amount, "f") if amount else "0"
        return text.rstrip("0").rstrip(".") if "." in text else text
