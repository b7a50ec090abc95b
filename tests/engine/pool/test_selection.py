"""Which provider gets the next attempt."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pool.draw import draw
from engine.pool.machine import step
from engine.pool.messages import SUCCEEDED as DONE
from engine.pool.messages import Acquire, Finish, Leased, Reconfigure
from engine.pool.selection import select
from engine.pool.state import PoolState, Slot
from engine.snapshot import Strategy
from tests.engine.tables import pool, provider

WLC, PRIORITY = Strategy.WEIGHTED_RANDOM, Strategy.PRIORITY


def slot(name: str, active: int = 0, weight: int = 1, limit: int | None = None) -> Slot:
    return Slot(provider(name, weight=weight, limit=limit), active)


def never(below: int) -> int:
    raise AssertionError(f"a draw below {below} where there is no tie")


@pytest.mark.parametrize(
    ("loads", "chosen"),
    [
        # (active, weight) of each; the place of the chosen
        ([(1, 1), (0, 1)], 1),
        ([(3, 3), (2, 1)], 0),
        ([(3, 3), (0, 1)], 1),
        ([(2, 3), (1, 1)], 0),
        ([(1, 4), (1, 3), (1, 5)], 2),
        ([(0, 0), (9, 1)], 1),
        ([(10**15, 10**15 + 1), (10**15 - 1, 10**15)], 1),
    ],
)
def test_the_least_loaded_by_weight_is_chosen(loads: list[tuple[int, int]], chosen: int) -> None:
    """LB-3: the smallest active / weight, exactly, where a float would see a tie; no draw without one."""
    slots = [slot(str(place), active, weight) for place, (active, weight) in enumerate(loads)]
    assert select(WLC, slots, [], never) is slots[chosen]


def test_ties_are_walked_by_weight() -> None:
    """LB-3: weights 3, 1 and 2: the draw is below 6 and 0-2, 3 and 4-5 fall to each; the busier takes no part."""
    slots = [slot("a", 3, 3), slot("b", 1, 1), slot("x", 5, 2), slot("c", 2, 2)]
    seen = []

    def nth(number: int) -> str:
        def drawn(below: int) -> int:
            seen.append(below)
            return number

        chosen = select(WLC, slots, [], drawn)
        assert chosen is not None
        return chosen.provider.name

    assert "".join(nth(number) for number in range(6)) == "aaabcc"
    assert set(seen) == {6}


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_excluded_the_full_and_the_drained_are_passed_over(strategy: Strategy) -> None:
    """LB-3, LB-5, LB-9: in every strategy."""
    slots = [slot("excluded"), slot("full", 2, limit=2), slot("closed", limit=0), slot("drained", weight=0), slot("e")]
    assert select(strategy, slots, slots[:1], never) is slots[4]
    assert select(strategy, slots[:4], slots[:1], never) is None


@pytest.mark.parametrize("strategy", list(Strategy))
def test_without_a_candidate_there_is_no_selection(strategy: Strategy) -> None:
    """LB-6, LB-9, DEF-29: an empty pool, and one of nothing but weight 0."""
    assert select(strategy, [], [], never) is None
    assert select(strategy, [slot("a", weight=0), slot("b", weight=0)], [], never) is None


def test_priority_takes_the_first_that_is_free() -> None:
    """LB-5: load and weight do not matter; a full primary gives way at once."""
    slots = [slot("a", 7, limit=8), slot("b", 0, weight=9)]
    assert select(PRIORITY, slots, [], never) is slots[0]
    slots[0].active = 8
    assert select(PRIORITY, slots, [], never) is slots[1]


LOADS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.sampled_from([None, 2, 5])), max_size=5)


@given(LOADS, st.sets(st.integers(0, 4)), st.integers(0, 2**64 - 1))
def test_any_choice_is_a_least_loaded_admissible_slot(
    loads: list[tuple[int, int, int | None]], excluded: set[int], seed: int
) -> None:
    """LB-3: against the definition in fractions, whatever is drawn."""
    slots = [slot(str(place), *load) for place, load in enumerate(loads)]
    out = [one for place, one in enumerate(slots) if place in excluded]
    scores = {
        one: Fraction(one.active, one.provider.weight)
        for one in slots
        if one not in out and one.provider.weight and not one.is_full
    }
    chosen = select(WLC, slots, out, lambda below: draw(seed, 1, below))
    assert chosen is None if not scores else chosen is not None and scores[chosen] == min(scores.values())


def picks(weights: tuple[int, ...], count: int, *, seed: int, held: bool) -> Counter[str]:
    state = PoolState("chat", seed)
    step(state, Reconfigure(pool("chat", *(provider(str(w), weight=w) for w in weights)), 1, 0))
    names: Counter[str] = Counter()
    for ticket in range(count):
        effect = step(state, Acquire(ticket, 0))
        assert isinstance(effect, Leased)
        names[effect.provider.name] += 1
        if not held:
            step(state, Finish(ticket, 0, DONE))
    return names


SEEDS = (1, 2, 3, 42, 2**63)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cold_pool_is_drawn_by_weight(seed: int) -> None:
    """LB-7: 3:1, 1000 picks released at once: in 1.5 to 6; ours is within four deviations (55) of 750."""
    names = picks((3, 1), 1000, seed=seed, held=False)
    assert 1.5 <= names["3"] / names["1"] <= 6
    assert abs(names["3"] - 750) < 55


@pytest.mark.parametrize("seed", SEEDS)
def test_held_picks_follow_the_weights(seed: int) -> None:
    """LB-7: 3:1 and 40 held: active counts in 2 to 5; least connections makes it 30 to 10 exactly."""
    assert picks((3, 1), 40, seed=seed, held=True) == {"3": 30, "1": 10}


def test_the_first_pick_is_mostly_the_heavy_one() -> None:
    """LB-7: 9:1 over 500 seeds: 80 to 98 % go to the heavy one."""
    heavy = sum(picks((9, 1), 1, seed=seed, held=True)["9"] for seed in range(500))
    assert 400 <= heavy <= 490


@pytest.mark.parametrize("seed", SEEDS)
def test_a_very_heavy_one_gets_nearly_all(seed: int) -> None:
    """LB-7: 99:1, each released at once: over 85 %."""
    assert picks((99, 1), 1000, seed=seed, held=False)["99"] > 850
