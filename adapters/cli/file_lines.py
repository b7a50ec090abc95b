"""In which line of a configuration file a place of its document stands.

Law: total. A place that is not written in the file has the line of the nearest place above it that is.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import yaml

from adapters.config.findings import JsonPath
from adapters.config.yaml_lines import YamlLines

_PATH: Final = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]*|\[\d+\]|\['(?:[^'\\]|\\.)*'\])*")
_SEGMENT: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]")
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')

Find = Callable[[JsonPath], int]


def line_finder(file: Path, text: str) -> Find | None:
    """Tells the line of a place, from 1; None for a file that cannot be read as its name says."""
    try:
        if file.suffix.lower() in {".yaml", ".yml"}:
            return YamlLines.of(text).line
        places = dict(_toml(text) if file.suffix.lower() == ".toml" else _json(text))
    except (yaml.YAMLError, ValueError, RuntimeError, StopIteration):
        return None

    def find(path: JsonPath) -> int:
        return next((places[path[:end]] for end in range(len(path), -1, -1) if path[:end] in places), 1)

    return find


def path_in(text: str) -> tuple[str, JsonPath] | None:
    """The JSONPath that a text begins with, as it stands and in its parts; None where there is none."""
    found = _PATH.match(text)
    if found is None:
        return None
    return found[0], tuple(_part(one) for one in _SEGMENT.finditer(found[0]))


def _part(segment: re.Match[str]) -> str | int:
    name, index, quoted = segment.groups()
    if index is not None:
        return int(index)
    # As `findings.json_path` writes it.
    return name if name is not None else str(json.loads('"' + quoted.replace("\\'", "'").replace('"', '\\"') + '"'))


def _json(text: str) -> Iterator[tuple[JsonPath, int]]:
    """Every place of a JSON text: a key's where the key is, an entry's of a list where it begins."""
    tokens = _tokens(text)
    opening, line = next(tokens)
    yield (), line
    yield from _within(opening, tokens, ())


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line, seen = 1, 0
    for found in _TOKEN.finditer(text):
        line, seen = line + text.count("\n", seen, found.start()), found.start()
        yield found[0], line


def _within(opening: str, tokens: Iterator[tuple[str, int]], path: JsonPath) -> Iterator[tuple[JsonPath, int]]:
    """What follows an opening bracket, up to the closing one; nothing for what is none."""
    if opening == "[":
        index = 0
        for word, line in tokens:
            if word == "]":
                return
            if word == ",":
                index += 1
            else:
                yield (*path, index), line
                yield from _within(word, tokens, (*path, index))
    elif opening == "{":
        for word, line in tokens:
            if word == "}":
                return
            if word != ",":
                inner = (*path, json.loads(word))
                yield inner, line
                next(tokens)  # the colon
                yield from _within(next(tokens)[0], tokens, inner)


def _toml(text: str) -> Iterator[tuple[JsonPath, int]]:
    """The tables and keys that begin a line, which are all but those inside of inline tables and arrays."""
    counts: dict[JsonPath, int] = {}
    table: JsonPath = ()
    for number, line in enumerate(text.splitlines(), 1):
        written = line.strip()
        is_one_of_many = written.startswith("[[")
        if written.startswith("["):
            header = written.partition("#")[0].strip().strip("[]")
            if (names := _keys(header)) is None:
                continue
            table = _numbered(names[:-1], counts)
            if is_one_of_many:
                counts[names] = counts.get(names, -1) + 1
            table = _numbered(names, counts)
            yield table, number
        elif "=" in written and (names := _keys(written.partition("=")[0])) is not None:
            yield (*table, *names), number


def _numbered(names: tuple[str, ...], counts: dict[JsonPath, int]) -> JsonPath:
    """A table's path, with the present index behind each array of tables on it."""
    path: list[str | int] = []
    for end in range(1, len(names) + 1):
        path.append(names[end - 1])
        if names[:end] in counts:
            path.append(counts[names[:end]])
    return tuple(path)


def _keys(dotted: str) -> tuple[str, ...] | None:
    """The parts of a TOML key; None for what is none."""
    try:
        node: object = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return None
    names = []
    while isinstance(node, dict):
        ((name, node),) = node.items()
        names.append(name)
    return tuple(names)
