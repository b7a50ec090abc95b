"""Objects of a document, read past what is broken in them.

Law: reading goes on after an error, so that a file's problems come out in one go; a broken value counts as absent,
which is harmless because a file with an error never becomes a table.
"""

from collections.abc import Iterator
from typing import Any

import attrs

from adapters.config.findings import JsonPath


@attrs.frozen
class Section:
    """One object of the document, or an empty one where there should be one."""

    path: JsonPath
    node: dict[str, Any] = attrs.field(repr=False)
    broken: frozenset[JsonPath] = attrs.field(repr=False)
    "Every place with an error in or under it."

    @classmethod
    def at(cls, path: JsonPath, node: object, broken: frozenset[JsonPath]) -> "Section":
        return cls(path, node if isinstance(node, dict) else {}, broken)

    def get(self, name: str, default: Any = None) -> Any:
        """The value under a name; the default where it is absent, null or broken."""
        value = self.node.get(name)
        return default if value is None or self.is_broken(name) else value

    def is_broken(self, name: str) -> bool:
        """Whether there is an error in or under the value of a name."""
        return (*self.path, name) in self.broken

    def within(self, name: str) -> "Section":
        return Section.at((*self.path, name), self.node.get(name), self.broken)

    def objects(self, name: str) -> Iterator["Section"]:
        """The entries of a list of objects."""
        entries = self.node.get(name)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            yield Section.at((*self.path, name, index), entry, self.broken)

    def strings(self, name: str) -> Iterator[tuple[JsonPath, str]]:
        """The sound entries of a list of strings, with their places."""
        entries = self.node.get(name)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            path = (*self.path, name, index)
            if path not in self.broken:
                yield path, entry

    def named(self) -> Iterator[tuple[str, "Section"]]:
        """The objects in this object, by key."""
        for name, node in self.node.items():
            yield name, Section.at((*self.path, name), node, self.broken)


def with_ancestors(paths: Iterator[JsonPath]) -> frozenset[JsonPath]:
    """All the places at or above the given ones."""
    return frozenset(path[:length] for path in paths for length in range(len(path) + 1))
