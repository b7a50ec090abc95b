"""What the cache's content depends on in the code: a cache of other code is not read.

Law: two versions of the code with one fingerprint have the same fields of the same types, all the way down, and fold
alike, being of one release.
"""

from collections.abc import Iterator
from enum import Enum
from functools import cache
from hashlib import sha256
from importlib import metadata
from typing import Any, Final, get_args, get_origin, get_type_hints

import attrs

from adapters.store.sealing import Sealed
from engine.snapshot import RoutingSnapshot

FORMAT: Final = 1
"""Of the parts and of the file. To be raised when they are written otherwise."""


@cache
def fingerprint() -> bytes:
    """32 bytes."""
    lines = [f"format {FORMAT}", f"pointsman {metadata.version('pointsman')}"]
    lines += described(RoutingSnapshot) + described(Sealed)
    return sha256("\n".join(lines).encode()).digest()


def described(cls: type[Any]) -> list[str]:
    """A class and all classes that its fields lead to: the names and types of fields, the words of enums."""
    lines: list[str] = []
    seen: set[Any] = set()
    waiting: list[Any] = [cls]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        if isinstance(one, type) and get_origin(one) is None:
            if issubclass(one, Enum):
                lines.append(f"{one.__name__}: {[(member.name, member.value) for member in one]}")
            elif attrs.has(one):
                hints = get_type_hints(one)
                lines += [f"{one.__name__}.{field.name}: {hints[field.name]}" for field in attrs.fields(one)]
                waiting += hints.values()
        else:
            waiting += _arguments(one)
    return lines


def _arguments(hint: Any) -> Iterator[Any]:
    return (one for one in get_args(hint) if one is not ...)
