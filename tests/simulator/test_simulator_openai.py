"""The OpenAI shapes, judged by the unmodified `openai` package (protocols 1.1 to 1.5)."""

import base64
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.simulator.running import Running

# At `[DONE]` the SDK closes its response and drops the generators it read it with, which trio remarks on.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(openai|httpx2|httpcore2)[.]:ResourceWarning")

QUESTION = {"role": "user", "content": "who are you"}
SAID = "sim heard: who are you"


@pytest.fixture(params=["/v1", ""])
async def client(simulator: Running, request: pytest.FixtureRequest) -> AsyncIterator[AsyncOpenAI]:
    """A base URL with and without the version works alike."""
    async with AsyncOpenAI(base_url=simulator.url + request.param, api_key="k", max_retries=0) as sdk:
        yield sdk


async def test_chat_says_who_answers_and_what_it_heard(client: AsyncOpenAI) -> None:
    """A chat answer is typed, echoes the last user message and counts words as tokens (protocols 1.1)."""
    turns = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "first"}, QUESTION]
    said = await client.chat.completions.create(model="m-1", messages=turns)
    assert said.choices[0].message.content == SAID
    assert said.choices[0].finish_reason == "stop"
    assert said.model == "m-1"
    assert said.object == "chat.completion"
    assert said.usage is not None
    assert (said.usage.prompt_tokens, said.usage.completion_tokens, said.usage.total_tokens) == (6, 5, 11)
    assert said._request_id == "req_sim-1"


async def test_chat_hears_the_text_parts(client: AsyncOpenAI) -> None:
    """Content in parts is heard as its text parts."""
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:,x"}}]
    said = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": parts}])
    assert said.choices[0].message.content == "sim heard: look"


async def test_ids_count_up(client: AsyncOpenAI) -> None:
    """No two answers of one simulator share an id."""
    ids = [(await client.chat.completions.create(model="m", messages=[QUESTION])).id for _ in range(2)]
    assert ids == ["chatcmpl-sim-1", "chatcmpl-sim-2"]


async def test_chat_chunks_come_in_order(client: AsyncOpenAI) -> None:
    """Role first and alone, one delta a word, an empty delta with the finish, and no usage unasked (protocols 1.1)."""
    stream = await client.chat.completions.create(model="m", messages=[QUESTION], stream=True)
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[0].choices[0].delta.content == ""
    assert [chunk.choices[0].delta.content for chunk in chunks[1:-1]] == ["sim ", "heard: ", "who ", "are ", "you"]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].choices[0].delta.content is None
    assert {chunk.id for chunk in chunks} == {"chatcmpl-sim-1"}
    assert all(chunk.usage is None for chunk in chunks)


