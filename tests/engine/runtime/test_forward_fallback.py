"""What follows an attempt that went wrong: switches, pauses, errors inside a 2xx, and what a client gets at the end."""

from typing import Any

import attrs
import pytest
import trio
import trio.testing

from engine.access import digest
from engine.errors import Failure, Reason, Refused
from engine.pool.messages import ABANDONED, Finish, Kind, Message, Outcome, Retry
from engine.snapshot import Affinity, Backoff, CircuitPolicy, Exhausted, Fallback, RoutingSnapshot, Settings, Strategy
from tests.engine.runtime.running import Running, a_request, running
from tests.engine.runtime.scripted_upstream import Reply, Scripted, ScriptedUpstream
from tests.engine.tables import pool, provider, table

A, B = provider("a"), provider("b")
ON = Fallback(enabled=True, on_status=(5,))
JSON = ((b"content-type", b"application/json"),)
LIMITED = Reply(200, (b'{"error": {"code": 429}}',), JSON)
Told = list[tuple[str, Message]]


def error(code: int) -> Reply:
    """A 2xx that is an error (FB-11)."""
    return Reply(200, (b'{"error": {"code": %d}}' % code,), JSON)


def chat(**fallback: Any) -> RoutingSnapshot:
    policy = attrs.evolve(ON, **fallback)
    off = CircuitPolicy(enabled=False)
    return table([pool("chat", A, B, strategy=Strategy.PRIORITY, fallback=policy, circuit=off)])


async def refused(gateway: Running) -> Refused:
    with pytest.raises(Refused) as caught:
        await gateway.ask()
    return caught.value


@pytest.mark.parametrize(
    ("switch", "failure", "reason"),
    [
        ("on_connect_error", Failure.CONNECT, Reason.UNAVAILABLE),
        ("on_timeout", Failure.TIMEOUT, Reason.UPSTREAM_TIMEOUT),
        ("on_maybe_executed", Failure.BROKEN, Reason.BAD_GATEWAY),
    ],
)
async def test_a_failure_that_is_switched_off_is_final(switch: str, failure: Failure, reason: Reason) -> None:
    """FB-4, FB-5, DEF-41: and it was not exhausted: asking again is the client's to decide."""
    upstream = ScriptedUpstream(a=[failure])
    async with running(chat(**{switch: False}), upstream) as gateway:
        refusal = await refused(gateway)
        assert (refusal.reason, refusal.is_exhausted) == (reason, False)
        assert upstream.sent == ["a"]
        await gateway.assert_nothing_is_held()
    upstream = ScriptedUpstream(a=[failure])
    async with running(chat(), upstream) as gateway:
        answer, _ = await gateway.ask()
        assert (answer.provider.name, answer.is_exhausted) == ("b", False)
        assert [one.what for one in gateway.trails[-1].served.attempts] == [failure.value, "answered"]


async def test_pauses_come_between_attempts(told: Told, autojump_clock: trio.testing.MockClock) -> None:
    """FB-8, FB-9: 100, 200 and 300 ms, by the clock that stamps the messages."""
    del autojump_clock
    backoff = Backoff(100, 300, 2, "none")
    upstream = ScriptedUpstream(a=[Reply(500)], b=[Reply(500), Reply(200)])
    async with running(chat(backoff=backoff, max_attempts=6), upstream) as gateway:
        answer, _ = await gateway.ask()
        assert (answer.attempts, "".join(upstream.sent)) == (4, "abab")
        assert trio.current_time() == pytest.approx(0.6, abs=1e-6)
        assert gateway.state().retries == 3
    retries = [message.at for _, message in told if isinstance(message, Retry)]
    assert [at - retries[0] for at in retries] == pytest.approx([0, 10**8, 3 * 10**8], abs=1000)


async def test_pauses_that_would_take_too_long_end_it(autojump_clock: trio.testing.MockClock) -> None:
    """FB-8, FB-9, DEF-27: the last real answer is the client's, and that all was tried is said."""
    del autojump_clock
    policy = {"backoff": Backoff(100, 300, 2, "none"), "max_attempts": 6, "max_total_backoff_ms": 250.0}
    upstream = ScriptedUpstream(a=[Reply(500)], b=[Reply(503, told_s=3.0)])
    async with running(chat(**policy), upstream) as gateway:
        answer, _ = await gateway.ask()
        assert (answer.status, answer.is_exhausted, answer.retry_after_ns) == (503, True, 3 * 10**9)
        assert trio.current_time() == pytest.approx(0.1, abs=1e-6)
        assert gateway.state().budgets_exhausted == 1


