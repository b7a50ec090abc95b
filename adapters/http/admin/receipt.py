"""What every change answers."""

from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Receipt:
    position: int
    "At which the change holds. Of a dry run: at which it was planned."
    is_repeated: bool | None = None
    "True: an earlier request with this Idempotency-Key had done it, and this one did nothing."
    is_applied: bool | None = None
    "Whether this gateway's actors run the position; stated where `Prefer: wait=applied` asks."
    dry_run: bool | None = None
    events: tuple[dict[str, Any], ...] | None = None
    "Of a dry run: what would be appended."
    diff: tuple[dict[str, Any], ...] | None = None
    "Of a dry run: what would be different."
