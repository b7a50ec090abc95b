"""One request through admission, lease, attempts and answer."""

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from engine.errors import Failure, Reason, UpstreamFailed
from engine.pool.messages import BROKEN, SUCCEEDED, Acquire, Kind, Outcome
from engine.runtime.answer import outcome_of
from engine.snapshot import Fallback
from tests.engine.runtime.forwarding import BAD, ON, A, B, C, Told, assert_all_closed, chat, outcomes, refused
from tests.engine.runtime.running import a_request, running
from tests.engine.runtime.scripted_upstream import Reply, Scripted, ScriptedUpstream
from tests.engine.tables import pool, provider, table


@pytest.mark.parametrize("nowait", [True, False])
async def test_the_first_success_is_relayed(told: Told, nowait: bool) -> None:
    """ORDER-1, LB-10: one attempt, its bytes as they came, one finish when the body has ended."""
    upstream = ScriptedUpstream()
    async with running(chat(A, B), upstream) as gateway:
        answer, body = await gateway.ask(nowait=nowait)
        assert (answer.status, body, answer.provider, answer.attempts) == (200, b"hello world", A, 1)
        assert (answer.pool.alias, answer.position, gateway.trails[0].served.key_id) == ("chat", 3, None)
        assert answer.upstream_ns > 0
        await gateway.assert_nothing_is_held()
    assert upstream.sent == ["a"]
    assert outcomes(told) == [SUCCEEDED]
    assert_all_closed(upstream)


FALLING_BACK: list[tuple[dict[str, Sequence[Scripted]], int, str]] = [
    ({"a": [Reply(500)]}, 200, "ab"),
    ({"a": [Reply(429)], "b": [Reply(503)]}, 200, "abc"),
    ({"a": [Failure.CONNECT]}, 200, "ab"),
    ({"a": [Failure.BROKEN], "b": [Failure.TIMEOUT]}, 200, "abc"),
    ({"a": [Reply(404)]}, 404, "a"),
    ({"a": [Reply(500)], "b": [Reply(400)]}, 400, "ab"),
]


@pytest.mark.parametrize(("script", "status", "asked"), FALLING_BACK)
async def test_what_may_be_tried_again_is(script: dict[str, Sequence[Scripted]], status: int, asked: str) -> None:
    """FB-3, FB-4, FB-5: a listed status and any failure go to the next provider; another status is the client's."""
    upstream = ScriptedUpstream(**script)
    async with running(chat(A, B, C), upstream) as gateway:
        answer, body = await gateway.ask()
        assert (answer.status, body, answer.attempts) == (status, b"hello world", len(asked))
        assert answer.provider.name == asked[-1]
        await gateway.assert_nothing_is_held()
    assert "".join(upstream.sent) == asked
    assert_all_closed(upstream)


async def test_the_pool_hears_how_each_attempt_ended(told: Told) -> None:
    """FB-3, FB-5, house §5: status and failure by provider, then the outcome of the one that stood."""
    upstream = ScriptedUpstream(a=[Failure.CONNECT], b=[Reply(503)])
    async with running(chat(A, B, C), upstream) as gateway:
        await gateway.ask()
        await gateway.assert_nothing_is_held()
    failed = Outcome(Kind.FAILED, failure=Failure.CONNECT)
    assert outcomes(told) == [failed, Outcome(Kind.FAILED, status=503), SUCCEEDED]


@pytest.mark.parametrize(
    ("script", "status", "served"),
    [
        ({"a": [Reply(429)], "b": [Reply(429)]}, 429, "b"),
        ({"a": [Reply(500)], "b": [Reply(503)]}, 503, "b"),
        ({"a": [Reply(429)], "b": [Failure.CONNECT]}, 429, "a"),
        ({"a": [Failure.TIMEOUT], "b": [Reply(502)]}, 502, "b"),
    ],
)
async def test_when_all_was_tried_the_last_real_answer_is_relayed(
    script: dict[str, Sequence[Scripted]], status: int, served: str
) -> None:
    """DEF-27, FB-6: with its status and body, so that a client backs off as the provider wants it to."""
    upstream = ScriptedUpstream(**script)
    async with running(chat(A, B), upstream) as gateway:
        answer, body = await gateway.ask()
        assert (answer.status, body, answer.provider.name, answer.attempts) == (status, b"hello world", served, 2)
        await gateway.assert_nothing_is_held()
    assert upstream.sent == ["a", "b"]
    assert_all_closed(upstream)


