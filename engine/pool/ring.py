"""A hash ring for session affinity: the same key meets the same provider, and a change of providers moves few keys.

Law: where a provider stands depends on its identity and its weight's proportion, on nothing else; so rings of two
definitions, or of two gateways, agree wherever their providers do.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import attrs

from engine.snapshot import Provider

_POINTS = 64
"""Of the heaviest provider; lighter ones have their share of it, and at least one."""


@attrs.frozen
class Ring:
    points: tuple[int, ...]
    "Ascending, 64 bits."
    owners: tuple[int, ...]
    "The provider's place in the pool, for each point."

    def walk(self, key: int) -> Iterator[int]:
        """The places of all providers, in the order a key meets them."""
        seen = set[int]()
        start = bisect_left(self.points, key)
        for step in range(len(self.points)):
            owner = self.owners[(start + step) % len(self.owners)]
            if owner not in seen:
                seen.add(owner)
                yield owner


def ring_of(providers: Sequence[Provider]) -> Ring:
    """The ring of a pool's providers; drained ones have no place on it."""
    heaviest = max((provider.weight for provider in providers), default=0)
    occurrences: dict[tuple[str, str | None, str | None], int] = {}
    points: list[tuple[int, int]] = []
    for place, provider in enumerate(providers):
        occurrence = occurrences[provider.identity] = occurrences.get(provider.identity, -1) + 1
        if provider.weight:
            shares = max(1, _POINTS * provider.weight // heaviest)
            points.extend((_point(f"{provider.identity!r} {occurrence} {share}"), place) for share in range(shares))
    points.sort()
    return Ring(tuple(point for point, _ in points), tuple(owner for _, owner in points))


def key_of(text: bytes) -> int:
    """Where a session's name stands on every ring."""
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def _point(text: str) -> int:
    return key_of(text.encode("utf-8", "surrogatepass"))
