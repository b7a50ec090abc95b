"""The demo's configuration: two keys, three pools, three simulated providers.

Law: the same addresses give the same document, so a second start appends nothing to the demo's log.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from adapters.settings import Address

PEOPLE_KEY = "sk-demo-people"
BATCH_KEY = "sk-demo-batch"
"""Neither is a secret: they open a demo on this machine's loopback address."""

_SIMULATORS: Final = 3
_LOOPBACK: Final = re.compile(r"127\.0\.0\.1:(\d{1,5})(?!\d)")


def written(simulators: Sequence[Address]) -> str:
    """The document as the demo writes it."""
    return json.dumps(routes(simulators), indent=2) + "\n"


def is_example(text: str) -> bool:
    """Whether a file is what the demo once wrote, for simulators at whichever ports."""
    ports = list(dict.fromkeys(_LOOPBACK.findall(text)))
    return len(ports) == _SIMULATORS and text == written([Address("127.0.0.1", int(port)) for port in ports])


def addresses_in(text: str) -> set[str]:
    """The loopback addresses that a file names."""
    return {match.group() for match in _LOOPBACK.finditer(text)}


def routes(simulators: Sequence[Address]) -> dict[str, Any]:
    """A document in the onwards format."""
    north, south, east = (f"http://{address}/v1" for address in simulators)
    retried = {"enabled": True, "on_status": [429, 5]}
    return {
        "auth": {
            "key_definitions": {
                "people": {"key": PEOPLE_KEY, "labels": {"purpose": "realtime"}},
                "batch": {
                    "key": BATCH_KEY,
                    "labels": {"purpose": "batch"},
                    "concurrency_limit": {"max_concurrent_requests": 4},
                },
            }
        },
        "targets": {
            "fast": {
                "keys": ["people", "batch"],
                "fallback": retried,
                "routing_rules": [
                    {"match_labels": {"purpose": "batch"}, "action": {"type": "redirect", "target": "careful"}}
                ],
                "providers": [
                    {"name": "north", "url": north, "weight": 3},
                    {"name": "south", "url": south, "weight": 1},
                ],
            },
            "careful": {
                "keys": ["people", "batch"],
                "strategy": "priority",
                "fallback": retried,
                "providers": [
                    {"name": "east", "url": east, "concurrency_limit": {"max_concurrent_requests": 8}},
                    {"name": "north", "url": north},
                ],
            },
            "renamed": {"keys": ["people"], "name": "south", "url": south, "onwards_model": "simulated-large"},
        },
    }
