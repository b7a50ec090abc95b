"""An answer's bounds in time, and what its end says about its provider."""

import pytest
import trio
import trio.testing

from engine.errors import Failure, UpstreamFailed
from engine.pool.messages import ABANDONED, Finish, Kind, Message, Outcome
from engine.snapshot import DEFAULT_TIMEOUTS, RoutingSnapshot, Timeouts
from tests.engine.runtime.running import a_request, running
from tests.engine.runtime.scripted_upstream import Piece, Reply, ScriptedUpstream
from tests.engine.tables import pool, provider, table

A = provider("a")
Told = list[tuple[str, Message]]


def within(**seconds: float) -> RoutingSnapshot:
    return table([pool("chat", A, limit=1, timeouts=Timeouts(**seconds))])


def ended(told: Told) -> Outcome:
    (finish,) = [message for _, message in told if isinstance(message, Finish)]
    return finish.outcome


LATE: list[tuple[dict[str, float], list[Piece], float]] = [
    # Bounds, what comes of the body, and when it is over.
    ({"idle_s": 2.0}, [b"one", 1.9, b"two", 9.0, b"never"], 1.9 + 2.0),
    ({"idle_s": 2.0}, [9.0, b"never"], 2.0),
    ({"total_s": 5.0, "connect_s": 1.0, "first_byte_s": 1.0}, [3.0, b"one", 3.0, b"two"], 5.0),
    ({"total_s": 5.0, "first_byte_s": 1.0, "idle_s": 2.0, "connect_s": 1.0}, [1.5, b"x"] * 9, 5.0),
    ({"total_s": 5.0, "first_byte_s": 1.0, "idle_s": 1.0, "connect_s": 1.0}, [0.5, b"x", 3.0, b"y"], 1.5),
    ({}, [300.5, b"never"], 300.0),
]


@pytest.mark.parametrize(("bounds", "body", "over_s"), LATE)
async def test_no_slot_is_held_for_ever(
    bounds: dict[str, float], body: list[Piece], over_s: float, told: Told, autojump_clock: trio.testing.MockClock
) -> None:
    """DEF-40: a pause in the body, or its whole time: the client's answer breaks, and the provider is to blame."""
    del autojump_clock
    upstream = ScriptedUpstream(a=[Reply(200, body)])
    async with running(within(**bounds), upstream) as gateway:
        begun = trio.current_time()
        with pytest.raises(UpstreamFailed) as caught:
            await gateway.ask()
        assert trio.current_time() - begun == pytest.approx(over_s, abs=1e-6)
        assert caught.value.failure is Failure.TIMEOUT
        await gateway.assert_nothing_is_held()
        assert gateway.state().slots[0].health.failures == 1
    assert ended(told) == Outcome(Kind.FAILED, failure=Failure.TIMEOUT)
    assert [answer.closed for answer in upstream.answers] == [1]


async def test_the_whole_time_begins_with_the_attempt(autojump_clock: trio.testing.MockClock) -> None:
    """DEF-40: the head took 3 of 5 seconds."""
    del autojump_clock
    bounds = {"total_s": 5.0, "connect_s": 1.0, "first_byte_s": 4.0}
    upstream = ScriptedUpstream(a=[Reply(200, [1.5, b"one", 1.5, b"two"], after_s=3.0)])
    async with running(within(**bounds), upstream) as gateway:
        with pytest.raises(UpstreamFailed):
            await gateway.ask()
        assert trio.current_time() == pytest.approx(5.0, abs=1e-6)


async def test_a_body_in_time_is_whole(told: Told, autojump_clock: trio.testing.MockClock) -> None:
    """DEF-40: slow, but never too slow; its latency is that of the head."""
    del autojump_clock
    bounds = {"total_s": 30.0, "idle_s": 2.0, "connect_s": 1.0, "first_byte_s": 9.0}
    upstream = ScriptedUpstream(a=[Reply(200, [1.9, b"x"] * 12, after_s=5.0)])
    async with running(within(**bounds), upstream) as gateway:
        assert (await gateway.ask())[1] == b"x" * 12
    assert ended(told) == Outcome(Kind.SUCCEEDED, 200, latency_ns=5 * 10**9)


async def test_an_attempt_is_given_all_its_times() -> None:
    """DEF-40, STREAM-5: the provider's, the pool's, the standing ones, in this order."""
    one = provider("a", timeouts=Timeouts(connect_s=1.0))
    upstream = ScriptedUpstream()
    snapshot = table([pool("chat", one, timeouts=Timeouts(connect_s=5.0, idle_s=7.0))])
    async with running(snapshot, upstream) as gateway:
        await gateway.ask()
    standing = DEFAULT_TIMEOUTS
    assert upstream.timeouts == [Timeouts(1.0, standing.first_byte_s, 7.0, standing.total_s)]


@pytest.mark.parametrize("reads", [0, 1, 2])
async def test_what_a_client_leaves_says_nothing(reads: int, told: Told) -> None:
    """FB-15: before the body's end was seen, whatever was read."""
    async with running(within(), ScriptedUpstream()) as gateway:
        answer = await gateway.forward(a_request())
        async with answer:
            for _ in range(reads):
                await answer.receive()
        await gateway.assert_nothing_is_held()
    assert ended(told) == ABANDONED


@pytest.mark.parametrize(("status", "told_s"), [(200, None), (404, None), (429, 7.0), (503, None), (200, 7.0)])
async def test_what_an_answer_says_when_it_has_ended(
    status: int, told_s: float | None, told: Told, autojump_clock: trio.testing.MockClock
) -> None:
    """HEALTH-2, HEALTH-6, DEF-70: its status, how long the provider wants to be left alone, and how long it took."""
    del autojump_clock
    upstream = ScriptedUpstream(a=[Reply(status, told_s=told_s, after_s=2.0)])
    async with running(within(), upstream) as gateway:
        answer, _ = await gateway.ask()
    told_ns = None if told_s is None or status < 400 else int(told_s * 10**9)
    kind = Kind.SUCCEEDED if status < 400 else Kind.FAILED
    assert ended(told) == Outcome(kind, status, None, told_ns, 2 * 10**9)
    assert answer.retry_after_ns == told_ns
