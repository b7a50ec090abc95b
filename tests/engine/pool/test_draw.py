"""The counter-based draws."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pool.draw import Dice, draw, mixed


def test_it_is_splitmix64() -> None:
    """LB-16: the published outputs of the generator for the seed 1234567, in their order."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [draw(1234567, n, 2**64) for n in range(4)] == published


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**40), st.integers(1, 2**48))
def test_a_draw_is_in_range_and_repeats(seed: int, n: int, below: int) -> None:
    """LB-16: a pure function of seed and number."""
    assert 0 <= draw(seed, n, below) < below
    assert draw(seed, n, below) == draw(seed, n, below)


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1, 987654321])
def test_draws_are_uniform(seed: int) -> None:
    """LB-7: of 7,000 draws below 7 each number comes up 1,000 times, ± 4 standard deviations (117)."""
    counts = Counter(draw(seed, n, 7) for n in range(7000))
    assert set(counts) == set(range(7))
    assert all(abs(count - 1000) < 117 for count in counts.values())
    pairs = Counter((draw(seed, n, 2), draw(seed, n + 1, 2)) for n in range(4000))
    assert all(abs(count - 1000) < 117 for count in pairs.values())


def test_dice_show_what_fell_since_the_last_time() -> None:
    """LB-16: the first draw of a seed has the number 1; what was shown is not shown again."""
    dice = Dice(5)
    fallen = (dice(6), dice(100))
    assert fallen == (draw(5, 1, 6), draw(5, 2, 100))
    assert [dice.shown(), dice.shown()] == [fallen, ()]
    assert (dice(6), dice.count) == (draw(5, 3, 6), 3)


def test_mixing_tells_neighbours_apart() -> None:
    """LB-16: 64 bits, the same for the same number, and a number beyond them counts for its lowest 64."""
    assert len({mixed(number) for number in range(1000)}) == 1000
    assert mixed(2**64 + 7) == mixed(7)
