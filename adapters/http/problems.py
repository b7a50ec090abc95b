"""Refusals as answers: one table of statuses and texts, two envelopes (ERR-1 to ERR-13).

Law: every error the gateway makes goes through here, so each is JSON, has one shape for its client, and says nothing
of what is behind the gateway.
"""

from collections.abc import Mapping
from typing import Final

import attrs
import msgspec

from adapters.http.limits import NO_RETRY, quota_fields, retry_fields
from adapters.http.messages import Response
from engine.errors import Reason, Refused

_TRY_LATER: Final = "An internal error occurred. Please try again later."


@attrs.frozen
class _Row:
    status: int
    openai_type: str
    code: str
    message: str
    anthropic_type: str


_INVALID: Final = "invalid_request_error"
_TABLE: Final = {
    Reason.BAD_REQUEST: _Row(400, _INVALID, "bad_request", "The request is not valid.", _INVALID),
    Reason.UNAUTHENTICATED: _Row(
        401,
        _INVALID,
        "unauthenticated",
        "Please supply an authentication token to access this resource",
        "authentication_error",
    ),
    Reason.FORBIDDEN: _Row(403, _INVALID, "forbidden", "Forbidden", "permission_error"),
    Reason.PAYMENT_REQUIRED: _Row(
        402,
        "insufficient_quota",
        "insufficient_credits",
        "Account balance too low. Please add credits to continue.",
        "billing_error",
    ),
    Reason.MODEL_NOT_FOUND: _Row(404, _INVALID, "model_not_found", "The model does not exist.", "not_found_error"),
    Reason.NOT_FOUND: _Row(404, _INVALID, "not_found", "There is nothing at this address.", "not_found_error"),
    Reason.METHOD_NOT_ALLOWED: _Row(
        405, _INVALID, "method_not_allowed", "This address does not take this method.", _INVALID
    ),
    Reason.TIMED_OUT: _Row(408, _INVALID, "request_timeout", "The request did not arrive in time.", _INVALID),
    Reason.PAYLOAD_TOO_LARGE: _Row(413, _INVALID, "payload_too_large", "Request body too large.", "request_too_large"),
    Reason.EXPECTATION_FAILED: _Row(
        417, _INVALID, "expectation_failed", "Only the expectation 100-continue can be met.", _INVALID
    ),
    Reason.HEADERS_TOO_LARGE: _Row(
        431, _INVALID, "headers_too_large", "Request headers too large.", "request_too_large"
    ),
    Reason.UNPROCESSABLE: _Row(422, _INVALID, "unprocessable_request", "The request cannot be processed.", _INVALID),
    Reason.RATE_LIMIT: _Row(
        429,
        "rate_limit_error",
        "rate_limit",
        "You are sending requests too quickly. Please slow down.",
        "rate_limit_error",
    ),
    Reason.CONCURRENCY_LIMIT: _Row(
        429,
        "rate_limit_error",
        "concurrency_limit_exceeded",
        "Too many concurrent requests. Please wait for some requests to complete before sending more.",
        "rate_limit_error",
    ),
    Reason.INTERNAL: _Row(500, "internal_error", "internal_error", _TRY_LATER, "api_error"),
    Reason.BAD_GATEWAY: _Row(502, "internal_error", "internal_error", _TRY_LATER, "api_error"),
    Reason.UNAVAILABLE: _Row(503, "internal_error", "service_unavailable", _TRY_LATER, "overloaded_error"),
    Reason.UPSTREAM_TIMEOUT: _Row(
        504,
        "internal_error",
        "gateway_timeout",
        "The upstream service took too long to respond. Please try again.",
        "timeout_error",
    ),
    # SAN-6: the status is the upstream's own.
    Reason.UPSTREAM_REJECTED: _Row(
        400, _INVALID, "upstream_error", "The upstream provider rejected the request.", _INVALID
    ),
}


def status_of(refused: Refused) -> int:
    return refused.status or _TABLE[refused.reason].status


def problem(
    refused: Refused,
    *,
    anthropic: bool,
    request_id: str,
    headers: list[tuple[bytes, bytes]],
    explanation: Mapping[str, object] | None = None,
) -> Response:
    """A refusal in the shape the client reads: Anthropic's for its clients, else OpenAI's (ERR-1).

    `explanation`: for a caller who may ask why; an extension of either shape.
    """
    row = _TABLE[refused.reason]
    message = refused.message or row.message
    error: dict[str, object]
    if anthropic:
        error = {"type": row.anthropic_type, "message": message}
        body: dict[str, object] = {"type": "error", "error": error, "request_id": request_id}
    else:
        error = {"message": message, "type": row.openai_type, "param": refused.param, "code": row.code}
        body = {"error": error}
    if explanation is not None:
        error["explanation"] = explanation
    own = [(b"content-type", b"application/json"), *headers, *when_to_return(refused)]
    return Response(status_of(refused), own, msgspec.json.encode(body))


def when_to_return(refused: Refused) -> list[tuple[bytes, bytes]]:
    """Whose limit refused, what is left of it, and when to ask again (RL-4, DEF-28), as the SDKs read it."""
    fields: list[tuple[bytes, bytes]] = []
    if refused.scope is not None:
        fields.append((b"x-pointsman-scope", refused.scope.value.encode("ascii")))
    if refused.quota is not None:
        fields += quota_fields(refused.quota)
    if refused.retry_after_ns is not None:
        fields += retry_fields(refused.retry_after_ns)
    if refused.is_exhausted:
        fields.append(NO_RETRY)
    return fields
