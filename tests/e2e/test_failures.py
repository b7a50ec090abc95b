"""What a client gets when a provider fails before its answer's headers: every row of FB that this version has."""

from collections.abc import Iterator

import pytest
import trio

from tests.e2e.rig import HEADER_TIMEOUT_S, Rig, rig
from tests.e2e.running import client
from tests.e2e.sockets import Behaviour, Message, Peer, answered, asked, connect, posted, reset, says, stay


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("failures")) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


async def ask(world: Rig, model: str, *fields: str) -> Message:
    return await asked(world.gateway.data, posted(model, *fields))


def attempts(answer: Message) -> tuple[str | None, str | None]:
    return answer.header("x-pointsman-attempts"), answer.header("x-pointsman-provider")


def dies(how: Behaviour) -> Behaviour:
    """Take the request and end without a byte of an answer."""
    return says(then=how)


async def close(_peer: Peer) -> None:
    return


BEFORE_HEADERS = {
    "closed": dies(close),
    "reset": dies(reset),
    "half a head": says(b"HTTP/1.1 200 OK\r\ncontent-le"),
    "half a head, then reset": says(b"HTTP/1.1 200 OK\r\ncontent-le", then=reset),
    "not http": says(b"220 mail.example ESMTP\r\n"),
    "only an interim answer": says(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"),
}


@pytest.mark.parametrize("how", BEFORE_HEADERS)
async def test_the_next_provider_serves_when_one_dies_before_its_headers(world: Rig, how: str) -> None:
    """FB-5: whatever `on_status` says; the client sees one answer, of the second attempt."""
    async with world.near.serving(BEFORE_HEADERS[how]):
        answer = await ask(world, "near>steady")
    assert answer.status == 200
    assert attempts(answer) == ("2", "steady")
    assert world.near.connections == 1, "a request is never sent twice to the same provider"


@pytest.mark.parametrize("how", BEFORE_HEADERS)
async def test_a_connection_that_breaks_after_sending_is_a_502(world: Rig, how: str) -> None:
    """FB-5, ERR-11: without fallback, the failure is told as one, and not where it happened (DEF-95)."""
    async with world.near.serving(BEFORE_HEADERS[how]):
        answer = await ask(world, "near")
    assert answer.status == 502
    assert answer.json()["error"]["code"] == "internal_error"
    assert b"127.0.0.1" not in answer.body


async def test_a_refused_connection_is_a_503(world: Rig) -> None:
    """FB-5, ERR-12, DEF-95: it can be told from a failing provider; with fallback the next one serves."""
    answer = await ask(world, "nowhere")
    assert answer.status == 503
    assert answer.json()["error"]["code"] == "service_unavailable"
    assert attempts(await ask(world, "nowhere>steady")) == ("2", "steady")


async def test_headers_that_do_not_come_in_time_are_a_504(world: Rig) -> None:
    """FB-4; the abandoned connection is closed, so that the provider can stop as well."""
    ended = []

    async def hangs(peer: Peer) -> None:
        await stay(peer)
        ended.append(True)

    async with world.near.serving(dies(hangs)):
        answer = await ask(world, "impatient")
        assert answer.status == 504
        assert answer.json()["error"]["code"] == "gateway_timeout"
        assert attempts(await ask(world, "impatient>steady")) == ("2", "steady")
        assert ended == [True, True]


async def test_the_header_timeout_ends_with_the_headers(world: Rig) -> None:
    """STREAM-5: a body may take longer than the wait for headers was allowed to."""

    async def slowly(peer: Peer) -> None:
        await trio.sleep(HEADER_TIMEOUT_S * 1.5)
        await peer.send(b"llo")

    async with world.near.serving(says(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe", then=slowly)):
        answer = await ask(world, "impatient")
    assert (answer.status, answer.body) == (200, b"hello")


async def test_without_fallback_the_first_outcome_is_final(world: Rig) -> None:
    """FB-1, T8: `on_status` lists 5xx, but fallback is off; the provider's own body is relayed."""
    await world.faulty.change(error_status=500)
    before = await world.received()
    answer = await ask(world, "off")
    assert answer.status == 500
    assert attempts(answer) == ("1", "faulty")
    assert answer.json()["error"]["message"] == "faulty was told to answer 500: Internal Server Error"
    assert (await world.received())["steady"] == before["steady"]
    await world.faulty.change(error_status=0, refuse=True)
    assert (await ask(world, "off")).status == 502


@pytest.mark.parametrize(
    ("alias", "status", "retried"),
    [
        ("faulty>steady", 500, True),
        ("faulty>steady", 502, True),
        ("faulty>steady", 599, True),
        ("faulty>steady", 429, True),
        ("faulty>steady", 400, False),
        ("faulty>steady", 404, False),
        ("decades", 500, True),
        ("decades", 509, True),
        ("decades", 520, True),
        ("decades", 510, False),
        ("decades", 530, False),
    ],
)
async def test_a_status_is_retried_by_pattern(world: Rig, alias: str, status: int, *, retried: bool) -> None:
    """FB-2, T6: one digit is a class, two are a decade, three are a status."""
    await world.faulty.change(error_status=status)
    answer = await ask(world, alias)
    assert attempts(answer) == (("2", "steady") if retried else ("1", "faulty"))
    assert answer.status == (200 if retried else status)


async def test_the_last_real_answer_is_relayed_when_all_have_failed(world: Rig) -> None:
    """FB-6, DEF-27: a client whose providers are all rate limited sees the 429 and its Retry-After."""
    await world.faulty.change(error_status=500)
    limited = answered(b'{"error":"slow down"}', "Retry-After: 17", status="429 Too Many Requests")
    async with world.near.serving(says(limited)):
        answer = await ask(world, "near>faulty")
        assert answer.status == 500, "the last one, not the first"
        assert attempts(answer) == ("2", "faulty")

    await world.faulty.change(error_status=429, retry_after="23")
    answer = await ask(world, "nowhere>faulty")
    assert (answer.status, answer.header("retry-after"), answer.header("x-should-retry")) == (429, "23", "false")
    assert answer.json()["error"]["message"].startswith("faulty was told")
    assert attempts(answer) == ("2", "faulty")

    answer = await ask(world, "faulty>nowhere")
    assert (answer.status, answer.header("retry-after")) == (429, "23"), "a failure to connect says less than a 429"
    assert answer.json()["error"]["message"].startswith("faulty was told")


async def test_an_answer_that_was_kept_and_then_replaced_frees_its_connection(world: Rig) -> None:
    """FB-3: what is discarded does not leak; the unfinished body's connection is closed."""
    ended = []

    async def counted(peer: Peer) -> None:
        await stay(peer)
        ended.append(True)

    unfinished = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 1000\r\n\r\nsome"
    async with world.near.serving(says(unfinished, then=counted)):
        assert attempts(await ask(world, "near>steady")) == ("2", "steady")
        await world.gateway.at_rest()
    assert ended == [True]


async def test_a_redirect_is_relayed_and_not_followed(world: Rig) -> None:
    """STREAM-6: nor is it a reason to try again."""
    moved = answered(b"", f"Location: {world.steady.url}/v1/chat/completions", status="307 Temporary Redirect")
    async with world.near.serving(says(moved)):
        answer = await ask(world, "near>steady")
    assert answer.status == 307
    assert answer.header("location") == f"{world.steady.url}/v1/chat/completions"
    assert attempts(answer) == ("1", "near")


async def test_limits_never_cause_fallback(world: Rig) -> None:
    """FB-7, CL-1, CL-3, CL-4: a full pool, key or set of providers is a 429 at once, and nothing is sent."""
    cases = [("one-at-a-time", 1, ()), ("full", 2, ()), ("keyed", 1, ("Authorization: Bearer sk-single",))]
    for model, places, credentials in cases:
        held = []
        for _ in range(places):
            peer = await connect(world.gateway.data)
            await peer.send(_held(model, *credentials))
            await peer.receive_until(b"\r\n\r\n")
            held.append(peer)
        before = await world.received()
        refused = await ask(world, model, *credentials)
        assert refused.status == 429, model
        assert refused.json()["error"]["code"] == "concurrency_limit_exceeded"
        assert await world.received() == before
        for peer in held:
            peer.close()
        await world.gateway.at_rest()
        assert (await ask(world, model, *credentials)).status == 200


def _held(model: str, *credentials: str) -> bytes:
    """A request whose answer's headers come at once and whose first token does not."""
    return posted(model, *credentials, "x-simulate-ttft: 30", stream=True)


async def test_a_provider_without_a_free_place_is_passed_over(world: Rig) -> None:
    """LB-3, T9, T10: the first is full, so the second serves; it is the first attempt of the request."""
    async with await connect(world.gateway.data) as holder:
        await holder.send(_held("full"))
        await holder.receive_until(b"\r\n\r\n")
        assert attempts(await ask(world, "full")) == ("1", "spare")
    await world.gateway.at_rest()


async def test_a_body_the_next_provider_cannot_be_asked_with_is_a_400(world: Rig) -> None:
    """FB-7, MODEL-5: an alias by header, no `model` to rewrite; what is wrong with the request is not retried."""
    head = b"POST /v1/x HTTP/1.1\r\nHost: g\r\nModel-Override: near>renamed\r\nContent-Length: 2\r\n\r\n{}"
    ended = []

    async def counted(peer: Peer) -> None:
        await stay(peer)
        ended.append(True)

    unfinished = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 1000\r\n\r\nsome"
    async with world.near.serving(says(unfinished, then=counted)):
        answer = await asked(world.gateway.data, head)
        await world.gateway.at_rest()
    assert ended == [True], "what the first provider had begun to say is let go"
    assert answer.status == 400
    assert answer.json()["error"]["param"] == "model"


async def test_a_client_that_leaves_ends_the_attempt_and_starts_no_other(world: Rig) -> None:
    """FB-15, C20: the first provider hangs; its connection is closed, the second is never asked."""
    before = await world.received()
    async with await connect(world.gateway.data) as peer, world.near.serving(dies(stay)):
        await peer.send(posted("near>steady"))
        await world.in_flight("near>steady", 1)
        peer.close()
        await world.gateway.at_rest()
    assert await world.received() == before


async def test_every_failure_leaves_the_counters_at_zero(world: Rig) -> None:
    """CL-2, T6: after all of the above and a hundred mixed ones, nothing is in flight."""
    await world.faulty.change(error_status=503, error_rate=0.5, seed=7)
    async with client() as http:
        address = f"{world.gateway.data}/v1/chat/completions"
        models = ["faulty>steady", "faulty>spare", "nowhere>faulty", "off", "nowhere"] * 20
        messages = [{"role": "user", "content": "hello"}]
        answers = [await http.post(address, json={"model": model, "messages": messages}) for model in models]
    assert {answer.status_code for answer in answers} == {200, 503}
    metrics = await world.gateway.metrics()
    assert {name: value for name, value in metrics.items() if "_in_flight" in name and value} == {}
