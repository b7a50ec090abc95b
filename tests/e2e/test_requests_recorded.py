"""What the journal is told of each request: once, when it is over, with all attempts and the tokens it took."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from adapters import clock
from engine.recording import Served, Usage
from engine.snapshot import CircuitPolicy, Exhausted, Fallback, Pool, Provider, Strategy
from tests.e2e.data_plane import DataPlane, data_plane
from tests.e2e.running import Simulator, simulators, until
from tests.e2e.sockets import Place, answered, asked, connect, place, posted, reset, says, stay
from tests.engine.tables import deny, key, pool, provider, redirect, table

NO_CIRCUIT = CircuitPolicy(enabled=False)
ON = Fallback(enabled=True, on_status=(5,))
LIMITED = ("authorization: Bearer secret-limited",)
EMPTY = b'{"error":{"code":503}}'


@attrs.frozen
class World:
    plane: DataPlane
    steady: Simulator
    near: Place


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """`steady` answers, at `near` a test puts what it likes, `nowhere` refuses; `a>b` falls back, `a>b!` masks too."""
    with place() as near, place(refusing=True) as nowhere:
        async with simulators("steady") as (steady,):
            at = {"steady": steady.url, "near": near.url, "nowhere": nowhere.url}
            known = {name: provider(name, url=f"{url}/v1/") for name, url in at.items()}
            pools = [
                _pool(alias, known)
                for alias in (*known, "nowhere>steady", "near>steady", "near>nowhere", "near>nowhere!")
            ]
            pools += [
                pool("empty"),
                pool("one", attrs.evolve(known["steady"], name="only"), limit=1),
                pool("spent", known["steady"], rps=0.001, burst=1),
                pool("narrow", provider("slow", url=f"{steady.url}/v1/", rps=0.001, burst=1)),
                pool("private", known["steady"], keys=frozenset({"member", "denied", "sent-on"})),
                pool("ruled", known["steady"], rules=(deny(team="x"), redirect("nowhere", team="y"))),
            ]
            keys = [
                key("limited", rps=0.001, burst=1),
                key("member"),
                key("outsider"),
                key("denied", team="x"),
                key("sent-on", team="y"),
            ]
            async with data_plane(table(pools, keys)) as plane:
                yield World(plane, steady, near)


def _pool(alias: str, known: dict[str, Provider]) -> Pool:
    providers = [known[name] for name in alias.rstrip("!").split(">")]
    exhausted = Exhausted.MASK if alias.endswith("!") else Exhausted.RELAY
    fallback = attrs.evolve(ON, on_embedded_error=len(providers) > 1, exhausted=exhausted)
    return pool(alias, *providers, strategy=Strategy.PRIORITY, fallback=fallback, circuit=NO_CIRCUIT)


def bearer(key_id: str) -> str:
    return f"authorization: Bearer secret-{key_id}"


def attempts(served: Served) -> list[tuple[str, int | None, str]]:
    return [(one.provider, one.status, one.what) for one in served.attempts]


async def _received(simulator: Simulator, count: int) -> None:
    """Return once it has had so many requests."""

    async def has() -> bool:
        return bool((await simulator.state())["counts"]["received"] == count)

    await until(has)


async def one_of(plane: DataPlane, data: bytes) -> Served:
    """The record of one request."""
    await asked(plane.url, data)
    (served,) = await plane.recorded()
    return served


async def test_an_answer_is_recorded_when_its_body_has_ended() -> None:
    """Issue 5, item 1: whose it was, what it got, how long it took, what it cost, on the monotonic clock."""
    async with world() as each:
        begun = clock.monotonic_ns()
        answer = await asked(each.plane.url, posted("steady", "x-request-id: mine", bearer("member")))
        (served,) = await each.plane.recorded()
        over = clock.monotonic_ns()
        assert (served.request_id, served.alias, served.pool, served.key_id) == ("mine", "steady", "steady", "member")
        assert (served.status, served.outcome, served.reason) == (200, "complete", None)
        assert str(served.ticket) == answer.header("x-pointsman-decision")
        assert str(served.position) == answer.header("x-pointsman-position")
        (attempt,) = served.attempts
        assert attempts(served) == [("steady", 200, "answered")]
        assert (
            begun < served.at < attempt.sent_at < attempt.sent_at + attempt.head_ns < served.at + served.total_ns < over
        )
        counted = answer.json()["usage"]
        assert served.usage == Usage(counted["prompt_tokens"], counted["completion_tokens"])
        line = await each.plane.line("mine")
        assert (line["provider"], line["tried"]) == ("steady", None)
        assert "hello" not in repr(served) + json.dumps(line)


async def test_a_stream_is_recorded_when_it_has_ended_and_not_before() -> None:
    """BILL-8, DEF-24: the record comes with the last byte."""
    async with world() as each, await connect(each.plane.url) as peer:
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        await peer.send(posted("steady", "x-simulate-tokens: 40", "x-simulate-tokens-per-second: 200", **streamed))
        await peer.receive_until(b"data: ")
        await each.plane.recorded(0)
        assert b"[DONE]" in await peer.receive_until(b"0\r\n\r\n")
        (served,) = await each.plane.recorded()
        assert (served.status, served.outcome) == (200, "complete")
        assert served.usage is not None
        assert (served.usage.output, served.total_ns > 150_000_000) == (40, True)


PROTOCOLS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"stream_options": {"include_usage": True}},
    "/v1/completions": {"prompt": "hello", "stream_options": {"include_usage": True}},
    "/v1/responses": {"input": "hello"},
    "/v1/messages": {"max_tokens": 99},
}


async def test_every_protocols_tokens_are_recorded() -> None:
    """BILL-7, BILL-8, DEF-72: whole and streamed; what says nothing of tokens took an unknown number."""
    async with world() as each:
        for target, more in PROTOCOLS.items():
            for stream in (False, True):
                fields = ("x-simulate-tokens: 12", "content-type: application/json")
                extra = more if stream else {name: value for name, value in more.items() if name != "stream_options"}
                served = await one_of(each.plane, posted("steady", *fields, target=target, stream=stream, **extra))
                assert served.outcome == "complete"
                assert served.usage == Usage(1, 12), (target, stream)
        unasked = await one_of(each.plane, posted("steady", stream=True))
        assert (unasked.outcome, unasked.usage) == ("complete", None)
        embedded = await one_of(each.plane, posted("steady", target="/v1/embeddings", input="one two"))
        assert embedded.usage == Usage(2, 0)
        counts = b'{"usage":{"total_tokens":9}}'
        for fields, usage in ((("content-type: application/json",), Usage(4, 5)), ((), None)):
            async with each.near.serving(says(answered(counts, *fields))):
                assert (await one_of(each.plane, posted("near"))).usage == usage
        async with each.near.serving(
            says(answered(counts, "content-type: application/json", "content-encoding: gzip"))
        ):
            assert (await one_of(each.plane, posted("near"))).usage is None


async def test_who_left_is_recorded_with_what_had_been_said() -> None:
    """FB-10, FB-15: a client in the middle and before the answer; a provider that breaks off; a gateway that ends."""
    async with world() as each:
        plane = each.plane
        async with await connect(plane.url) as peer:
            await peer.send(posted("steady", "x-simulate-ttft: 3600", target="/v1/messages", max_tokens=9, stream=True))
            await peer.receive_until(b"message_start")
        (served,) = await plane.recorded()
        assert (served.status, served.outcome, served.usage) == (200, "client", Usage(1, 1))

        async with await connect(plane.url) as peer:
            await peer.send(posted("steady", "x-simulate-hang: true"))
            await _received(each.steady, 2)
        (served,) = await plane.recorded()
        assert (served.status, served.outcome, attempts(served)) == (None, "client", [("steady", None, "abandoned")])
        assert served.attempts[0].head_ns > 0
        line = await plane.line(served.request_id)
        assert (line["status"], line["provider"], line["tried"]) == (None, None, ["steady: abandoned"])

        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n"
        async with each.near.serving(says(head + b'{"usage":{', then=reset)), await connect(plane.url) as peer:
            await peer.send(posted("near"))
            await peer.receive_until(b'{"usage":{')
            await peer.receive()
            (served,) = await plane.recorded()
        assert (served.status, served.outcome, attempts(served)) == (200, "provider", [("near", 200, "answered")])
        assert served.usage is None

        async with each.near.serving(says(head, then=stay)), await connect(plane.url) as one:
            await one.send(posted("near", "x-request-id: begun"))
            await one.receive_until(b"\r\n\r\n")
            async with await connect(plane.url) as other:
                await other.send(posted("steady", "x-simulate-hang: true", "x-request-id: waiting"))
                await _received(each.steady, 3)
                plane.server.abort()
                both = {served.request_id: served for served in await plane.recorded(2)}
        assert [(both[name].status, both[name].outcome) for name in ("begun", "waiting")] == [
            (200, "gateway"),
            (None, "gateway"),
        ]
        unfinished = {
            (sample.labels["provider"], sample.labels["by"]): sample.value
            for metric in plane.observer.collect()
            if metric.name == "pointsman_unfinished_responses"
            for sample in metric.samples
        }
        assert unfinished == {
            ("steady", "client"): 2,
            ("near", "provider"): 1,
            ("near", "gateway"): 1,
            ("steady", "gateway"): 1,
        }


async def test_each_attempt_is_recorded() -> None:
    """FB-3 to FB-5, FB-11 to FB-13, LB-10: how each ended; the log line says what exactly failed."""
    async with world() as each:
        plane = each.plane
        served = await one_of(plane, posted("nowhere>steady"))
        assert attempts(served) == [("nowhere", None, "connect"), ("steady", 200, "answered")]
        assert (served.status, served.outcome, served.usage is None) == (200, "complete", False)
        (told,) = (await plane.line(served.request_id))["tried"]
        assert told.startswith("nowhere: connect: ")
        json_field = "content-type: application/json"
        for said, status, what, told in (
            (answered(b"{}", status="503 Busy"), 503, "answered", "near: status 503"),
            (answered(EMPTY, json_field), 503, "embedded", "near: error 503 in a 2xx"),
            (answered(b"", json_field), 502, "empty", "near: an answer without content"),
        ):
            async with each.near.serving(says(said)):
                served = await one_of(plane, posted("near>steady"))
            assert attempts(served) == [("near", status, what), ("steady", 200, "answered")]
            assert (await plane.line(served.request_id))["tried"] == [told]
        for alias, outcome, left in (("near>nowhere", "complete", 1), ("near>nowhere!", "refused", 2)):
            async with each.near.serving(says(answered(b"{}", status="503 Busy"))):
                served = await one_of(plane, posted(alias))
            # All was tried: the answer that there was goes out after all (DEF-27), or is masked.
            assert attempts(served) == [("near", 503, "answered"), ("nowhere", None, "connect")]
            assert (served.status, served.outcome) == (503, outcome)
            tried = (await plane.line(served.request_id))["tried"]
            assert ("near: status 503" in tried, len(tried)) == (outcome == "refused", left)
        assert served.reason == "service_unavailable"
        async with each.near.serving(says()):
            served = await one_of(plane, posted("near"))
        assert (attempts(served), served.reason) == ([("near", None, "broken")], "bad_gateway")
        (told,) = (await plane.line(served.request_id))["tried"]
        assert told.startswith("near: broken (may have been executed): ")


async def test_every_refusal_is_recorded_with_its_reason() -> None:
    """ORDER-1, RL-3: those before any actor too, in the order in which they are looked for."""
    async with world() as each:
        plane = each.plane
        unknown = await one_of(plane, posted("no-such-alias" * 40))
        assert unknown.alias is not None
        assert (unknown.status, unknown.reason, len(unknown.alias), unknown.ticket) == (
            404,
            "model_not_found",
            128,
            None,
        )
        for alias, fields, status, reason, key_id, pool_, why in (
            ("private", (), 401, "unauthenticated", None, None, None),
            ("private", ("authorization: Bearer x",), 403, "forbidden", None, "private", "no key has this secret"),
            (
                "private",
                (bearer("outsider"),),
                403,
                "forbidden",
                "outsider",
                "private",
                "the pool does not list the key",
            ),
            ("ruled", (bearer("denied"),), 403, "forbidden", "denied", "ruled", "a rule of the pool denies it"),
            ("empty", (), 503, "service_unavailable", None, None, None),
        ):
            served = await one_of(plane, posted(alias, *fields))
            assert (served.status, served.reason, served.outcome) == (status, reason, "refused")
            assert (served.key_id, served.pool, served.why) == (key_id, pool_, why)
            assert (served.ticket, served.attempts, served.scope) == (None, (), None)
            assert served.position > 0
        # Where a rule has led the request counts, not where it asked.
        served = await one_of(plane, posted("ruled", bearer("sent-on")))
        assert (served.alias, served.pool, served.key_id, served.reason) == (
            "ruled",
            "nowhere",
            "sent-on",
            "service_unavailable",
        )
        for alias, fields, scope, why in (
            ("steady", (bearer("limited"),), "key", None),
            ("spent", (), "pool", "pool_rate"),
            ("narrow", (), "provider", "provider_rate"),
        ):
            assert (await one_of(plane, posted(alias, *fields))).outcome == "complete"
            served = await one_of(plane, posted(alias, *fields))
            assert (served.status, served.reason, served.scope, served.why) == (429, "rate_limit", scope, why)
            assert (served.ticket is not None, served.attempts, served.total_ns > 0) == (True, (), True)
        async with await connect(plane.url) as peer:
            await peer.send(posted("one", "x-simulate-ttft: 3600", stream=True))
            await peer.receive_until(b"\r\n\r\n")
            served = await one_of(plane, posted("one"))
        assert (served.status, served.reason, served.scope) == (429, "concurrency_limit_exceeded", "pool")
        assert (await plane.recorded())[0].outcome == "client"


@pytest.mark.parametrize(
    "data",
    [
        b"NOT HTTP\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}",
        b"GET /health/live HTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET /v1/models/nobody HTTP/1.1\r\nhost: h\r\n\r\n",
    ],
)
async def test_what_names_no_alias_is_not_a_request_of_the_journal(data: bytes) -> None:
    """Issue 5, item 1: broken HTTP, health and lists of models."""
    async with world() as each, await connect(each.plane.url) as peer:
        await peer.send(data)
        await peer.receive()
        served = await one_of(each.plane, posted("steady"))
        assert served.alias == "steady"


async def test_a_body_that_cannot_be_sent_is_recorded() -> None:
    """MODEL-5: the pool gave a provider, to which this cannot go."""
    async with simulators("steady") as (steady,):
        renamed = provider("renamed", url=f"{steady.url}/v1/", model="other")
        async with data_plane(table([pool("m", renamed)])) as plane, await connect(plane.url) as peer:
            body = b"[1]"
            await peer.send(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nmodel-override: m\r\ncontent-length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            assert (await peer.answer()).status == 400
            (served,) = await plane.recorded()
            assert (served.reason, attempts(served)) == ("bad_request", [("renamed", None, "unsent")])
            await trio.testing.wait_all_tasks_blocked()
