"""In which line of a YAML text a place of its document stands.

Law: total. A place that is not in the text has the line of the nearest place above it that is; what a merge key
brought in has the line where it is written.
"""

from collections.abc import Iterator

import attrs
import yaml

from adapters.config.findings import JsonPath

_MERGE = "tag:yaml.org,2002:merge"


@attrs.frozen
class YamlLines:
    _root: yaml.Node | None = attrs.field(repr=False)

    @classmethod
    def of(cls, text: str) -> "YamlLines":
        """Of a text that has been read as YAML already. Raises yaml.YAMLError."""
        return cls(yaml.compose(text, Loader=yaml.SafeLoader))

    def line(self, path: JsonPath) -> int:
        """From 1."""
        node, line = self._root, 1
        for part in path:
            match node, part:
                case yaml.SequenceNode(value=list() as items), int() if part < len(items):
                    node = items[part]
                    line = node.start_mark.line + 1
                case yaml.MappingNode(), str():
                    found = next((pair for pair in _pairs(node) if pair[0].value == part), None)
                    if found is None:
                        break
                    line, node = found[0].start_mark.line + 1, found[1]
                case _:
                    break
        return line


def _pairs(node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """A mapping's own keys before those that are merged into it."""
    merged: list[yaml.Node] = []
    for key, value in node.value:
        if key.tag != _MERGE:
            yield key, value
        elif isinstance(value, yaml.SequenceNode):
            merged.extend(value.value)
        else:
            merged.append(value)
    for value in merged:
        if isinstance(value, yaml.MappingNode):
            yield from _pairs(value)
