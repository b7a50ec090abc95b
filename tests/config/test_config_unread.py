"""Keys that another key keeps from mattering are named, and refuse nothing."""

from typing import Any

import pytest

URL = "https://h.example/v1"
OFF = "does nothing until `enabled` is true"


def under(reader: str, strategy: str) -> str:
    return f"does nothing except under the strategy {reader}; this pool has {strategy}"


def short(reader: str) -> str:
    return f"does nothing except under the strategy {reader}, which a target with `providers` can have"


def pool(*providers: Any, **fields: Any) -> dict[str, Any]:
    return {"providers": [{"url": URL} | provider for provider in providers]} | fields


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (pool(fallback={"on_status": [5]}), {"fallback": OFF}),
        (pool(fallback={"enabled": False, "max_attempts": 2}), {"fallback": OFF}),
        (pool(fallback={"backoff": {"initial_ms": 1}, "exhausted": "mask"}), {"fallback": OFF}),
        (pool(fallback={"with_replacement": True}, strategy="priority"), {"fallback": OFF}),
        (
            pool(fallback={"on_embedded_error": True, "on_timeout": False}),
            {"fallback": f"{OFF}, except for `on_embedded_error`"},
        ),
        (pool(fallback={"on_embedded_error": True}), {}),
        (pool(fallback={"enabled": True, "on_status": [5]}), {}),
        (pool(fallback={"enabled": False, "on_status": [], "on_timeout": True, "max_attempts": None}), {}),
        (pool(fallback={}), {}),
        (
            pool(fallback={"enabled": True, "with_replacement": True}, strategy="cost"),
            {"fallback.with_replacement": under("weighted_random", "cost")},
        ),
        (pool(fallback={"enabled": True, "with_replacement": True}), {}),
        (pool(fallback={"enabled": True, "with_replacement": False}, strategy="cost"), {}),
        (pool(affinity={"header": "x-s"}), {"affinity": under("consistent_hash", "weighted_random")}),
        (
            pool(affinity={"max_load_percent": 150}, strategy="priority"),
            {"affinity": under("consistent_hash", "priority")},
        ),
        (pool(affinity={"header": "x-s"}, strategy="consistent_hash"), {}),
        (pool(affinity={}, fallback=None), {}),
        (
            pool({"priority": 0}, {"priority": 1, "name": "b"}, strategy="cost"),
            {
                "providers[0].priority": under("priority", "cost"),
                "providers[1].priority": under("priority", "cost"),
            },
        ),
        (pool({"priority": 1}, strategy="priority"), {}),
        (pool({"cost": 0.5}), {"providers[0].cost": under("cost", "weighted_random")}),
        (pool({"cost": 0.5}, strategy="cost"), {}),
        (pool({"cost": 2, "priority": None}, strategy="priority"), {"providers[0].cost": under("cost", "priority")}),
        ({"url": URL, "priority": 1}, {"priority": short("priority")}),
        ({"url": URL, "cost": 1}, {"cost": short("cost")}),
        ({"url": URL, "weight": 1}, {}),
        ([{"url": URL}, {"url": URL, "cost": 1}], {"[1].cost": short("cost")}),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_what_does_nothing_is_told(read: Any, strict: bool, target: Any, expected: dict[str, str]) -> None:
    """CFG-7, CFG-14, DEF-81: one warning for each place, with what would make it matter; also in strict mode."""
    lines = [line.partition(": ")[2] for line in read({"targets": {"a": target}}, strict=strict).warnings]
    assert lines == [
        f"$.targets.a{'' if place.startswith('[') else '.'}{place}: {what}" for place, what in expected.items()
    ]
