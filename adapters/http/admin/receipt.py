"""What every change answers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import attrs

from engine.access import opened
from engine.events import Event, KeyDefined, KeyRemoved, PoolDefined
from engine.snapshot import RoutingSnapshot

_MOST: Final = 5
"""Pools that a warning names."""


@attrs.frozen(kw_only=True)
class Receipt:
    position: int
    "At which the change holds. Of a dry run: at which it was planned."
    warnings: tuple[str, ...] | None = None
    "What the change brings about that is seldom meant; of a repetition nothing is told."
    is_repeated: bool | None = None
    "True: an earlier request with this Idempotency-Key had done it, and this one did nothing."
    is_applied: bool | None = None
    "Whether this gateway's actors run the position; stated where `Prefer: wait=applied` asks."
    dry_run: bool | None = None
    events: tuple[dict[str, Any], ...] | None = None
    "Of a dry run: what would be appended."
    diff: tuple[dict[str, Any], ...] | None = None
    "Of a dry run: what would be different."


def warnings_of(
    before: RoutingSnapshot,
    events: Sequence[Event],
    change: Callable[[RoutingSnapshot, Iterable[Event]], RoutingSnapshot],
) -> list[str]:
    """What is seldom meant: that pools ask for no key any more, as when the last global key goes (CFG-11)."""
    if not any(isinstance(event, KeyRemoved | KeyDefined | PoolDefined) for event in events):
        return []
    open_now = opened(before, change(before, events))
    if not open_now:
        return []
    many, named = len(open_now), ", ".join(open_now[:_MOST]) + (", …" if len(open_now) > _MOST else "")
    subject = "1 pool asks" if many == 1 else f"{many} pools ask"
    return [f"{subject} for no key from here on, and so anybody may use: {named}. Give each a list of keys."]
