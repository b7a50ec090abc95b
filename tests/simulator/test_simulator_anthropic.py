"""The Anthropic shapes, judged by the unmodified `anthropic` package (protocols 1.7)."""

from collections.abc import AsyncIterator

import anthropic
import pytest
from anthropic import AsyncAnthropic

from tests.simulator.running import Running

QUESTION = {"role": "user", "content": "who are you"}
ASKED = {"model": "m", "max_tokens": 100, "messages": [QUESTION]}
SAID = "sim heard: who are you"


@pytest.fixture
async def client(simulator: Running) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=simulator.url, api_key="k", max_retries=0) as sdk:
        yield sdk


async def test_message_says_who_answers_and_what_it_heard(client: AsyncAnthropic) -> None:
    """A message is typed, echoes the last user turn and counts words, the system's among them (protocols 1.7)."""
    said = await client.messages.create(**ASKED, system="be brief")
    assert said.content[0].text == SAID
    assert (said.id, said.role, said.stop_reason) == ("msg_sim-1", "assistant", "end_turn")
    assert (said.usage.input_tokens, said.usage.output_tokens) == (5, 5)
    assert said._request_id == "req_sim-1"


async def test_message_stream_in_order(client: AsyncAnthropic) -> None:
    """Events come in the order the protocol gives; usage in message_delta is cumulative (protocols 1.7)."""
    stream = await client.messages.create(**ASKED, stream=True)
    events = [event async for event in stream]
    # The SDK keeps `ping` to itself or shows it, as versions differ: it is no part of the order.
    kinds = [event.type for event in events if event.type != "ping"]
    assert kinds == [
        *("message_start", "content_block_start"),
        *["content_block_delta"] * 5,
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    assert events[0].message.usage.input_tokens == 3
    assert events[-2].usage.output_tokens == 5


async def test_message_accumulator_is_satisfied(client: AsyncAnthropic) -> None:
    """The SDK's own accumulator builds the same message from the stream."""
    async with client.messages.stream(**ASKED) as stream:
        texts = [text async for text in stream.text_stream]
        said = await stream.get_final_message()
    assert "".join(texts) == SAID
    assert said.content[0].text == SAID
    assert said.stop_reason == "end_turn"
    assert said.usage.output_tokens == 5


async def test_tokens_are_counted(client: AsyncAnthropic) -> None:
    """Counting tokens needs no max_tokens and counts what a message would (protocols 1.7)."""
    counted = await client.messages.count_tokens(model="m", messages=[QUESTION], system="be brief")
    assert counted.input_tokens == 5


async def test_models_in_the_anthropic_shape(client: AsyncAnthropic) -> None:
    """`anthropic-version` chooses the shape of the list of models (protocols 1.4)."""
    listed = [model async for model in client.models.list()]
    assert [model.id for model in listed] == ["simulated-small", "simulated-large"]
    assert listed[0].type == "model"
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve("other")


async def test_max_tokens_is_required(simulator: Running) -> None:
    """A message without max_tokens is refused in Anthropic's envelope, with the request's id."""
    answer = await simulator.ask("POST", "/v1/messages", json={"model": "m", "messages": [QUESTION]})
    assert answer.status_code == 400
    error = answer.json()
    assert error["error"]["type"] == "invalid_request_error"
    assert error["error"]["message"].startswith("max_tokens: ")
    assert error["request_id"] == answer.headers["request-id"] == "req_sim-1"


async def test_every_event_is_named(simulator: Running) -> None:
    """An event without a name is lost on the SDKs, so all have one, and no `[DONE]` follows (protocols 1.7)."""
    answer = await simulator.ask("POST", "/messages", json=ASKED | {"stream": True})
    events = answer.text.removesuffix("\n\n").split("\n\n")
    assert all(event.startswith("event: ") for event in events)
    assert events[-1] == 'event: message_stop\ndata: {"type":"message_stop"}'


async def test_injected_errors_are_the_sdks_own(client: AsyncAnthropic) -> None:
    """An injected status raises the SDK's own exception with the type of that status."""
    with pytest.raises(anthropic.RateLimitError) as caught:
        await client.messages.create(**ASKED, extra_headers={"x-simulate-error-status": "429"})
    assert caught.value.type == "rate_limit_error"
    with pytest.raises(anthropic.OverloadedError):
        await client.messages.create(**ASKED, extra_headers={"x-simulate-error-status": "529"})