@pytest.mark.parametrize("leaves_s", [0.0, 0.05, 0.1, 0.15])
async def test_a_client_that_leaves_in_a_pause_holds_nothing(
    leaves_s: float, told: Told, autojump_clock: trio.testing.MockClock
) -> None:
    """FB-15, T25: no further attempt, and everything is free at once."""
    del autojump_clock
    upstream = ScriptedUpstream(a=[Reply(500)], b=[Reply(500)])
    async with running(chat(backoff=Backoff(100, 300, 2, "none"), max_attempts=9), upstream) as gateway:
        with trio.move_on_at(trio.current_time() + leaves_s) as scope:
            await gateway.ask()
        assert scope.cancelled_caught
        await gateway.assert_nothing_is_held()
        sent = len(upstream.sent)
        await trio.sleep(5)
        assert len(upstream.sent) == sent
    assert [message.outcome for _, message in told if isinstance(message, Finish)] == [ABANDONED]
    assert [answer.closed for answer in upstream.answers] == [1] * len(upstream.answers)


EMBEDDED: list[tuple[dict[str, Any], list[Scripted], int | Reason, str]] = [
    # Policy; what a answers (b is well); the status or reason for the client, and who was asked.
    ({"on_embedded_error": True}, [error(503)], 200, "ab"),
    ({"on_embedded_error": True, "on_rate_limit": True}, [LIMITED], 200, "ab"),
    ({"on_embedded_error": True}, [LIMITED], Reason.UNAVAILABLE, "a"),
    ({"on_embedded_error": True}, [error(422)], Reason.UPSTREAM_REJECTED, "a"),
    ({"on_embedded_error": True, "enabled": False}, [error(503)], Reason.UNAVAILABLE, "a"),
    ({"on_embedded_error": True}, [Reply(200, ())], 200, "ab"),
    ({"on_embedded_error": True, "on_status": ()}, [Reply(200, ())], Reason.UNAVAILABLE, "a"),
    ({"on_embedded_error": False}, [error(503)], 200, "a"),
    ({}, [error(503)], 200, "a"),
]


@pytest.mark.parametrize(("policy", "script", "expected", "asked"), EMBEDDED)
async def test_an_error_in_a_2xx_is_an_error(
    policy: dict[str, Any], script: list[Scripted], expected: int | Reason, asked: str, told: Told
) -> None:
    """FB-11, FB-12, FB-13: tried again as its status is, and otherwise told as what it is; the pool hears it too."""
    upstream = ScriptedUpstream(a=script)
    async with running(chat(**policy), upstream) as gateway:
        if isinstance(expected, Reason):
            refusal = await refused(gateway)
            assert (refusal.reason, refusal.is_exhausted) == (expected, False)
            assert refusal.status == (422 if expected is Reason.UPSTREAM_REJECTED else None)
        else:
            answer, body = await gateway.ask()
            assert answer.status == expected
            assert (body == b"hello world") is (asked == "ab")
        await gateway.assert_nothing_is_held()
    assert "".join(upstream.sent) == asked
    assert [answer.closed for answer in upstream.answers] == [1] * len(upstream.answers)
    first = next(message.outcome for _, message in told if isinstance(message, (Retry, Finish)))
    looked = policy.get("on_embedded_error", False)
    assert (first.kind is Kind.FAILED) is looked


async def test_strict_mode_looks_inside_unless_a_pool_says_otherwise() -> None:
    """FB-11: the table's setting is the pool's default."""
    for said, provider_name in ((None, "b"), (False, "a")):
        upstream = ScriptedUpstream(a=[error(500)])
        snapshot = attrs.evolve(chat(on_embedded_error=said), settings=Settings(strict_mode=True))
        async with running(snapshot, upstream) as gateway:
            assert (await gateway.ask())[0].provider.name == provider_name


EXHAUSTED: list[tuple[list[Scripted], list[Scripted], int | Reason, Reason]] = [
    # What a and b answer; what a client gets where that is relayed, and where it is masked.
    ([Reply(500)], [Reply(503)], 503, Reason.BAD_GATEWAY),
    ([Reply(500)], [Failure.CONNECT], 500, Reason.UNAVAILABLE),
    ([Failure.TIMEOUT], [Failure.CONNECT], Reason.UNAVAILABLE, Reason.UNAVAILABLE),
    ([Failure.CONNECT], [Failure.TIMEOUT], Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_TIMEOUT),
]


@pytest.mark.parametrize(("first", "second", "relayed", "masked"), EXHAUSTED)
@pytest.mark.parametrize("exhausted", list(Exhausted))
async def test_when_all_was_tried(
    first: list[Scripted], second: list[Scripted], relayed: int | Reason, masked: Reason, exhausted: Exhausted
) -> None:
    """FB-6, DEF-27, T7: the last real answer, or the seed's error for the last attempt; either says that it was all."""
    upstream = ScriptedUpstream(a=first, b=second)
    async with running(chat(exhausted=exhausted), upstream) as gateway:
        expected = relayed if exhausted is Exhausted.RELAY else masked
        if isinstance(expected, Reason):
            refusal = await refused(gateway)
            assert (refusal.reason, refusal.is_exhausted, len(gateway.trails[-1].details)) == (expected, True, 2)
        else:
            answer, _ = await gateway.ask()
            assert (answer.status, answer.is_exhausted) == (expected, True)
        await gateway.assert_nothing_is_held()
    assert [answer.closed for answer in upstream.answers] == [1] * len(upstream.answers)