@pytest.mark.parametrize(
    ("failures", "reason"),
    [
        ((Failure.CONNECT,), Reason.UNAVAILABLE),
        ((Failure.BROKEN,), Reason.BAD_GATEWAY),
        ((Failure.TIMEOUT,), Reason.UPSTREAM_TIMEOUT),
        ((Failure.TIMEOUT, Failure.CONNECT), Reason.UNAVAILABLE),
        ((Failure.CONNECT, Failure.TIMEOUT), Reason.UPSTREAM_TIMEOUT),
    ],
)
@pytest.mark.parametrize("enabled", [True, False])
async def test_without_any_answer_the_last_failure_is_the_reason(
    failures: tuple[Failure, ...], reason: Reason, enabled: bool, told: Told
) -> None:
    """FB-4, FB-5, FB-6, DEF-95: 503 for no connection, 502 for a broken one, 504 for a late one; the first if off."""
    providers = [provider(str(place)) for place in range(len(failures))]
    upstream = ScriptedUpstream(**{str(place): [failure] for place, failure in enumerate(failures)})
    async with running(chat(*providers, fallback=Fallback(enabled=enabled)), upstream) as gateway:
        if enabled or len(failures) == 1:
            assert await refused(gateway) is reason
            assert len(upstream.sent) == len(failures)
        else:
            assert await refused(gateway) is not reason
            assert len(upstream.sent) == 1
        await gateway.assert_nothing_is_held()
    assert outcomes(told)[-1] == outcome_of(failures[-1] if enabled else failures[0])


async def test_off_means_the_first_outcome_is_final(told: Told) -> None:
    """FB-1, DEF-48: whatever is listed and however many attempts are allowed."""
    upstream = ScriptedUpstream(a=[Reply(500)])
    off = Fallback(enabled=False, on_status=(5,), max_attempts=3)
    async with running(chat(A, B, fallback=off), upstream) as gateway:
        answer, _ = await gateway.ask()
        assert (answer.status, answer.attempts) == (500, 1)
        await gateway.assert_nothing_is_held()
    assert outcomes(told) == [Outcome(Kind.FAILED, status=500)]


@pytest.mark.parametrize("before", [(), (Reply(500),)])
async def test_a_request_no_provider_could_be_sent_is_not_tried_again(before: tuple[Reply, ...]) -> None:
    """FB-7: nobody is blamed; an answer kept from an earlier attempt is closed."""
    upstream = ScriptedUpstream(a=before or (BAD,), b=[BAD])
    async with running(chat(A, B, C), upstream) as gateway:
        assert await refused(gateway) is Reason.BAD_REQUEST
        await gateway.assert_nothing_is_held()
    assert upstream.sent == ["a", "b"][: len(before) + 1]
    assert_all_closed(upstream)


async def test_a_refused_request_spends_nothing(told: Told) -> None:
    """ORDER-2, CL-3, CL-4: pool limit, full providers, drained ones: each its reason, none of them an attempt."""
    upstream = ScriptedUpstream()
    upstream.gate = trio.Event()
    snapshot = table(
        [
            pool("limited", A, B, limit=1, fallback=ON),
            pool("full", provider("a", limit=1), fallback=ON),
            pool("drained", provider("a", weight=0)),
            pool("empty"),
        ]
    )
    async with running(snapshot, upstream) as gateway, trio.open_nursery() as nursery:
        for alias in ("limited", "full"):
            nursery.start_soon(gateway.ask, alias)
        await trio.testing.wait_all_tasks_blocked()
        sent = len(upstream.sent)
        assert await refused(gateway, "limited") is Reason.CONCURRENCY_LIMIT
        assert await refused(gateway, "full") is Reason.CONCURRENCY_LIMIT
        assert await refused(gateway, "drained") is Reason.UNAVAILABLE
        assert await refused(gateway, "empty") is Reason.UNAVAILABLE
        assert await refused(gateway, "nothing") is Reason.MODEL_NOT_FOUND
        assert len(upstream.sent) == sent
        await trio.testing.wait_all_tasks_blocked()
        assert len(gateway.state("limited").journeys) == 1
        upstream.gate.set()
    assert not any(isinstance(message, Acquire) and alias == "empty" for alias, message in told)


@pytest.mark.parametrize("fallback", [ON, Fallback()])
async def test_a_body_that_breaks_is_the_providers_failure_and_not_tried_again(told: Told, fallback: Fallback) -> None:
    """FB-10: all bytes before it are delivered, then it is an error."""
    upstream = ScriptedUpstream(a=[Reply(200, (b"one", b"two", Failure.BROKEN))])
    async with running(chat(A, B, fallback=fallback), upstream) as gateway:
        answer = await gateway.forward(a_request())
        async with answer:
            assert [answer.receive_nowait(), await answer.receive()] == [b"one", b"two"]
            assert answer.receive_nowait() is None
            with pytest.raises(UpstreamFailed):
                await answer.receive()
        await gateway.assert_nothing_is_held()
    assert upstream.sent == ["a"]
    assert outcomes(told) == [BROKEN]
    assert_all_closed(upstream)
