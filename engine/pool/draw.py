"""Counter-based random draws: the n-th draw of a seed is a pure function of both, so replay repeats it.

SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), whose n-th output needs no
earlier one.
"""

import attrs

_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15


def draw(seed: int, n: int, below: int) -> int:
    """The n-th draw, uniform in [0, below). `below` at most 2**48 keeps the bias under 2**-16."""
    return (mixed(seed + (n + 1) * _GOLDEN) * below) >> 64


def mixed(number: int) -> int:
    """64 bits that look like chance, the same for the same number."""
    z = number & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


@attrs.define(eq=False)
class Dice:
    """The draws of one seed, one after the other."""

    seed: int
    count: int = 0
    drawn: tuple[int, ...] = ()
    "Since they were last shown."

    def __call__(self, below: int) -> int:
        """A whole number, uniform in [0, below)."""
        self.count += 1
        number = draw(self.seed, self.count, below)
        self.drawn += (number,)
        return number

    def shown(self) -> tuple[int, ...]:
        """What was drawn since the last time: a decision tells it."""
        drawn, self.drawn = self.drawn, ()
        return drawn
