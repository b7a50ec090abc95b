"""What a document shows of a terminal: its files, its commands, and their output compared with the real one.

In a `console` block a line that begins with `$ ` is a command; what follows up to the next one is its output, standard
error with it. A block below a line such as `chat.yaml`: is that file. In an output

- a line of `...` alone is any number of lines, one that ends in ` ...` any rest of a line;
- times, ids, spans (`19 s`, `0.4 ms`) and decimal numbers that nobody has typed are any other of their kind, since
  they were measured;
- the width of columns does not matter.

All else has to be as it is shown.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

_BLOCK: Final = re.compile(r"(?:^`([\w.-]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DECIMAL: Final = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.%])")
_KINDS: Final = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)|\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{32,64}\b|\b\d{13,}\b"), "ID"),
    (re.compile(r"\b\d+(?:\.\d+)? (?:ms|s)\b"), "SPAN"),
)


@attrs.frozen
class Command:
    line: str
    shown: tuple[str, ...]
    number: int
    "Its line in the document."


@attrs.frozen
class File:
    name: str
    text: str


@attrs.frozen
class Addresses:
    """The real addresses by those that a document tells."""

    real: Mapping[str, str]

    def entered(self, text: str) -> str:
        """What is to be typed, for what is told."""
        for told, real in self.real.items():
            text = text.replace(told, real)
        return text

    def told(self, text: str) -> str:
        for told, real in self.real.items():
            text = text.replace(real, told)
        return text


@attrs.frozen
class Document:
    blocks: tuple[tuple[Command, ...] | File, ...]
    "In order; the commands of one block together."

    def is_same(self, shown: str, real: str) -> bool:
        """Whether two lines differ in nothing but what varies."""
        start, mark, rest = shown.partition(" ...")
        if mark and not rest:
            return self._constant(real).startswith(self._constant(start))
        return self._constant(shown) == self._constant(real)

    def difference(self, shown: Sequence[str], real: Sequence[str]) -> tuple[int, int] | None:
        """How many lines of each are as they should be, where not all of them are."""
        if not shown:
            return None if not real else (0, 0)
        if shown[0] != "...":
            if not real or not self.is_same(shown[0], real[0]):
                return 0, 0
            return _later(self.difference(shown[1:], real[1:]), 1, 1)
        found = [_later(self.difference(shown[1:], real[skipped:]), 1, skipped) for skipped in range(len(real) + 1)]
        if None in found:
            return None
        return max((one for one in found if one is not None), key=lambda one: (one[0], -one[1]))

    def _constant(self, line: str) -> str:
        for pattern, kind in _KINDS:
            line = pattern.sub(kind, line)
        line = _DECIMAL.sub(lambda found: found[0] if found[0] in self._typed else "NUMBER", line)
        return " ".join(line.split())

    @property
    def _typed(self) -> frozenset[str]:
        texts = (
            block.text if isinstance(block, File) else "\n".join(one.line for one in block) for block in self.blocks
        )
        return frozenset(_DECIMAL.findall("\n".join(texts)))


def _later(found: tuple[int, int] | None, shown: int, real: int) -> tuple[int, int] | None:
    return None if found is None else (found[0] + shown, found[1] + real)


def read(text: str) -> Document:
    return Document(tuple(_blocks(text)))


def _blocks(text: str) -> Iterator[tuple[Command, ...] | File]:
    for found in _BLOCK.finditer(text):
        name, language, content = found.groups()
        if language == "console":
            yield tuple(_commands(content, text.count("\n", 0, found.start(3)) + 1))
        elif name is not None:
            yield File(name, content)


def _commands(content: str, first: int) -> Iterator[Command]:
    line, number, shown = "", first, list[str]()
    for place, one in enumerate(content.splitlines(), first):
        if one.startswith("$ "):
            if line:
                yield Command(line, tuple(shown), number)
            line, number, shown = one[2:], place, []
        else:
            assert line, f"line {place}: a block begins with a command"
            shown.append(one)
    if line:
        yield Command(line, tuple(shown), number)
