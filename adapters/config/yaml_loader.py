"""YAML as configuration needs it: JSON's types, each key once.

Law: dates stay strings, as they are in JSON; merge keys (`<<`) and anchors work; a key that is repeated or is not
a string is reported with its line, never dropped.
"""

from typing import Any

import attrs
import yaml

_STRING = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


@attrs.frozen
class RepeatedKeys(Exception):
    """Keys that were written twice, or are not strings."""

    problems: tuple[str, ...]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which looks at a mapping's keys before it merges and drops them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.problems: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, int] = {}
        for name, _ in node.value:
            if name.tag == _MERGE:
                continue
            line, column = name.start_mark.line + 1, name.start_mark.column + 1
            if name.tag != _STRING:
                self.problems.append(f"line {line}, column {column}: the key is not a string; valid: put it in quotes")
            elif name.value in seen:
                first = seen[name.value]
                problem = f"the key occurs twice, first in line {first}; valid: each key once"
                self.problems.append(f"line {line}, column {column}: {problem}")
            else:
                seen[name.value] = line
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(text: str) -> object:
    """The one document in a text. Raises yaml.YAMLError, ValueError, RecursionError and RepeatedKeys."""
    loader = _Loader(text)
    try:
        document: object = loader.get_single_data()
    finally:
        loader.dispose()
    if loader.problems:
        raise RepeatedKeys(tuple(loader.problems))
    return document
