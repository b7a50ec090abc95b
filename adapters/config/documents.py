"""What a document may consist of, whichever format it was written in.

Law: after `faults` found nothing, the document is a tree of bounded depth and size made of dict, list, str, int,
float, bool and None alone. Anchors in YAML can make a few lines stand for more values than memory holds, or for a
list that contains itself; hence the bounds. Infinity and NaN pass: `shape` refuses them in the words of their place.
"""

from collections import Counter
from collections.abc import Iterator

from adapters.config.findings import Finding, JsonPath

_DEEPEST = 32
_MOST_VALUES = 1_000_000


class ObjectWithRepeats(dict[str, object]):
    """A JSON object that remembers which of its keys were written more than once."""

    repeats: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: list[tuple[str, object]]) -> "ObjectWithRepeats":
        made = cls(pairs)
        if len(made) < len(pairs):
            made.repeats = tuple(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        return made


def faults(document: object) -> Iterator[Finding]:
    """Every value no configuration can have."""
    waiting: list[tuple[JsonPath, object]] = [((), document)]
    visited = 0
    while waiting:
        path, value = waiting.pop()
        visited += 1
        if visited > _MOST_VALUES or len(path) > _DEEPEST:
            yield Finding(path[:1], f"too large; valid: up to {_MOST_VALUES} values in up to {_DEEPEST} levels")
            return
        yield from _own_faults(path, value)
        if isinstance(value, dict):
            waiting.extend(((*path, name), inner) for name, inner in value.items() if isinstance(name, str))
        elif isinstance(value, list):
            waiting.extend(((*path, index), inner) for index, inner in enumerate(value))


def _own_faults(path: JsonPath, value: object) -> Iterator[Finding]:
    match value:
        case None | bool() | int() | float() | list():
            return
        case str():
            if not _is_unicode(value):
                yield Finding(path, "half of a surrogate pair; valid: Unicode text")
        case dict():
            for name in getattr(value, "repeats", ()):
                yield Finding((*path, name), "the key occurs twice in its object; valid: each key once")
            for name in value:
                if not isinstance(name, str) or not _is_unicode(name):
                    yield Finding(path, "a key is not a string; valid: keys in quotes")
        case _:
            yield Finding(path, f"a {type(value).__name__} is nothing JSON has; valid: put it in quotes")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