async def test_an_earlier_attempts_answer_says_nothing_of_the_last_ones_provider(told: Told) -> None:
    """DEF-70, FB-6: where the last attempt may not be repeated the answer before it is relayed, and each provider has
    the outcome of its own attempt, whatever becomes of the body.
    """
    upstream = ScriptedUpstream(a=[Reply(500)], b=[Failure.BROKEN])
    for reads in (True, False):
        async with running(chat(on_maybe_executed=False), upstream) as gateway:
            answer = await gateway.forward(a_request())
            assert (answer.status, answer.provider.name, answer.attempts) == (500, "a", 2)
            async with answer:
                while reads and await answer.receive():
                    pass
            await gateway.assert_nothing_is_held()
        broken = Outcome(Kind.FAILED, failure=Failure.BROKEN)
        ended = [message.outcome for _, message in told if isinstance(message, (Retry, Finish))]
        assert [(one.status, one.failure) for one in ended] == [(500, None), (None, Failure.BROKEN)]
        assert ended[-1] == broken
        told.clear()


async def test_an_answer_that_may_not_be_tried_again_is_never_masked() -> None:
    """FB-6, T8: a client's own fault is told as the provider put it, and so is everything where fallback is off."""
    for policy, status in (
        ({"exhausted": Exhausted.MASK}, 404),
        ({"exhausted": Exhausted.MASK, "enabled": False}, 500),
    ):
        async with running(chat(**policy), ScriptedUpstream(a=[Reply(status)])) as gateway:
            answer, _ = await gateway.ask()
            assert (answer.status, answer.is_exhausted) == (status, False)


async def test_a_refused_credential_goes_on_to_the_next(told: Told) -> None:
    """DEF-71, T20: and the provider is left alone for it; without a credential of ours it is the client's 401."""
    ours = provider("a", credential="env:KEY")
    snapshot = table([pool("chat", ours, B, strategy=Strategy.PRIORITY, fallback=Fallback(enabled=True))])
    upstream = ScriptedUpstream(a=[Reply(401)])
    async with running(snapshot, upstream) as gateway:
        assert [(await gateway.ask())[0].provider.name for _ in range(2)] == ["b", "b"]
    assert upstream.sent == ["a", "b", "b"]
    assert [message.outcome.status for _, message in told if isinstance(message, Retry)] == [401]
    upstream = ScriptedUpstream(a=[Reply(401)])
    async with running(chat(on_status=()), upstream) as gateway:
        assert [(await gateway.ask())[0].status for _ in range(2)] == [401, 401]


async def test_a_missing_secret_goes_on_to_the_next(told: Told) -> None:
    """KEY-3: nothing was sent to it; without fallback the gateway itself is not available."""
    upstream = ScriptedUpstream(a=[Failure.CREDENTIAL])
    async with running(chat(), upstream) as gateway:
        assert (await gateway.ask())[0].provider.name == "b"
    assert next(message.outcome for _, message in told if isinstance(message, Retry)) == Outcome(
        Kind.FAILED, failure=Failure.CREDENTIAL
    )
    async with running(chat(enabled=False), ScriptedUpstream(a=[Failure.CREDENTIAL])) as gateway:
        assert (await refused(gateway)).reason is Reason.UNAVAILABLE


async def test_a_session_is_known_by_its_header_or_its_caller() -> None:
    """Issue 3: the same provider for the same session; another one for another; none needed."""
    four = [provider(name) for name in "abcd"]
    for header in ("x-session", None):
        snapshot = table([pool("chat", *four, strategy=Strategy.CONSISTENT_HASH, affinity=Affinity(header))])
        async with running(snapshot, ScriptedUpstream()) as gateway:
            homes = dict[int, set[str]]()
            for turn in range(60):
                session = turn % 12
                name = b"session-%d" % session
                headers = ((b"x-session", name),) if header else ()
                caller = None if header else digest(name)
                answer = await gateway.forward(a_request("chat", caller, headers))
                async with answer:
                    homes.setdefault(session, set()).add(answer.provider.name)
                await gateway.assert_nothing_is_held()
            assert all(len(names) == 1 for names in homes.values())
            assert len(set.union(*homes.values())) > 1
            assert (await gateway.ask())[0].status == 200
