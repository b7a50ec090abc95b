"""Whether a table lets a recorded request in: step 4 to 8 of ORDER-1 again.

Law: what is not recorded is taken as given and never guessed against the request: the secret (the key is known by
its id, and its secret is taken to be the newest) and the address (it is taken to be one that the key allows), unless it
was refused for that.
"""

from typing import Final, Self

import attrs

from engine.access import Admission, admit
from engine.errors import Reason, Refused
from engine.names import Alias, Digest, KeyId, Position
from engine.recording import Served
from engine.refusals import ELSEWHERE, ROTATED_AWAY
from engine.snapshot import Key, RoutingSnapshot

_OURS: Final = Reason.INTERNAL.value
_UNKNOWN: Final[Digest] = bytes(32)
"""The digest of a secret that no table knows."""


@attrs.frozen
class Applicant:
    """What a table knows of who asks for what; many requests have it in common."""

    alias: str | None
    key_id: KeyId | None
    pool: Alias | None
    reason: str | None
    why: str | None
    position: Position
    "Of the table that served."

    @classmethod
    def of(cls, served: Served) -> Self:
        return cls(served.alias, served.key_id, served.pool, served.reason, served.why, served.position)


@attrs.frozen
class Admitted:
    """Where a request was let in, or why not."""

    pool: Alias | None
    reason: str | None


def readmitted(table: RoutingSnapshot, who: Applicant, at: int) -> Admission | Refused:
    """What the table says to the request; `at` is in Unix seconds."""
    key = table.keys.get(who.key_id) if who.key_id is not None else None
    try:
        return admit(table, who.alias or "", _presented(who, key), at, _address(who, key))
    except Refused as refused:
        return refused


def is_decided(served: Served) -> bool:
    """Whether a table decided about the request at all: it named an alias, and nobody left or failed before that."""
    return served.alias is not None and (served.ticket is not None or served.reason not in {None, _OURS})


def served_as(result: Served | Admission | Refused) -> Admitted:
    """The admission in what was recorded, or in what comes out."""
    if isinstance(result, Admission):
        return Admitted(result.pool.alias, None)
    if isinstance(result, Refused):
        return Admitted(None, result.reason.value)
    if result.ticket is None and result.reason is not None:
        return Admitted(None, result.reason)
    return Admitted(result.pool, None)


def _presented(who: Applicant, key: Key | None) -> Digest | None:
    if key is not None:
        return key.digest if who.why != ROTATED_AWAY else key.previous or _UNKNOWN
    # A rule redirects nobody who presents nothing.
    was_sent_on = who.pool not in {None, who.alias}
    has_presented = who.key_id is not None or who.reason not in {None, Reason.UNAUTHENTICATED.value}
    return _UNKNOWN if has_presented or was_sent_on else None


def _address(who: Applicant, key: Key | None) -> str:
    """One that the key allows; none is in no network."""
    if key is None or not key.cidrs or who.why == ELSEWHERE:
        return ""
    return key.cidrs[0].partition("/")[0]
