"""How facts of older schemas read in the next one.

Law: what a fact of then did not say is as the gateway of then did it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

Document: TypeAlias = dict[str, Any]
Upcaster: TypeAlias = Callable[[Document], Document]
"""From a document of one schema to the same fact in the next."""


def _key_from_1(old: Document) -> Document:
    """Nobody owned a key, it opened what listed it, from anywhere and for ever."""
    return old | {
        "aliases": [],
        "cidrs": [],
        "expires_at": None,
        "previous_digest": None,
        "previous_until": None,
        "purpose": None,
        "user_id": None,
    }


def _pool_from_1(old: Document) -> Document:
    """There were no circuits, and no look into an answer of status 200; every failure to get one was tried again."""
    return old | {
        "affinity_header": None,
        "affinity_max_load_percent": 125,
        "circuit_cooldowns_s": [60.0, 300.0, 900.0],
        "circuit_enabled": False,
        "circuit_failures": 3,
        "circuit_max_retry_after_s": 60.0,
        "circuit_open_on_status": [],
        "circuit_when_all_open": "probe",
        "connect_timeout_s": None,
        "fallback_exhausted": "relay",
        "fallback_on_connect_error": True,
        "fallback_on_embedded_error": False,
        "fallback_on_maybe_executed": True,
        "fallback_on_timeout": True,
        "first_byte_timeout_s": None,
        "idle_timeout_s": None,
        "total_timeout_s": None,
    }


def _provider_from_1(old: Document) -> Document:
    later = ("connect_timeout_s", "deployment", "idle_timeout_s", "priority", "total_timeout_s")
    return old | dict.fromkeys(later) | {"cost": 0.0}


def _rule_from_1(old: Document) -> Document:
    """Every redirect opened its target (DEF-26)."""
    return old | {"opens_target": old["action"] == "redirect"}


UPCASTERS: Final[Mapping[tuple[str, int], Upcaster]] = {
    ("key.defined", 1): _key_from_1,
    ("pool.defined", 1): _pool_from_1,
    ("provider.defined", 1): _provider_from_1,
    ("rule.defined", 1): _rule_from_1,
}
"""By type name and the schema they read."""
