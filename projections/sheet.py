"""A persistent map while it is being written on.

Law: what was not written on is given back as it was, the same object, so that whoever compares two tables sees at a
glance what they share.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar, cast, overload

import immutables

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")


class Sheet(Generic[K, V]):
    """`finish` gives the map; writing may go on after it, on the next one."""

    __slots__ = ("_map", "_open")

    def __init__(self, mapping: Mapping[K, V]) -> None:
        self._map = cast("immutables.Map[K, V]", mapping)
        self._open: immutables.MapMutation[K, V] | None = None

    def __contains__(self, key: object) -> bool:
        return key in (self._map if self._open is None else self._open)

    def __getitem__(self, key: K) -> V:
        return (self._map if self._open is None else self._open)[key]

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: V | D) -> V | D: ...
    def get(self, key: K, default: V | D | None = None) -> V | D | None:
        return (self._map if self._open is None else self._open).get(key, default)

    def __setitem__(self, key: K, value: V) -> None:
        # As `_writing`, without a call: a log is folded by the million.
        if self._open is None:
            self._open = self._map.mutate()
        self._open[key] = value

    def update(self, others: Mapping[K, V]) -> None:
        if others:
            self._writing().update(others)

    def __delitem__(self, key: K) -> None:
        del self._writing()[key]

    def pop(self, key: K) -> V | None:
        """Take out what stands there; None where nothing does."""
        found = self.get(key)
        if found is not None:
            del self._writing()[key]
        return found

    def __iter__(self) -> Iterator[K]:
        return iter(self.finish())

    def finish(self) -> immutables.Map[K, V]:
        if self._open is not None:
            self._map, self._open = self._open.finish(), None
        return self._map

    def _writing(self) -> immutables.MapMutation[K, V]:
        if self._open is None:
            self._open = self._map.mutate()
        return self._open
