"""Which provider gets the next attempt.

Law: a pure function of the slots, what this request has tried, the time and the draws; a weight of 0 is drained in
every strategy (LB-9). `survey` says who is admissible and why the others are not; a strategy chooses among the
admissible ones, and is one function here and one line in the table.
"""

from collections.abc import Sequence

from engine.names import Nanoseconds
from engine.pool.decision import Causes, Row, Verdict
from engine.pool.draw import Dice
from engine.pool.health import HALVED_NS, bar_of, is_upstream_rate, latency_of
from engine.pool.state import Choice, Choose, Journey, PoolState, Slot
from engine.snapshot import Strategy

_ADMISSIBLE, _DRAINED, _TRIED, _FULL, _NO_TOKEN = (
    Verdict.ADMISSIBLE,
    Verdict.DRAINED,
    Verdict.TRIED,
    Verdict.FULL,
    Verdict.NO_TOKEN,
)


def survey(state: PoolState, journey: Journey, at: Nanoseconds) -> tuple[list[Slot], tuple[Row, ...], Causes]:
    """The admissible slots; a row for each slot that says so or why not; the failures behind what is open."""
    admissible: list[Slot] = []
    rows: list[Row] = []
    causes: Causes = ()
    tried, heeds_rate = journey.tried, state.terms.heeds_rate
    if state.terms.strategy is Strategy.LEAST_LATENCY:
        for slot in state.slots:
            slot.score = slot.latency_ns if at - slot.sampled_at < HALVED_NS else latency_of(slot, at)
    for slot in state.slots:
        meter = slot.meter
        verdict, number = _ADMISSIBLE, slot.score
        if not slot.weight:
            verdict, number = _DRAINED, 0
        elif tried and slot in tried:
            verdict, number = _TRIED, tried[slot]
        elif slot.is_barred and (bar := bar_of(slot, at)) is not None:
            verdict, number, why = bar
            causes += ((slot.name, why),)
        elif meter.limit is not None and meter.active >= meter.limit:
            verdict, number = _FULL, meter.limit
        elif heeds_rate and meter.limiter is not None and not meter.limiter.has_token(at):
            verdict, number = _NO_TOKEN, meter.limiter.next_at(at)
        else:
            admissible.append(slot)
        rows.append((slot.name, slot.weight, slot.active, verdict, number))
    return admissible, tuple(rows), causes


def strategy_of(strategy: Strategy) -> Choose:
    return _STRATEGIES[strategy]


def early_probe(slots: Sequence[Slot], rows: Sequence[Row], at: Nanoseconds) -> Slot | None:
    """When all circuits are open: the provider that failed longest ago, unless it asked for the pause itself."""
    best: Slot | None = None
    for slot, (_, _, _, verdict, _) in zip(slots, rows, strict=True):
        if verdict in {_FULL, _NO_TOKEN} and slot.meter.limit != 0:
            return None
        meter = slot.meter
        ready = not meter.is_full and (meter.limiter is None or meter.limiter.has_token(at))
        if verdict is Verdict.OPEN and ready and not slot.health.is_told and slot.credential.until is None:
            best = slot if best is None or slot.health.failed_at < best.health.failed_at else best
    return best


def upstream_asks_for_a_pause(slots: Sequence[Slot], rows: Sequence[Row]) -> bool:
    """Whether every provider that is left alone is so because it answered 429 and said for how long."""
    left = [slot for slot, row in zip(slots, rows, strict=True) if row[3] not in {_DRAINED, _TRIED}]
    return bool(left) and all(is_upstream_rate(slot.health) for slot in left)


def least_connections(admissible: Sequence[Slot], state: PoolState, journey: Journey) -> Choice:
    """LB-3: the smallest active / weight, compared exactly by cross-multiplication; ties drawn by weight."""
    del journey
    best: list[Slot] = []
    least_active = least_weight = total = 0
    for slot in admissible:
        active, weight = slot.active, slot.weight
        difference = active * least_weight - least_active * weight if best else -1
        if difference < 0:
            best = [slot]
            least_active, least_weight, total = active, weight, weight
        elif difference == 0:
            best.append(slot)
            total += weight
    if len(best) == 1:
        return best[0], ()
    return _drawn(best, total, state.dice), best


def _lowest_score(admissible: Sequence[Slot], state: PoolState, journey: Journey) -> Choice:
    """LB-5, DEF-81: the lowest priority number, or cost; among equals the least busy for its weight."""
    lowest = min(slot.score for slot in admissible)
    equals = [slot for slot in admissible if slot.score == lowest]
    return (equals[0], ()) if len(equals) == 1 else least_connections(equals, state, journey)


def _least_latency(admissible: Sequence[Slot], state: PoolState, journey: Journey) -> Choice:
    """Two drawn by weight; the one whose latency, grown with its load, is lower (unknown: half of the lowest known)."""
    del journey
    total = sum(slot.weight for slot in admissible)
    first = _drawn(admissible, total, state.dice)
    second = _drawn([slot for slot in admissible if slot is not first], total - first.weight, state.dice)
    unknown = 0
    if not first.score or not second.score:
        # So who is not known is tried first, and left alone while those that try have no answer.
        unknown = max(1, min([slot.score for slot in admissible if slot.score], default=1) // 2)
    first_cost = (first.score or unknown) * (first.active + 1)
    second_cost = (second.score or unknown) * (second.active + 1)
    return (second if first_cost > second_cost else first), (first, second)


def _consistent_hash(admissible: Sequence[Slot], state: PoolState, journey: Journey) -> Choice:
    """The next on the ring that does not carry more than its share by weight of all load, this request included."""
    if journey.affinity is None or state.ring is None:
        return least_connections(admissible, state, journey)
    weights = sum(slot.weight for slot in admissible)
    load = (sum(slot.active for slot in admissible) + 1) * state.terms.max_load_percent
    free = {slot for slot in admissible if slot.active * weights * 100 < load * slot.weight}
    for place in state.ring.walk(journey.affinity):
        if state.slots[place] in free:
            return state.slots[place], ()
    raise AssertionError("the least loaded provider carries less than its share")


def _drawn(slots: Sequence[Slot], total: int, dice: Dice) -> Slot:
    """One of several, by weight; `total` is the sum of the weights."""
    remaining = dice(total)
    for slot in slots:
        remaining -= slot.weight
        if remaining < 0:
            return slot
    raise AssertionError("a draw is below the sum of the weights")


_STRATEGIES: dict[Strategy, Choose] = {
    Strategy.WEIGHTED_RANDOM: least_connections,
    Strategy.PRIORITY: _lowest_score,
    Strategy.LEAST_LATENCY: _least_latency,
    Strategy.COST: _lowest_score,
    Strategy.CONSISTENT_HASH: _consistent_hash,
}
