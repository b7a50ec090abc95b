"""The data port's application, where only a bug of ours can bring something about."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.http.inference import Inference
from adapters.http.messages import Incoming
from adapters.observe import Observer
from projections import routing


async def broken_forward(_request: object, _trail: object) -> Any:
    raise RuntimeError("a bug that mentions https://upstream.internal")


@pytest.mark.parametrize("anthropic", [False, True])
async def test_what_nobody_foresaw_is_an_internal_error(*, anthropic: bool) -> None:
    """ERR-10: 500 in the client's shape, with nothing of the cause in it; the cause is logged (G08)."""
    router: Any = SimpleNamespace(snapshot=routing.empty())
    forward: Any = broken_forward
    inference = Inference(
        forward,
        router,
        Observer(),
        clock=lambda: 0,
        new_id=lambda: "id-1",
        unix_s=lambda: 0,
        is_ready=lambda: True,
    )
    incoming = Incoming(method="POST", target=b"/v1/chat/completions", body=b'{"model": "m"}')
    if anthropic:
        incoming.fields[b"anthropic-version"] = b"2023-06-01"
    with capture_logs() as logged:
        response = await inference(incoming)
    assert response.status == 500
    body = await response.receive()
    message = "An internal error occurred. Please try again later."
    openai = {"error": {"message": message, "type": "internal_error", "param": None, "code": "internal_error"}}
    other = {"type": "error", "error": {"type": "api_error", "message": message}, "request_id": "id-1"}
    assert json.loads(body) == (other if anthropic else openai)
    assert [(line["event"], line["request_id"]) for line in logged] == [("unforeseen", "id-1")]
