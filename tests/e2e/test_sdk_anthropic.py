"""The unmodified `anthropic` package as a client of a gateway with the demo's table (conformance A, H)."""

from collections.abc import AsyncIterator
from pathlib import Path

import anthropic
import attrs
import pytest
from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

from adapters.cli.demo_routes import PEOPLE_KEY
from tests.e2e.running import Gateway, Simulator
from tests.e2e.worlds import NO_TLS, QUESTION, demo_world, values

ASKED = {"model": "careful", "max_tokens": 100, "messages": [QUESTION]}
SAID = "east heard: who are you"


@attrs.frozen
class World:
    gateway: Gateway
    providers: dict[str, Simulator]

    def sdk(self, key: str = PEOPLE_KEY) -> AsyncAnthropic:
        http = DefaultAsyncHttpxClient(verify=NO_TLS, trust_env=False)
        return AsyncAnthropic(base_url=self.gateway.data, api_key=key, max_retries=0, http_client=http)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with demo_world(tmp_path) as (running, providers):
        yield World(running, providers)


async def test_message(world: World) -> None:
    """A05: a message is typed, `_request_id` is our request-id, and the version goes upstream unchanged (A06)."""
    async with world.sdk() as sdk:
        raw = await sdk.messages.with_raw_response.create(**ASKED, system="be brief")
        said = await raw.parse()
    assert said.content[0].text == SAID
    assert (said.role, said.stop_reason, said.usage.output_tokens) == ("assistant", "end_turn", 5)
    assert said._request_id == raw.headers["request-id"] == raw.headers["x-request-id"]
    assert raw.headers["x-upstream-request-id"] == "req_east-1"
    [received] = await world.providers["east"].requests()
    assert values(received, "anthropic-version") == [raw.http_request.headers["anthropic-version"]]
    assert values(received, "authorization") == values(received, "x-api-key") == []


async def test_message_streams(world: World) -> None:
    """A05: the raw stream has its events in order, the accumulator builds the same message; tokens can be counted."""
    async with world.sdk() as sdk:
        counted = await sdk.messages.count_tokens(model="careful", messages=[QUESTION], system="be brief")
        assert counted.input_tokens == 5
        raw = await sdk.messages.create(**ASKED, stream=True)
        kinds = [event.type async for event in raw]
        assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
        assert kinds.count("content_block_delta") == 5
        async with sdk.messages.stream(**ASKED) as stream:
            texts = [text async for text in stream.text_stream]
            said = await stream.get_final_message()
    assert "".join(texts) == said.content[0].text == SAID
    assert said.usage.output_tokens == 5
    await world.gateway.at_rest()


async def test_models(world: World) -> None:
    """A08: with `anthropic-version` the list has Anthropic's shape; one is found by name or is NotFoundError."""
    async with world.sdk() as sdk:
        page = await sdk.models.list()
        assert [model.id for model in page.data] == ["careful", "fast", "renamed"]
        assert (page.has_more, page.first_id, page.last_id) == (False, "careful", "renamed")
        assert {model.type for model in page.data} == {"model"}
        found = await sdk.models.retrieve("fast")
        assert (found.id, found.display_name) == ("fast", "fast")
        assert found.created_at.tzinfo is not None
        with pytest.raises(anthropic.NotFoundError):
            await sdk.models.retrieve("slow")


async def test_both_ways_to_present_a_key(world: World) -> None:
    """A06, A07: Bearer and x-api-key both authenticate; with both, x-api-key decides; neither is forwarded."""
    async with world.sdk() as sdk:
        by_key = {"x-api-key": PEOPLE_KEY, "authorization": anthropic.Omit(), "anthropic-version": "2023-06-01"}
        await sdk.messages.create(**ASKED, extra_headers=by_key)
        await sdk.messages.create(**ASKED, extra_headers=by_key | {"authorization": "Bearer sk-nobody"})
        with pytest.raises(anthropic.PermissionDeniedError):
            await sdk.messages.create(**ASKED, extra_headers={"x-api-key": "sk-nobody"})
    received = await world.providers["east"].requests()
    assert len(received) == 2
    assert all(values(each, name) == [] for each in received for name in ("authorization", "x-api-key"))


async def test_refusals_are_the_sdks_own_exceptions(world: World) -> None:
    """H05, ERR-3 to ERR-5: every refusal is its status' exception, with Anthropic's type and the request's id."""
    async with world.sdk("sk-nobody") as sdk:
        with pytest.raises(anthropic.PermissionDeniedError) as denied:
            await sdk.messages.create(**ASKED)
    assert denied.value.type == "permission_error"
    assert denied.value.request_id == denied.value.body["request_id"] == denied.value.response.headers["request-id"]
    async with world.sdk() as sdk:
        unsigned = {"x-api-key": anthropic.Omit(), "authorization": anthropic.Omit()}
        with pytest.raises(anthropic.AuthenticationError) as unknown:
            await sdk.messages.create(**ASKED, extra_headers=unsigned)
        assert unknown.value.type == "authentication_error"
        with pytest.raises(anthropic.NotFoundError) as missing:
            await sdk.messages.create(**ASKED | {"model": "slow"})
    assert missing.value.body == {
        "type": "error",
        "error": {
            "type": "not_found_error",
            "message": "The model `slow` does not exist or you do not have access to it.",
        },
        "request_id": missing.value.request_id,
    }
