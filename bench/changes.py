"""What the reload storm configures: the n-th version of one routing table.

Law: any two versions in a row differ in every pool, in ways that must cost no request, no token and no count.
"""

import json
from pathlib import Path
from typing import Any

import load

RATE, BURST = 20, 20
"""Of the pool `metered`, in every version."""

_AMPLE = {
    "rate_limit": {"requests_per_second": 1_000_000, "burst_size": 1_000_000},
    "concurrency_limit": {"max_concurrent_requests": 1000},
}


def document(version: int, stubs: tuple[int, ...], slow: int) -> dict[str, Any]:
    """Version 0 is the one before any change; `stubs` are ports that answer at once, `slow` is the one that streams."""
    return {
        "auth": {"key_definitions": {"bench": {"key": load.KEY, "labels": {"round": str(version % 7)}, **_AMPLE}}},
        "targets": {
            "chat": _chat(version, stubs),
            "metered": {
                "keys": ["bench"],
                "rate_limit": {"requests_per_second": RATE, "burst_size": BURST},
                "providers": [
                    {"url": _url(port), "weight": 1 + (version + place) % 5} for place, port in enumerate(stubs[:2])
                ],
            },
            "held": {"keys": ["bench"], "providers": _held(version, slow)},
            "other": {
                "keys": ["bench"],
                "rate_limit": {"requests_per_second": 5 + version % 3, "burst_size": 10 + version % 4},
                "providers": [{"url": _url(stubs[0])}],
            },
        },
    }


def rewrite(routes: Path, content: dict[str, Any]) -> None:
    """As a careful editor saves: beside the file, then renamed onto it."""
    beside = routes.with_name(f"{routes.name}.new")
    beside.write_text(json.dumps(content))
    beside.replace(routes)


def _chat(version: int, stubs: tuple[int, ...]) -> dict[str, Any]:
    """Weights, order, fallback and circuit numbers change each time; a fourth provider comes and goes."""
    providers = [{"url": _url(port), "weight": 1 + (version + place) % 4, **_AMPLE} for place, port in enumerate(stubs)]
    turn = version % len(providers)
    providers = providers[turn:] + providers[:turn]
    if version % 2:
        providers.insert(version % 3, {"url": _url(stubs[0]), "onwards_model": "guest", **_AMPLE})
    return {
        "keys": ["bench"],
        "rate_limit": _AMPLE["rate_limit"],
        "fallback": {
            "enabled": True,
            "on_status": [429, 5],
            "on_rate_limit": True,
            "max_attempts": 2 + version % 3,
            "backoff": {"initial_ms": 10 + version % 5},
        },
        "circuit": {"failures": 3 + version % 3, "cooldown_secs": [30 + version % 2, 60]},
        "providers": providers,
    }


def _held(version: int, slow: int) -> list[dict[str, Any]]:
    """Two providers in one simulator; every other version is without the second, whose streams go on."""
    first = {"url": _url(slow), "onwards_model": "first", "weight": 1 + version % 3}
    second = {"url": _url(slow), "onwards_model": "second", "weight": 1 + version % 2}
    return [first] if version % 2 else [first, second]


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"
