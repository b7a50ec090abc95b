"""What is found in a configuration file: where, and one sentence about it.

Law: a finding never holds a value that could be a secret; whoever makes one decides what may be shown.
Paths are written as JSONPath (RFC 9535), so that other tools can follow them.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import attrs

from engine.errors import PointsmanError

JsonPath: TypeAlias = tuple[str | int, ...]
"""Object keys and list indices from the document's root; () is the document."""

_SHORTHAND = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@attrs.frozen
class Finding:
    path: JsonPath
    text: str


@attrs.frozen
class ConfigError(PointsmanError):
    """A configuration file that cannot be used."""

    problems: tuple[str, ...]
    "Complete lines: file, place in it, what is wrong there and what is valid."

    def __str__(self) -> str:
        return "\n".join(self.problems)


def json_path(path: JsonPath) -> str:
    """A path as text, e.g. `$.targets['gpt-4o'].providers[1].weight`."""
    return "$" + "".join(map(_segment, path))


def lines(file: Path, document: object, findings: Iterable[Finding]) -> tuple[str, ...]:
    """Each finding once, as a line, in the order of the places they name in the document."""
    ordered = sorted(set(findings), key=lambda found: (_place(document, found.path), found.text))
    return tuple(line(file, found) for found in ordered)


def line(file: Path, found: Finding) -> str:
    return f"{file}: {json_path(found.path)}: {found.text}"


def _segment(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if _SHORTHAND.fullmatch(part):
        return f".{part}"
    inside = json.dumps(part, ensure_ascii=not part.isprintable())[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"['{inside}']"


def _place(document: object, path: JsonPath) -> tuple[int, ...]:
    """The path as ranks among siblings; a key that is not there comes after all that are."""
    ranks: list[int] = []
    node = document
    for part in path:
        if isinstance(node, dict):
            ranks.append(list(node).index(part) if part in node else len(node))
            node = node.get(part)
        else:
            ranks.append(part if isinstance(part, int) else 0)
            node = _item(node, part)
    return tuple(ranks)


def _item(node: object, part: str | int) -> object:
    if isinstance(node, Sequence) and isinstance(part, int) and part < len(node):
        return node[part]
    return None
