"""Which shape answers which request; with and without the `/v1` prefix.

Law: the answer depends on method, path and the presence of `anthropic-version` only (protocols 1.4: both protocols list
models on the same path).
"""

from collections.abc import Mapping
from urllib.parse import unquote

import attrs

from adapters.simulator.shape import CREATED, Answer, Json, Question, Shape
from adapters.simulator.shapes_anthropic import COUNT_TOKENS, MESSAGES
from adapters.simulator.shapes_embeddings import EMBEDDINGS
from adapters.simulator.shapes_openai import CHAT, COMPLETIONS
from adapters.simulator.shapes_responses import RESPONSES

POSTED: Mapping[str, Shape] = {
    "/chat/completions": CHAT,
    "/completions": COMPLETIONS,
    "/embeddings": EMBEDDINGS,
    "/responses": RESPONSES,
    "/messages": MESSAGES,
    "/messages/count_tokens": COUNT_TOKENS,
}
MODELS = "/models"

_ASKS_NOTHING = Question("", "", 0)


@attrs.frozen
class NoRoute(Exception):
    """Nothing is served there. `shape` is the one whose error envelope the client would understand."""

    status: int
    message: str
    shape: Shape


def find(method: str, path: str, *, anthropic: bool, models: str) -> Shape:
    """The shape for a request; `path` has no query. Raises NoRoute."""
    path = path.removeprefix("/v1")
    default = MESSAGES if anthropic else CHAT
    shape = POSTED.get(path)
    if shape is not None:
        if method != "POST":
            raise NoRoute(405, f"{path} takes POST, not {method}", shape)
        return shape
    if path == MODELS or path.startswith(MODELS + "/"):
        if method != "GET":
            raise NoRoute(405, f"{path} takes GET, not {method}", default)
        return _models([name.strip() for name in models.split(",")], unquote(path[len(MODELS) + 1 :]), default)
    raise NoRoute(404, f"there is no {path} here; there are {', '.join((*POSTED, MODELS))}", default)


def _models(names: list[str], wanted: str, default: Shape) -> Shape:
    if wanted and wanted not in names:
        raise NoRoute(404, f"the model {wanted!r} does not exist; there are {', '.join(names)}", default)
    anthropic = default is MESSAGES

    def whole(_question: Question, answer: Answer) -> Json:
        listed = [_anthropic_model(name) if anthropic else _openai_model(name, answer.name) for name in names]
        if wanted:
            return listed[names.index(wanted)]
        if anthropic:
            return {"data": listed, "has_more": False, "first_id": names[0], "last_id": names[-1]}
        return {"object": "list", "data": listed}

    return Shape(default.problem, lambda _body: _ASKS_NOTHING, whole, request_id=default.request_id)


def _openai_model(name: str, owner: str) -> Json:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": owner}


def _anthropic_model(name: str) -> Json:
    created = "2026-01-01T00:00:00Z"
    return {"type": "model", "id": name, "display_name": name, "created_at": created, "lifecycle": "active"}
