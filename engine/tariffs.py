"""Tariffs between their beginning and their end.

Law: time moves a tariff in one direction only: it waits, is current, has ended. What has ended does not begin again,
whatever some clock says, unless it is defined anew; so clocks that differ do not argue about it (DEF-16).
"""

from enum import Enum

import attrs

from engine.amounts import amount_of
from engine.events import TariffBegan, TariffDefined, TariffEnded


class Phase(Enum):
    WAITING = "waiting"
    CURRENT = "current"
    ENDED = "ended"


@attrs.frozen
class Tariff:
    defined: TariffDefined
    phase: Phase
    "By event (SYNC-5)."

    @property
    def is_current(self) -> bool:
        return self.phase is Phase.CURRENT

    @property
    def has_ended(self) -> bool:
        return self.phase is Phase.ENDED

    @property
    def is_free(self) -> bool:
        """Whether it charges nothing. A price that cannot be read is one."""
        prices = (amount_of(self.defined.input_price), amount_of(self.defined.output_price))
        return all(price is not None and price <= 0 for price in prices)

    def turn(self, at_us: int) -> TariffBegan | TariffEnded | None:
        """What has come about by a moment, in Unix microseconds, and is not said yet.

        One whose time went by while nobody looked ends without having begun.
        """
        begin, end = self.defined.valid_from, self.defined.valid_until
        if end is not None and end <= at_us:
            return None if self.has_ended else TariffEnded(self.defined.tariff_id)
        is_due = self.phase is Phase.WAITING and begin is not None and begin <= at_us
        return TariffBegan(self.defined.tariff_id) if is_due else None


def defined(old: Tariff | None, event: TariffDefined) -> Tariff:
    """A tariff once it is defined, anew or for the first time.

    One that is current stays so: its model is not free until somebody looks at the clock again. Who means it to wait
    removes it first, as `engine.entity_changes` does.
    """
    is_current = event.valid_from is None or (old is not None and old.is_current)
    return Tariff(event, Phase.CURRENT if is_current else Phase.WAITING)
