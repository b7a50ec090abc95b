"""Tariffs between their beginning and their end.

Law: time moves a tariff in one direction only: it waits, is current, has ended. What has ended does not begin again,
whatever some clock says, unless it is defined anew; so clocks that differ do not argue about it (DEF-16).
"""

from enum import Enum
from functools import lru_cache

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
        return _is_nothing(self.defined.input_price) and _is_nothing(self.defined.output_price)

    def turn(self, at_us: int) -> TariffBegan | TariffEnded | None:
        """What has come about by a moment, in Unix microseconds, and is not said yet.

        One whose time went by while nobody looked ends without having begun.
        """
        begin, end = self.defined.valid_from, self.defined.valid_until
        if end is not None and end <= at_us:
            return None if self.has_ended else TariffEnded(self.defined.tariff_id)
        is_due = self.phase is Phase.WAITING and begin is not None and begin <= at_us
        return TariffBegan(self.defined.tariff_id) if is_due else None


@lru_cache(maxsize=1024)
def _is_nothing(price: str) -> bool:
    """Many tariffs have the same few prices, and each change of a group asks for those of its models."""
    amount = amount_of(price)
    return amount is not None and amount <= 0


def defined(old: Tariff | None, event: TariffDefined) -> Tariff:
    """A tariff once it is defined, anew or for the first time.

    One that is current stays so: its model is not free until somebody looks at the clock again. Who means it to wait
    removes it first, as `engine.entity_changes` does.
    """
    is_current = event.valid_from is None or (old is not None and old.is_current)
    return Tariff(event, Phase.CURRENT if is_current else Phase.WAITING)
