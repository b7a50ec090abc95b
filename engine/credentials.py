"""Client keys and their secrets over time: what one may be called, and which secrets are good after a rotation.

Law: of one key at most two secrets are good at a time, the newest and, until `previous_until`, the one before it. A
secret itself is never here: only its digest, and whether a secret that somebody brings along is fit to be one.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final

import attrs

from engine.entity_checks import ID
from engine.errors import Problem
from engine.names import Digest, KeyId
from engine.snapshot import Key

OVERLAP_S: Final = 3600
"""How long the secret before is good where a rotation does not say."""
LONGEST_OVERLAP_S: Final = 30 * 24 * 3600
_SECRET: Final = re.compile(r"[!-~]{16,512}")
_MOST_ENTRIES: Final = 64
_LONGEST: Final = 256
_NAMES: Final = f"1 to {_LONGEST} printable characters"


class Expiry(Enum):
    """How a key or a token stands to the time when it ends."""

    NEVER = "never"
    AHEAD = "ahead"
    PAST = "past"
    "It is there, and good for nothing."


def expiry_of(expires_at: int | None, at: int) -> Expiry:
    """Both in Unix seconds. As `engine.access` has it: at the second it ends it is not good any more."""
    if expires_at is None:
        return Expiry.NEVER
    return Expiry.AHEAD if expires_at > at else Expiry.PAST


def overlap_of(key: Key, at: int) -> int | None:
    """Until when the secret before the last rotation is good, in Unix seconds; None: it is not."""
    until = key.previous_until
    return until if key.previous is not None and until is not None and until > at else None


def rotated(key: Key, fresh: Digest, at: int, overlap_s: int) -> Key:
    """The key with another secret. The one it has is good for so many seconds more; older ones are not from now on."""
    if overlap_s <= 0:
        return attrs.evolve(key, digest=fresh, previous=None, previous_until=None)
    return attrs.evolve(key, digest=fresh, previous=key.digest, previous_until=at + overlap_s)


def problems_of_secret(secret: str, keys: Mapping[KeyId, Key]) -> Iterator[Problem]:
    """What is wrong with a secret that somebody brings along. It is in no problem."""
    if _SECRET.fullmatch(secret) is None:
        yield Problem(("secret",), "too short, too long or not printable", "16 to 512 ASCII characters without spaces")
    elif secret in keys:
        yield Problem(("secret",), "is the id of a key, which is public", "another secret (CFG-13)")


def problems_of_names(key: Key) -> Iterator[Problem]:
    """What a key may be called where it can be chosen: its id stands in addresses, the rest in tables and logs."""
    if ID.fullmatch(key.key_id) is None:
        yield Problem(("key_id",), f"{key.key_id[:128]!r} is no id", "1 to 128 letters, digits and . _ ~ @ : + -")
    if key.purpose is not None and not _is_name(key.purpose):
        yield Problem(("purpose",), "empty, too long or not printable", _NAMES)
    for field, count in (("labels", len(key.labels)), ("aliases", len(key.aliases)), ("cidrs", len(key.cidrs))):
        if count > _MOST_ENTRIES:
            yield Problem((field,), f"{count} entries", f"at most {_MOST_ENTRIES}")
    yield from _labels(key.labels)
    for alias in sorted(key.aliases):
        if not _is_name(alias):
            yield Problem(("aliases",), f"{alias[:64]!r} is empty, too long or not printable", _NAMES)


def _labels(labels: Mapping[str, str]) -> Iterator[Problem]:
    for name, value in labels.items():
        if not _is_name(name):
            yield Problem(("labels",), f"{name[:64]!r} is empty, too long or not printable", _NAMES)
        elif name == "purpose":
            yield Problem(("labels", name), "is the field `purpose` (SYNC-8)", "that field, and no label of this name")
        elif value and not _is_name(value):
            yield Problem(("labels", name), "too long or not printable", _NAMES)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and text.isprintable()
