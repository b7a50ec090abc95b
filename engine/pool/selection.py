"""Which provider gets the next attempt.

Law: a pure function of the slots, what is excluded and one draw; a weight of 0 is drained in every strategy
(LB-9). A strategy is one function here and one line in the table.
"""

from collections.abc import Callable, Container, Sequence
from typing import TypeAlias

from engine.pool.state import Slot
from engine.snapshot import Strategy

Draw: TypeAlias = Callable[[int], int]
"""One random whole number, uniform in [0, n); asked for only where there is a tie."""


def select(strategy: Strategy, slots: Sequence[Slot], excluded: Container[Slot], draw: Draw) -> Slot | None:
    """The chosen slot, or None when no provider is admissible (LB-6)."""
    return _STRATEGIES[strategy](slots, excluded, draw)


def _weighted_least_connections(slots: Sequence[Slot], excluded: Container[Slot], draw: Draw) -> Slot | None:
    """LB-3: the smallest active / weight, compared exactly by cross-multiplication; ties drawn by weight."""
    best: list[Slot] = []
    least_active, least_weight = 0, 0
    for slot in slots:
        weight = slot.provider.weight
        if not weight or slot.is_full or slot in excluded:
            continue
        difference = slot.active * least_weight - least_active * weight if best else -1
        if difference < 0:
            best = [slot]
            least_active, least_weight = slot.active, weight
        elif difference == 0:
            best.append(slot)
    if len(best) < 2:
        return best[0] if best else None
    remaining = draw(sum(slot.provider.weight for slot in best))
    for slot in best:
        remaining -= slot.provider.weight
        if remaining < 0:
            return slot
    raise AssertionError("a draw is below the sum of the weights")


def _priority(slots: Sequence[Slot], excluded: Container[Slot], draw: Draw) -> Slot | None:
    """LB-5: the first in definition order that is free."""
    del draw
    for slot in slots:
        if slot.provider.weight and not slot.is_full and slot not in excluded:
            return slot
    return None


_STRATEGIES: dict[Strategy, Callable[[Sequence[Slot], Container[Slot], Draw], Slot | None]] = {
    Strategy.WEIGHTED_RANDOM: _weighted_least_connections,
    Strategy.PRIORITY: _priority,
}
