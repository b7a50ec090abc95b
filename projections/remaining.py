"""What is otherwise than it was at a position, once the table was rolled back to it, in sentences.

Law: total; everything that differs is told, or counted where it is many (`engine.rollback` says what may).
"""

from collections import Counter
from collections.abc import Iterator

from engine.snapshot import RoutingSnapshot
from projections.diff import Difference, differences
from projections.phrases import printable
from projections.words import field_value

_MONEY = {"ledger", "user"}


def remaining(then: RoutingSnapshot, after: RoutingSnapshot) -> list[str]:
    """What stays as it is, though the position had it otherwise; a line each."""
    counts: Counter[str] = Counter()
    told: list[str] = []
    for one in differences(then, after):
        if one.kind == "token":
            counts["admin tokens"] += 1
        elif one.kind in _MONEY and not (one.kind == "user" and one.change == "added"):
            counts["balances and funds"] += one.kind == "ledger"
        else:
            told += _stays(one)
    told += [f"{what} stay as they are ({many} differ)" for what, many in counts.items() if many]
    return [printable(line) for line in told]


def _stays(one: Difference) -> Iterator[str]:
    match one.kind, one.change:
        case "user", _:
            yield f"user {one.name} stays, with the ledger and nothing else"
        case "key", "removed":
            yield f"key {one.name} stays revoked"
        case "key", "changed":
            changed = {change.field: change for change in one.fields}
            if "expires_at" in changed:
                yield f"key {one.name} still ends at {field_value('expires_at', changed['expires_at'].after)}"
            if changed.keys() & {"secret", "previous_secret", "previous_until"}:
                yield f"key {one.name} keeps the secrets that it has now"
        case "tariff", "changed":
            ended = any(change.field == "has_ended" and change.after for change in one.fields)
            yield f"tariff {one.name} has {'ended' if ended else 'begun'} since, by its own time"
        case _:
            yield one.sentence
