"""What is left of a request whose client leaves: nothing, neither here nor at the provider."""

import random
from collections.abc import Iterator
from functools import partial

import pytest
import trio

from tests.e2e.rig import Rig, rig
from tests.e2e.running import client, until
from tests.e2e.sockets import answered, asked, connect, posted, repeats, says, stay

SEED = 20_240_601
CREDENTIAL = "Authorization: Bearer sk-single"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("cancelled")) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


async def in_flight(world: Rig) -> dict[str, float]:
    """The gauges that are not at zero."""
    return {name: value for name, value in (await world.gateway.metrics()).items() if "_in_flight" in name and value}


async def gone(world: Rig) -> int:
    count: int = (await world.steady.state())["counts"]["client_gone"]
    return count


async def test_leaving_before_the_headers_ends_the_attempt_at_once(world: Rig) -> None:
    """STREAM-2, FB-15, C20: the provider sees its client go within a second; all counters are zero."""
    before = await gone(world)
    async with await connect(world.gateway.data) as peer:
        await peer.send(posted("keyed", CREDENTIAL, "x-simulate-hang: true"))
        await world.in_flight("keyed", 1)
    with trio.fail_after(1):
        while await gone(world) == before:
            pass
        await world.gateway.at_rest()
    assert (await world.steady.requests())[-1]["ended"] == "client_gone"
    assert (await asked(world.gateway.data, posted("keyed", CREDENTIAL))).status == 200, "the key's only place is free"


@pytest.mark.parametrize("by_reset", [False, True])
async def test_leaving_inside_a_stream_ends_it_at_once(world: Rig, *, by_reset: bool) -> None:
    """STREAM-2, C19: after chunk 1 one is active; after the client has left none, and the provider has seen it."""
    before = await gone(world)
    async with await connect(world.gateway.data) as peer:
        fields = (CREDENTIAL, "x-simulate-tokens-per-second: 1", "x-simulate-tokens: 100")
        await peer.send(posted("keyed", *fields, stream=True))
        await peer.receive_until(b"data: ")
        assert await in_flight(world) == {
            'pointsman_key_in_flight{key="single"}': 1.0,
            'pointsman_pool_in_flight{pool="keyed"}': 1.0,
            'pointsman_provider_in_flight{pool="keyed",provider="steady"}': 1.0,
        }
        if by_reset:
            peer.reset()
    with trio.fail_after(1):
        while await gone(world) == before:
            pass
        await world.gateway.at_rest()
    assert (await asked(world.gateway.data, posted("keyed", CREDENTIAL))).status == 200


async def test_leaving_is_nobodys_failure(world: Rig) -> None:
    """FB-15: it is counted as the client's doing."""
    sample = 'pointsman_unfinished_responses_total{{by="{}",pool="steady",provider="steady"}}'
    before = await world.gateway.metrics()
    async with await connect(world.gateway.data) as peer:
        await peer.send(posted("steady", "x-simulate-ttft: 30", stream=True))
        await peer.receive_until(b"\r\n\r\n")
    await world.gateway.at_rest()
    after = await world.gateway.metrics()
    assert after[sample.format("client")] == before.get(sample.format("client"), 0) + 1
    assert after.get(sample.format("provider"), 0) == before.get(sample.format("provider"), 0)


async def test_leaving_while_sending_the_body_reaches_no_provider(world: Rig) -> None:
    """STREAM-1: a request goes out when it is complete, so half of one never does."""
    before = await world.received()
    async with await connect(world.gateway.data) as peer:
        await peer.send(posted("steady")[:-10])
    assert (await asked(world.gateway.data, posted("spare"))).status == 200
    assert await world.received() == {**before, "spare": before["spare"] + 1}


