"""Counter-based random draws: the n-th draw of a seed is a pure function of both, so replay repeats it.

SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), whose n-th output needs no
earlier one.
"""

_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15


def draw(seed: int, n: int, below: int) -> int:
    """The n-th draw, uniform in [0, below). `below` at most 2**48 keeps the bias under 2**-16."""
    z = (seed + (n + 1) * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    z ^= z >> 31
    return (z * below) >> 64
