"""The unmodified `openai` package as a client of a gateway with the demo's table (conformance A, H)."""

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import openai
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from adapters.cli.demo_routes import PEOPLE_KEY
from tests.e2e.running import Gateway, Simulator
from tests.e2e.worlds import NO_TLS, QUESTION, demo_world

# At `[DONE]` the SDK closes its response and drops the generators it read it with, which trio remarks on.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(openai|httpx2|httpcore2)[.]:ResourceWarning")


@attrs.frozen
class World:
    gateway: Gateway
    providers: dict[str, Simulator]

    def sdk(self, key: str = PEOPLE_KEY, *, path: str = "/v1") -> AsyncOpenAI:
        http = DefaultAsyncHttpxClient(verify=NO_TLS, trust_env=False)
        return AsyncOpenAI(base_url=self.gateway.data + path, api_key=key, max_retries=0, http_client=http)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with demo_world(tmp_path) as (running, providers):
        yield World(running, providers)


async def test_chat(world: World) -> None:
    """A01, MODEL-5: an answer is the provider's own and typed, `_request_id` is ours; a rename is for upstream."""
    async with world.sdk() as sdk:
        raw = await sdk.chat.completions.with_raw_response.create(model="careful", messages=[QUESTION])
        said = raw.parse()
        assert said.choices[0].message.content == "east heard: who are you"
        assert said.object == "chat.completion"
        assert said.model == "careful"
        assert said.usage is not None
        assert said.usage.total_tokens == 8
        assert said._request_id == raw.headers["x-request-id"]
        assert raw.headers["x-upstream-request-id"] == "req_east-1"
        [received] = await world.providers["east"].requests()
        assert dict(received["headers"])["x-request-id"] == said._request_id
        said = await sdk.chat.completions.create(model="renamed", messages=[QUESTION])
        assert said.model == "simulated-large"
        assert said.choices[0].message.content == "south heard: who are you"


async def test_chat_streams(world: World) -> None:
    """A02: the raw stream has its chunks in order; the accumulator is satisfied and has the usage it asked for."""
    async with world.sdk() as sdk:
        raw = await sdk.chat.completions.create(model="careful", messages=[QUESTION], stream=True)
        chunks = [chunk async for chunk in raw]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "east heard: who are you"
        assert chunks[-1].choices[0].finish_reason == "stop"
        options = {"include_usage": True}
        asked = sdk.chat.completions.stream(model="careful", messages=[QUESTION], stream_options=options)
        async with asked as stream:
            events = [event async for event in stream]
            said = await stream.get_final_completion()
    assert said.choices[0].message.content == "east heard: who are you"
    assert said.usage is not None
    assert said.usage.completion_tokens == 5
    assert [event.chunk.choices for event in events if event.type == "chunk"][-1] == []
    await world.gateway.at_rest()


async def test_completions_and_embeddings(world: World) -> None:
    """A10: legacy completions answer whole and in a stream; embeddings decode to one vector in both encodings."""
    async with world.sdk() as sdk:
        said = await sdk.completions.create(model="careful", prompt="who are you")
        assert (said.object, said.choices[0].text) == ("text_completion", "east heard: who are you")
        stream = await sdk.completions.create(model="careful", prompt="who are you", stream=True)
        assert "".join([chunk.choices[0].text async for chunk in stream]) == said.choices[0].text
        packed = await sdk.embeddings.create(model="careful", input=["one", "two words"])
        plain = await sdk.embeddings.create(model="careful", input=["one", "two words"], encoding_format="float")
        assert [datum.embedding for datum in packed.data] == [datum.embedding for datum in plain.data]
        assert len(packed.data) == 2
        assert packed.usage.prompt_tokens == 3


async def test_responses(world: World) -> None:
    """A04: a response is typed; the stream's events are numbered without a gap; the accumulator raises nothing."""
    async with world.sdk() as sdk:
        said = await sdk.responses.create(model="careful", input="who are you", instructions="be brief")
        assert (said.status, said.output_text) == ("completed", "east heard: who are you")
        assert said._request_id
        raw = await sdk.responses.create(model="careful", input="who are you", stream=True)
        events = [event async for event in raw]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert events[-1].type == "response.completed"
        async with sdk.responses.stream(model="careful", input="who are you") as stream:
            final = await stream.get_final_response()
        assert final.output_text == said.output_text


async def test_models(world: World) -> None:
    """A08, MODELS-1: the list is the aliases the key opens; one is found by name, an unknown one is NotFoundError."""
    async with world.sdk() as sdk:
        listed = [model async for model in sdk.models.list()]
        assert [model.id for model in listed] == ["careful", "fast", "renamed"]
        assert {(model.object, model.owned_by) for model in listed} == {("model", "None")}
        assert (await sdk.models.retrieve("fast")).id == "fast"
        with pytest.raises(openai.NotFoundError):
            await sdk.models.retrieve("slow")
    async with world.sdk("sk-nobody") as sdk:
        assert [model async for model in sdk.models.list()] == []


async def test_refusals_are_the_sdks_own_exceptions(world: World) -> None:
    """H05, AUTH-2, ERR-3 to ERR-5, ERR-14: every refusal is the exception its status has, with its body and id."""
    async with world.sdk("sk-nobody") as sdk:
        with pytest.raises(openai.PermissionDeniedError) as denied:
            await sdk.chat.completions.create(model="fast", messages=[QUESTION])
    assert (denied.value.code, denied.value.type, denied.value.param) == ("forbidden", "invalid_request_error", None)
    assert denied.value.request_id == denied.value.response.headers["x-request-id"]
    async with world.sdk() as sdk:
        unsigned = {"authorization": openai.Omit()}
        with pytest.raises(openai.AuthenticationError) as unknown:
            await sdk.chat.completions.create(model="fast", messages=[QUESTION], extra_headers=unsigned)
        assert unknown.value.code == "unauthenticated"
        with pytest.raises(openai.NotFoundError) as missing:
            await sdk.chat.completions.create(model="slow", messages=[QUESTION])
        assert missing.value.body == {
            "message": "The model `slow` does not exist or you do not have access to it.",
            "type": "invalid_request_error",
            "param": None,
            "code": "model_not_found",
        }
        failing = {"x-simulate-error-status": "418"}
        with pytest.raises(openai.APIStatusError) as passed:
            await sdk.chat.completions.create(model="careful", messages=[QUESTION], extra_headers=failing)
        assert passed.value.status_code == 418
        assert "east was told to answer 418" in passed.value.message
    assert await world.providers["north"].requests() == []
