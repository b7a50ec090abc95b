"""A persistent map while it is being written on.

Law: what was not written on is given back as it was, the same object, so that whoever compares two tables sees at a
glance what they share. What is written stands beside the map until the end, since a log is folded by the million and
writing into a large map costs ten times as much as writing beside it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Generic, TypeVar, cast, overload

import immutables

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

_UNWRITTEN: Final[Any] = object()
_GONE: Final[Any] = object()


class Sheet(Generic[K, V]):
    """`finish` gives the map; writing may go on after it, on the next one."""

    __slots__ = ("_map", "_written")

    def __init__(self, mapping: Mapping[K, V]) -> None:
        self._map = cast("immutables.Map[K, V]", mapping)
        self._written: dict[K, V] = {}

    def __contains__(self, key: K) -> bool:
        found = self._written.get(key, _UNWRITTEN)
        return key in self._map if found is _UNWRITTEN else found is not _GONE

    def __getitem__(self, key: K) -> V:
        found = self._written.get(key, _UNWRITTEN)
        if found is _GONE:
            raise KeyError(key)
        return self._map[key] if found is _UNWRITTEN else found

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: V | D) -> V | D: ...
    def get(self, key: K, default: V | D | None = None) -> V | D | None:
        found = self._written.get(key, _UNWRITTEN)
        if found is _UNWRITTEN:
            return self._map.get(key, default)
        return default if found is _GONE else found

    def __setitem__(self, key: K, value: V) -> None:
        self._written[key] = value

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise KeyError(key)
        if key in self._map:
            self._written[key] = _GONE
        else:
            del self._written[key]

    def pop(self, key: K) -> V | None:
        """Take out what stands there; None where nothing does."""
        found = self.get(key)
        if found is not None:
            del self[key]
        return found

    def __iter__(self) -> Iterator[K]:
        return iter(self.finish())

    def finish(self) -> immutables.Map[K, V]:
        if self._written:
            opened, written = self._map.mutate(), self._written
            for key in [key for key, value in written.items() if value is _GONE]:
                del written[key]
                opened.pop(key, None)
            opened.update(written)
            self._map, self._written = opened.finish(), {}
        return self._map
