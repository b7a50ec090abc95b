"""Chat completions and legacy completions as OpenAI writes them (protocols 1.1, 1.2), and its error envelope.

Law: in a chat stream the role comes first and alone, the finish has an empty delta, usage comes only when
`stream_options.include_usage` asks for it and then last, with `usage: null` in every chunk before it.
"""

from collections.abc import Iterator, Mapping

from adapters.simulator.shape import (
    CREATED,
    DONE,
    Answer,
    Event,
    Json,
    Question,
    Shape,
    conversation,
    model_of,
    sse,
    turns_of,
    words,
)

_TYPES = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
}


def problem(status: int, message: str, param: str | None, _request_id: str) -> Json:
    default = ("server_error", None) if status >= 500 else ("invalid_request_error", None)
    kind, code = _TYPES.get(status, default)
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def usage(answer: Answer) -> Json:
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }


def wants_usage(question: Question) -> bool:
    options = question.body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _read_chat(body: Mapping[str, Json]) -> Question:
    model = model_of(body)
    heard, tokens = conversation(turns_of(body))
    return Question(model, heard, tokens, body.get("stream") is True, body)


def _whole_chat(question: Question, answer: Answer) -> Json:
    message: Json = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []}
    return {
        "id": answer.ident("chatcmpl-"),
        "object": "chat.completion",
        "created": CREATED,
        "model": question.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": usage(answer),
        "system_fingerprint": None,
    }


def _chat_events(question: Question, answer: Answer) -> Iterator[Event]:
    with_usage = wants_usage(question)
    head: dict[str, Json] = {
        "id": answer.ident("chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": question.model,
        "system_fingerprint": None,
    }
    pending: dict[str, Json] = {"usage": None} if with_usage else {}

    def chunk(delta: Json, finish: str | None = None, *, token: bool = False) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return sse(head | {"choices": [choice]} | pending, token=token)

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for piece in answer.pieces:
        yield chunk({"content": piece}, token=True)
    yield chunk({}, "stop")
    if with_usage:
        yield sse(head | {"choices": [], "usage": usage(answer)})
    yield DONE


def _read_completion(body: Mapping[str, Json]) -> Question:
    """A list of prompts is answered as its last string; token numbers count one each."""
    model, prompt = model_of(body), body.get("prompt")
    texts = [prompt] if isinstance(prompt, str) else prompt if isinstance(prompt, list) else []
    heard = next((text for text in reversed(texts) if isinstance(text, str)), "")
    tokens = sum(words(text) if isinstance(text, str) else 1 for text in texts)
    return Question(model, heard, tokens, body.get("stream") is True, body)


def _completion(question: Question, answer: Answer, text: str, finish: str | None) -> dict[str, Json]:
    return {
        "id": answer.ident("cmpl-"),
        "object": "text_completion",
        "created": CREATED,
        "model": question.model,
        "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}],
    }


def _whole_completion(question: Question, answer: Answer) -> Json:
    return _completion(question, answer, answer.text, "stop") | {"usage": usage(answer)}


def _completion_events(question: Question, answer: Answer) -> Iterator[Event]:
    with_usage = wants_usage(question)
    pending: dict[str, Json] = {"usage": None} if with_usage else {}
    for piece in answer.pieces:
        yield sse(_completion(question, answer, piece, None) | pending, token=True)
    yield sse(_completion(question, answer, "", "stop") | pending)
    if with_usage:
        yield sse(_completion(question, answer, "", None) | {"choices": [], "usage": usage(answer)})
    yield DONE


CHAT = Shape(problem, _read_chat, _whole_chat, _chat_events)
COMPLETIONS = Shape(problem, _read_completion, _whole_completion, _completion_events)
