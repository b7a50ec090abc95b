"""Messages as Anthropic writes them (protocols 1.7), token counting, and its error envelope.

Law: every event is named; usage in `message_delta` is cumulative; `message_stop` ends the stream, there is no `[DONE]`.
"""

from collections.abc import Iterator, Mapping

from adapters.simulator.shape import (
    Answer,
    Event,
    Json,
    Question,
    Shape,
    Unacceptable,
    conversation,
    model_of,
    sse,
    turns_of,
)

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def problem(status: int, message: str, param: str | None, request_id: str) -> Json:
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    text = f"{param}: {message}" if param else message
    return {"type": "error", "error": {"type": kind, "message": text}, "request_id": request_id}


def _read_count(body: Mapping[str, Json]) -> Question:
    heard, tokens = conversation(turns_of(body), body.get("system"))
    return Question(model_of(body), heard, tokens, body=body)


def _read(body: Mapping[str, Json]) -> Question:
    question = _read_count(body)
    most = body.get("max_tokens")
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        raise Unacceptable("a whole number from 0 is required", "max_tokens")
    return Question(question.model, question.heard, question.input_tokens, body.get("stream") is True, body)


def _usage(answer: Answer, output_tokens: int) -> Json:
    return {
        "input_tokens": answer.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _message(question: Question, answer: Answer, content: list[Json], *, done: bool) -> Json:
    return {
        "id": answer.ident("msg_"),
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": content,
        "stop_reason": "end_turn" if done else None,
        "stop_sequence": None,
        "usage": _usage(answer, answer.output_tokens if done else 1),
    }


def _whole(question: Question, answer: Answer) -> Json:
    return _message(question, answer, [{"type": "text", "text": answer.text}], done=True)


def _events(question: Question, answer: Answer) -> Iterator[Event]:
    def event(kind: str, fields: Mapping[str, Json], *, token: bool = False) -> Event:
        return sse({"type": kind, **fields}, named=True, token=token)

    yield event("message_start", {"message": _message(question, answer, [], done=False)})
    yield event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
    yield event("ping", {})
    for piece in answer.pieces:
        yield event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": piece}}, token=True)
    yield event("content_block_stop", {"index": 0})
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    yield event("message_delta", {"delta": ending, "usage": _usage(answer, answer.output_tokens)})
    yield event("message_stop", {})


def _count(question: Question, _answer: Answer) -> Json:
    return {"input_tokens": question.input_tokens}


MESSAGES = Shape(problem, _read, _whole, _events, request_id=b"request-id")
COUNT_TOKENS = Shape(problem, _read_count, _count, request_id=b"request-id")
