"""What a sync will do, in order.

Law: what closes comes before what opens, and what is referred to before what refers to it. Facts of one unit become
visible at once.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import attrs

from engine.events import EntityEvent
from engine.names import KeyId
from engine.snapshot import Key

Unit: TypeAlias = tuple[EntityEvent, ...]
BATCH: Final = 300
"""Facts in one append, about."""


@attrs.frozen
class Steps:
    """In the order of the fields."""

    gone_keys: tuple[KeyId, ...] = ()
    facts: tuple[Unit, ...] = ()
    keys: tuple[Key, ...] = ()
    last: tuple[Unit, ...] = ()
    "What opens by going, and what nothing refers to any more."


def batches(units: Sequence[Unit], size: int = BATCH) -> Iterator[Unit]:
    """The units' facts, as many units in one as come to the size."""
    batch: list[EntityEvent] = []
    for unit in units:
        if batch and len(batch) + len(unit) > size:
            yield tuple(batch)
            batch = []
        batch += unit
    if batch:
        yield tuple(batch)
