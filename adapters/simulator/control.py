"""The control routes: what was received, how things stand, and changing the settings.

Law: they are never recorded, delayed or broken; what they refuse, they refuse in words and change nothing.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs
import msgspec

from adapters.simulator.connection import Request
from adapters.simulator.record import Record
from adapters.simulator.settings import InvalidSetting, Settings
from adapters.simulator.shape import Json

PREFIX = "/_simulator/"
HEALTH = "/health"


@attrs.define
class Simulator:
    """The state of one running simulator."""

    name: str
    settings: Settings
    record: Record = attrs.field(factory=Record)
    open_connections: int = 0
    connections: int = 0
    "Accepted since the start."

    def state(self) -> Json:
        """The connection that asks is among the open ones; the request that asks is not in progress."""
        return {
            "name": self.name,
            "settings": attrs.asdict(self.settings),
            "open_connections": self.open_connections,
            "requests_in_progress": self.record.in_progress,
            "counts": {"connections": self.connections, **self.record.counts()},
        }


def is_control(path: str) -> bool:
    return path == HEALTH or path.startswith(PREFIX)


def control(simulator: Simulator, request: Request, path: str) -> tuple[int, Json]:
    """Status and body for a control request."""
    methods = _ROUTES.get(path)
    if methods is None:
        return 404, _refusal(f"there is no {path}; there are {', '.join(_ROUTES)}")
    act = methods.get(request.method)
    if act is None:
        return 405, _refusal(f"{path} takes {' and '.join(methods)}, not {request.method}")
    return act(simulator, request.body)


def _change(simulator: Simulator, body: bytes) -> tuple[int, Json]:
    try:
        changes = msgspec.json.decode(body, type=dict[str, Json])
        simulator.settings = simulator.settings.changed(changes)
    except InvalidSetting as invalid:
        return 400, _refusal(str(invalid))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return 400, _refusal(f"the body must be a JSON object of settings: {error}")
    return 200, attrs.asdict(simulator.settings)


def _refusal(message: str) -> Json:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


_Act: TypeAlias = Callable[[Simulator, bytes], tuple[int, Json]]

_ROUTES: Mapping[str, Mapping[str, _Act]] = {
    HEALTH: {"GET": lambda simulator, _body: (200, {"status": "ok", "name": simulator.name})},
    PREFIX + "requests": {
        "GET": lambda simulator, _body: (200, simulator.record.as_json()),
        "DELETE": lambda simulator, _body: (200, {"cleared": simulator.record.clear()}),
    },
    PREFIX + "state": {"GET": lambda simulator, _body: (200, simulator.state())},
    PREFIX + "settings": {
        "GET": lambda simulator, _body: (200, attrs.asdict(simulator.settings)),
        "PATCH": _change,
    },
}
