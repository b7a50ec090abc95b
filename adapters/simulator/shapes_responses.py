"""The Responses API (protocols 1.5), with every field that Open Responses requires (1.6).

Law: events are named like their `type` and numbered from 0 without a gap; the item and the response keep their ids from
the first event to the last; `data: [DONE]` ends the stream.
"""

from collections.abc import Iterator, Mapping
from itertools import count

from adapters.simulator.shape import (
    CREATED,
    DONE,
    Answer,
    Event,
    Json,
    Question,
    Shape,
    Unacceptable,
    conversation,
    model_of,
    sse,
)
from adapters.simulator.shapes_openai import problem

_DEFAULTS: Mapping[str, Json] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "background": False,
    "user": None,
}
"""What a response repeats of its request, and what it says where the request is silent or says null."""


def _read(body: Mapping[str, Json]) -> Question:
    model, asked, before = model_of(body), body.get("input"), body.get("instructions")
    if isinstance(asked, str):
        asked = [{"role": "user", "content": asked}]
    elif not isinstance(asked, list):
        raise Unacceptable("input must be a string or a list of items", "input")
    heard, tokens = conversation(asked, before)
    return Question(model, heard, tokens, body.get("stream") is True, body)


def _usage(answer: Answer) -> Json:
    return {
        "input_tokens": answer.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": answer.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _item(answer: Answer, *, done: bool) -> Json:
    return {
        "id": answer.ident("msg_"),
        "type": "message",
        "status": "completed" if done else "in_progress",
        "role": "assistant",
        "content": [_part(answer.text)] if done else [],
    }


def _resource(question: Question, answer: Answer, *, done: bool) -> Json:
    repeated = {
        field: default if question.body.get(field) is None else question.body[field]
        for field, default in _DEFAULTS.items()
    }
    return {
        "id": answer.ident("resp_"),
        "object": "response",
        "created_at": CREATED,
        "completed_at": CREATED if done else None,
        "status": "completed" if done else "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": question.model,
        "output": [_item(answer, done=True)] if done else [],
        "usage": _usage(answer) if done else None,
        **repeated,
    }


def _whole(question: Question, answer: Answer) -> Json:
    return _resource(question, answer, done=True)


def _events(question: Question, answer: Answer) -> Iterator[Event]:
    numbers = count()
    place = {"item_id": answer.ident("msg_"), "output_index": 0, "content_index": 0}

    def event(kind: str, fields: Mapping[str, Json], *, token: bool = False) -> Event:
        head = {"type": f"response.{kind}", "sequence_number": next(numbers)}
        return sse({**head, **fields}, named=True, token=token)

    started = {"response": _resource(question, answer, done=False)}
    yield event("created", started)
    yield event("in_progress", started)
    yield event("output_item.added", {"output_index": 0, "item": _item(answer, done=False)})
    yield event("content_part.added", {**place, "part": _part("")})
    for piece in answer.pieces:
        yield event("output_text.delta", {**place, "delta": piece, "logprobs": []}, token=True)
    yield event("output_text.done", {**place, "text": answer.text, "logprobs": []})
    yield event("content_part.done", {**place, "part": _part(answer.text)})
    yield event("output_item.done", {"output_index": 0, "item": _item(answer, done=True)})
    yield event("completed", {"response": _resource(question, answer, done=True)})
    yield DONE


RESPONSES = Shape(problem, _read, _whole, _events)
