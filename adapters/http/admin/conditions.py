"""If-Match and If-None-Match: which state of an entity a change is meant for (RFC 9110, 13.1)."""

import re
from typing import Final, Self

import attrs

from adapters.http.admin.problems import Fault, Invalid, Refusal
from engine.names import Stream
from engine.snapshot import RoutingSnapshot

_TAGS: Final = re.compile(r'\s*(W/)?"([^"\x00-\x20\x7f]*)"\s*(?:,|$)')


@attrs.frozen
class Conditions:
    """What must hold of an entity's ETag, which is its version. None: anything."""

    match: frozenset[str] | None = None
    "One of these; `*` among them: any, but it must be there."
    none_match: frozenset[str] | None = None

    @classmethod
    def of(cls, if_match: str | None, if_none_match: str | None) -> Self:
        """Raises Invalid."""
        # Weak tags never match a change (RFC 9110, 8.8.3.2).
        match = _tags("If-Match", if_match, weak=False)
        return cls(match, _tags("If-None-Match", if_none_match, weak=True))

    def check(self, snapshot: RoutingSnapshot, stream: Stream, *, is_there: bool) -> None:
        """Raises Refusal (412), which tells the present ETag."""
        known = snapshot.streams.get(stream)
        self.check_version(0 if known is None else known.version, is_there=is_there)

    def check_version(self, number: int, *, is_there: bool) -> None:
        """As `check`, of what has this version."""
        version = str(number)
        present = {"*", version} if is_there else set()
        if self.match is not None and not self.match & present:
            raise _failed(version, is_there=is_there)
        if self.none_match is not None and self.none_match & present:
            raise _failed(version, is_there=is_there)


def _failed(version: str, *, is_there: bool) -> Refusal:
    if is_there:
        return Refusal(412, f'Nothing was changed: the present ETag is "{version}".', {"etag": f'"{version}"'})
    return Refusal(412, "Nothing was changed: there is no such entity at present, and so no ETag.")


def _tags(name: str, text: str | None, *, weak: bool) -> frozenset[str] | None:
    if text is None:
        return None
    if text.strip() == "*":
        return frozenset({"*"})
    tags, at = set(), 0
    while at < len(text):
        found = _TAGS.match(text, at)
        if found is None:
            raise Invalid((Fault(where=name, what="not a list of ETags", valid='* or ETags such as "7"'),))
        if weak or not found[1]:
            tags.add(found[2])
        at = found.end()
    return frozenset(tags)