async def test_two_hundred_requests_cancelled_anywhere_leave_nothing(world: Rig) -> None:
    """STREAM-2, CL-1, DEF-24, T25: the moments are drawn from a seed; afterwards every counter is zero.

    Latency, streams, fallback, failures and every kind of concurrency limit are in the mix; then all of it still
    works, and the providers have no request left and no connection but reusable ones.
    """
    draws = random.Random(SEED)
    models = ["steady", "spread", "faulty>steady", "near>steady", "impatient>steady", "keyed", "one-at-a-time", "full"]
    shapes = [
        ("x-simulate-latency: 0.05",),
        ("x-simulate-ttft: 0.02", "x-simulate-tokens-per-second: 100", "x-simulate-tokens: 8"),
        ("x-simulate-hang: true",),
        ("x-simulate-tokens: 2000",),
        (),
    ]
    await world.faulty.change(error_status=503, error_rate=0.7, seed=SEED, latency=0.01)
    answers = 0
    descriptors = "process_open_fds"
    before = (await world.gateway.metrics())[descriptors]

    async def cancelled(model: str, fields: tuple[str, ...], *, stream: bool, after: float, by_reset: bool) -> None:
        nonlocal answers
        async with await connect(world.gateway.data) as peer:
            with trio.move_on_after(after):
                await peer.send(posted(model, CREDENTIAL, *fields, stream=stream))
                while await peer.receive():
                    answers += 1
            if by_reset:
                peer.reset()

    async with world.near.serving(says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npart", then=stay)):
        for _ in range(10):
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    run = partial(
                        cancelled,
                        draws.choice(models),
                        draws.choice(shapes),
                        stream=draws.random() < 0.6,
                        after=draws.random() * 0.12,
                        by_reset=draws.random() < 0.5,
                    )
                    nursery.start_soon(run)
        await world.gateway.at_rest()
    assert answers > 20, "some were cancelled inside their answers"
    assert await in_flight(world) == {}

    await world.calm()

    async def idle() -> bool:
        states = [await one.state() for one in (world.steady, world.spare, world.faulty)]
        kept = sum(state["open_connections"] for state in states)
        after = (await world.gateway.metrics())[descriptors]
        return after <= before + kept and not any(state["requests_in_progress"] for state in states)

    await until(idle)
    async with world.near.serving(repeats(answered(b"{}"))):
        for model in models * 7:
            answer = await asked(world.gateway.data, posted(model, CREDENTIAL))
            assert answer.status == 200, (model, answer)
    assert await in_flight(world) == {}


async def test_a_connection_that_was_left_inside_an_answer_is_not_used_again(world: Rig) -> None:
    """STREAM-2: what the next client reads is its own answer, from its first byte."""
    unfinished = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsomebody else's"
    async with world.near.serving(says(unfinished, then=stay)), await connect(world.gateway.data) as peer:
        await peer.send(posted("near"))
        await peer.receive_until(b"somebody else's")
        peer.close()
        await world.gateway.at_rest()
        async with await connect(world.gateway.data) as other:
            await other.send(posted("near"))
            await other.receive_until(b"\r\n\r\nsomebody else's")
        assert world.near.connections == 2


async def test_many_clients_that_leave_do_not_disturb_one_that_stays(world: Rig) -> None:
    """STREAM-2: a stream runs to its end while fifty others are cut beside it."""
    whole: list[int] = []

    async def stays() -> None:
        body = {"model": "steady", "messages": [{"role": "user", "content": "hello"}], "stream": True}
        headers = {"x-simulate-tokens-per-second": "100", "x-simulate-tokens": "40"}
        async with client() as http:
            answer = await http.post(f"{world.gateway.data}/v1/chat/completions", json=body, headers=headers)
            whole.append(answer.text.count("data: "))
            assert answer.text.endswith("data: [DONE]\n\n")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stays)
        for _ in range(50):
            async with await connect(world.gateway.data) as peer:
                await peer.send(posted("steady", "x-simulate-ttft: 30", stream=True))
    assert whole[0] >= 40
    await world.gateway.at_rest()
