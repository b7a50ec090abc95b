"""The live stream's description, as AsyncAPI 3.0.

Law: the messages' schemas are made from the types that are encoded, so what is described is what is sent.
"""

from typing import Any, Final

import msgspec

from adapters.live.messages import NAMES
from adapters.live.websocket import HEARTBEAT_S, SUBPROTOCOL
from projections.live import MOST_EVENTS

_REFERENCE: Final = "#/components/schemas/{name}"
_ABOUT: Final = (
    "What the gateway is doing, as it does it: a snapshot, then deltas. Each message is one JSON object whose `type` "
    "says what it is; unknown types and fields are to be ignored. Times that end in `_us` are Unix microseconds; "
    "all whole numbers are below 2^53. Whoever watches shows an admin token of any scope: as `Authorization: "
    "Bearer TOKEN`, or, as browsers cannot, as a subprotocol `pointsman.token.TOKEN` (percent-encoded) beside "
    f"`{SUBPROTOCOL}`."
)
_SUMMARIES: Final = {
    "snapshot": "Everything, as of `seq`. The first message to a client that does not resume.",
    "delta": (
        "What differs between the state at `since`, which is the client's, and the one at `seq`. Pools and keys come "
        "whole; null: it is gone. A gateway of null is as it was. `events` are the configuration events in between, "
        f"at most {MOST_EVENTS}, oldest first; `events_left_out` more follow them in the log."
    ),
    "heartbeat": (
        "Nothing that is watched differs up to `seq`, to which the next delta applies. "
        f"Every {HEARTBEAT_S:g} seconds; more often where only pools change that are not watched."
    ),
    "resync_required": (
        "What the client has cannot be brought up to date, as more has changed than is kept (expired) or this process "
        "never issued that seq (unknown_seq). A snapshot follows."
    ),
}


def description() -> dict[str, Any]:
    """The document."""
    kinds = list(NAMES)
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    messages: dict[str, Any] = {}
    for kind in kinds:
        name = NAMES[kind]
        schemas[kind.__name__]["properties"] = {"type": {"const": name}, **schemas[kind.__name__]["properties"]}
        payload = {"$ref": _REFERENCE.format(name=kind.__name__)}
        messages[name] = {"name": name, "summary": _SUMMARIES[name], "payload": payload}
    for schema in schemas.values():
        _complete(schema)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Pointsman live stream", "version": "1", "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {"live": _channel(list(messages))},
        "operations": {
            "tell": {
                "action": "send",
                "channel": {"$ref": "#/channels/live"},
                "summary": "The gateway tells; what a client sends is ignored.",
                "security": [{"$ref": "#/components/securitySchemes/bearer"}],
                "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in messages],
            }
        },
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _complete(schema: dict[str, Any]) -> None:
    """Say that no field is ever missing, so that there are no defaults."""
    properties = schema.get("properties", {})
    schema["required"] = list(properties)
    for one in properties.values():
        one.pop("default", None)


def _channel(names: list[str]) -> dict[str, Any]:
    query = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "from": {
                "type": "integer",
                "minimum": 0,
                "maximum": 2**53 - 1,
                "description": "The seq the client has, of the same pools: it is told what has changed since.",
            },
            "pool": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "description": "Aliases of the pools to tell of, each as pool=ALIAS; absent: all. They need not exist.",
            },
        },
    }
    return {
        "address": "/live",
        "description": "On the control port. 1001: the gateway goes, come back with `from`; 1008: the token is bad.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}},
    }