async def test_chat_usage_chunk_is_last_and_asked_for(client: AsyncOpenAI) -> None:
    """With include_usage the last chunk has the usage and no choices (protocols 1.1)."""
    stream = await client.chat.completions.create(
        model="m", messages=[QUESTION], stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 8
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_chat_accumulator_is_satisfied(client: AsyncOpenAI) -> None:
    """The SDK's own accumulator builds the same text from the stream."""
    async with client.chat.completions.stream(model="m", messages=[QUESTION]) as stream:
        said = await stream.get_final_completion()
    assert said.choices[0].message.content == SAID


async def test_the_wire_of_a_chat_stream(simulator: Running) -> None:
    """Every event is one `data:` line, the last is `[DONE]`, and pending usage is an explicit null (protocols 1.1)."""
    body = {"model": "m", "messages": [QUESTION], "stream": True, "stream_options": {"include_usage": True}}
    answer = await simulator.ask("POST", "/v1/chat/completions", json=body)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["transfer-encoding"] == "chunked"
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


async def test_completions(client: AsyncOpenAI) -> None:
    """Legacy completions answer whole and in a stream (protocols 1.2)."""
    said = await client.completions.create(model="m", prompt="who are you")
    assert (said.object, said.choices[0].text, said.choices[0].finish_reason) == ("text_completion", SAID, "stop")
    assert said.usage is not None
    assert said.usage.prompt_tokens == 3
    stream = await client.completions.create(
        model="m", prompt=["no", "who are you"], stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == SAID
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 4


async def test_embeddings_are_the_same_in_both_encodings(client: AsyncOpenAI) -> None:
    """base64, which the SDK asks for unasked, carries the same numbers as float; one datum an input (protocols 1.3)."""
    texts = ["one", "two words"]
    decoded = await client.embeddings.create(model="m", input=texts)
    plain = await client.embeddings.create(model="m", input=texts, encoding_format="float")
    assert [datum.index for datum in decoded.data] == [0, 1]
    assert [datum.embedding for datum in decoded.data] == [datum.embedding for datum in plain.data]
    assert decoded.data[0].embedding != decoded.data[1].embedding
    assert sum(value * value for value in plain.data[0].embedding) == pytest.approx(1)
    assert decoded.usage.prompt_tokens == 3


async def test_embeddings_of_tokens_and_dimensions(simulator: Running) -> None:
    """A list of token numbers is one input; `dimensions` is obeyed; base64 is little-endian float32 (protocols 1.3)."""
    body = {"model": "m", "input": [1, 2, 3], "dimensions": 5, "encoding_format": "base64"}
    answer = (await simulator.ask("POST", "/v1/embeddings", json=body)).json()
    [datum] = answer["data"]
    assert len(struct.unpack("<5f", base64.b64decode(datum["embedding"]))) == 5
    assert answer["usage"]["prompt_tokens"] == 3


async def test_responses(client: AsyncOpenAI) -> None:
    """A response is typed, completed, and counts instructions and input (protocols 1.5)."""
    said = await client.responses.create(model="m", input="who are you", instructions="be brief")
    assert said.output_text == SAID
    assert (said.status, said.instructions, said.id) == ("completed", "be brief", "resp_sim-1")
    assert said.usage is not None
    assert (said.usage.input_tokens, said.usage.output_tokens, said.usage.total_tokens) == (5, 5, 10)
    said = await client.responses.create(model="m", input=[QUESTION, {"role": "assistant", "content": "x"}])
    assert said.output_text == SAID


async def test_responses_stream_in_order(client: AsyncOpenAI) -> None:
    """Events are numbered without a gap and come in the order the protocol gives (protocols 1.5)."""
    stream = await client.responses.create(model="m", input="who are you", stream=True)
    events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *["output_text.delta"] * 5,
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]


async def test_responses_accumulator_is_satisfied(client: AsyncOpenAI) -> None:
    """The SDK's own accumulator builds the same response from the stream."""
    async with client.responses.stream(model="m", input="who are you") as stream:
        said = await stream.get_final_response()
    assert said.output_text == SAID
    assert said.usage is not None
    assert said.usage.output_tokens == 5


async def test_the_wire_of_a_responses_stream(simulator: Running) -> None:
    """Every event is named like its type and `[DONE]` ends the stream (protocols 1.6)."""
    answer = await simulator.ask("POST", "/responses", json={"model": "m", "input": "hi", "stream": True})
    *events, done, _ = answer.text.split("\n\n")
    assert done == "data: [DONE]"
    for event in events:
        name, data = event.split("\n")
        assert name == f"event: {json.loads(data.removeprefix('data: '))['type']}"


async def test_models(client: AsyncOpenAI) -> None:
    """Models are listed and found by name; an unknown one is the SDK's NotFoundError (protocols 1.4)."""
    listed = [model async for model in client.models.list()]
    assert [model.id for model in listed] == ["simulated-small", "simulated-large"]
    assert listed[0].owned_by == "sim"
    assert (await client.models.retrieve("simulated-small")).id == "simulated-small"
    with pytest.raises(openai.NotFoundError, match="simulated-large"):
        await client.models.retrieve("x/y")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/chat/completions", {"messages": [QUESTION]}, "model"),
        ("/chat/completions", {"model": "m"}, "messages"),
        ("/chat/completions", {"model": "m", "messages": []}, "messages"),
        ("/embeddings", {"model": "m"}, "input"),
        ("/embeddings", {"model": "m", "input": "x", "dimensions": 0}, "dimensions"),
        ("/embeddings", {"model": "m", "input": "x", "encoding_format": "hex"}, "encoding_format"),
        ("/responses", {"model": "m"}, "input"),
        ("/completions", {"prompt": "x"}, "model"),
        ("/completions", [], None),
    ],
)
async def test_an_unacceptable_question_is_a_400(simulator: Running, path: str, body: Any, param: str | None) -> None:
    """What is no question of the route is refused in OpenAI's envelope, naming the field."""
    answer = await simulator.ask("POST", path, json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"]


async def test_wrong_method_and_path(simulator: Running) -> None:
    """A path that is not served is a 404 naming those that are; a wrong method is a 405; HEAD has no body."""
    answer = await simulator.ask("POST", "/v1/nothing")
    assert answer.status_code == 404
    assert "/chat/completions" in answer.json()["error"]["message"]
    assert (await simulator.ask("GET", "/v1/messages")).json()["type"] == "error"
    assert (await simulator.ask("POST", "/models")).status_code == 405
    answer = await simulator.ask("HEAD", "/v1/chat/completions")
    assert (answer.status_code, answer.content) == (405, b"")
    assert int(answer.headers["content-length"]) > 0
