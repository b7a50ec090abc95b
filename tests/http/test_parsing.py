"""Bytes to requests, wherever the packets end."""

import json
from itertools import pairwise

import httptools
from hypothesis import given
from hypothesis import strategies as st

from adapters.http.messages import Incoming
from adapters.http.parsing import Bounds, RequestParser
from engine.errors import Reason

BOUNDS = Bounds(head_bytes=400, headers=8, body_bytes=64)
HOST = b"Host: gateway\r\n"

VALID = {
    "get": b"GET /v1/models?a=b HTTP/1.1\r\n" + HOST + b"\r\n",
    "length": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 11\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello world",
    "chunked": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nx-trailer: 1\r\nx-other: 2\r\n\r\n",
    "h2c": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nbody",
    "h2c chunked": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: h2c\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    "empty lines first": b"\r\n\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "empty body": b"POST /v1/x HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
}
INVALID = {
    "length and chunks": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "too long": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 65\r\n\r\n" + b"x" * 65,
    "too long in chunks": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"21\r\n" + b"x" * 33 + b"\r\n20\r\n" + b"y" * 32 + b"\r\n0\r\n\r\n",
    "too many headers": b"GET / HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 8 + b"\r\n",
    "no host": b"GET / HTTP/1.1\r\na: b\r\n\r\n",
    "expectation": b"POST / HTTP/1.1\r\n" + HOST + b"Expect: more\r\nContent-Length: 1\r\n\r\nx",
    "garbage": b"garbage\r\n\r\n",
}  # fmt: skip


def fed(*pieces: bytes, bounds: Bounds = BOUNDS) -> RequestParser:
    """A parser that was given these pieces, until it refused one."""
    parser = RequestParser(bounds)
    for now, piece in enumerate(pieces, start=1):
        parser.feed(piece, now)
        if parser.ready and parser.ready[-1].refusal is not None:
            break
    return parser


def said(parser: RequestParser) -> list[tuple[object, ...]]:
    """What was parsed, less when and less what of a refused request had come before its refusal."""
    return [_one(incoming) for incoming in parser.ready]


def _one(incoming: Incoming) -> tuple[object, ...]:
    if incoming.refusal is not None:
        return (incoming.refusal,)
    return (incoming.method, incoming.target, incoming.version, incoming.headers, incoming.body, incoming.keep_alive)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Several requests, the last one perhaps invalid; and the same bytes cut anywhere."""
    names = draw(st.lists(st.sampled_from(sorted(VALID)), max_size=4))
    parts = [VALID[name] for name in names]
    parts += [INVALID[name] for name in draw(st.lists(st.sampled_from(sorted(INVALID)), max_size=1))]
    whole = b"".join(parts)
    cuts = draw(st.lists(st.integers(0, len(whole)), max_size=20))
    return whole, [whole[start:end] for start, end in pairwise([0, *sorted(cuts), len(whole)])]


@given(streams())
def test_any_split_of_the_bytes_gives_the_same_requests(stream: tuple[bytes, list[bytes]]) -> None:
    """RFC 9112: pipelined, refused, declined upgrades and all."""
    whole, pieces = stream
    assert said(fed(*pieces)) == said(fed(whole))


def test_byte_by_byte_gives_the_same_requests() -> None:
    """RFC 9112: the extreme split, for each request alone and all of them together."""
    everything = b"".join(VALID.values())
    for whole in [*VALID.values(), *INVALID.values(), everything]:
        assert said(fed(*[bytes([byte]) for byte in whole])) == said(fed(whole))
    assert len(fed(everything).ready) == len(VALID)


@given(st.binary(max_size=300))
def test_nothing_a_client_sends_raises(data: bytes) -> None:
    """G08: it is requests, a refusal, or not enough yet."""
    parser = fed(data, b"\r\n\r\n")
    for incoming in parser.ready:
        assert incoming.refusal in {None, Reason.BAD_REQUEST, Reason.HEADERS_TOO_LARGE, Reason.PAYLOAD_TOO_LARGE}


@given(st.text(max_size=40), st.binary(max_size=64))
def test_a_body_is_kept_as_it_is(text: str, tail: bytes) -> None:
    """MODEL-9, D05: with a length or in chunks of any size."""
    body = (json.dumps({"a": text}).encode() + tail)[:64]
    head = b"POST /v1/x HTTP/1.1\r\n" + HOST
    by_length = fed(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    chunks = b"".join(b"1\r\n%b\r\n" % bytes([byte]) for byte in body)
    by_chunks = fed(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert by_length.ready[0].body == by_chunks.ready[0].body == body


def test_what_is_kept_of_a_refused_body_is_nothing() -> None:
    """F06: over the limit, the bytes so far are dropped, and what follows is not collected."""
    parser = fed(INVALID["too long in chunks"])
    assert [incoming.refusal for incoming in parser.ready] == [Reason.PAYLOAD_TOO_LARGE]
    assert parser.ready[0].body == b""


def test_a_head_without_an_end_is_refused_at_the_bound() -> None:
    """G04: not at its end, which may never come."""
    parser = RequestParser(BOUNDS)
    parser.feed(b"GET / HTTP/1.1\r\n" + HOST + b"x: ", 1)
    while not parser.ready:
        parser.feed(b"y" * 50, 2)
    assert parser.ready[0].refusal is Reason.HEADERS_TOO_LARGE


def test_a_request_began_with_its_first_byte() -> None:
    """OBS: its duration counts from there, also when it came in pieces or behind another."""
    get = VALID["get"]
    parser = fed(get + get[:5], get[5:] + get[:1], get[1:])
    assert [incoming.started_ns for incoming in parser.ready] == [1, 1, 2]


def test_a_client_that_waits_for_100_is_told_apart() -> None:
    """D06: only while its body is still to come, and only in HTTP/1.1."""
    head = b"POST / HTTP/%b\r\n" + HOST + b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
    assert fed(head % b"1.1").continue_wanted
    assert not fed(head % b"1.1" + b"{}").continue_wanted
    assert not fed(head % b"1.0").continue_wanted
    assert not fed(head % b"1.1" + b"{}" + VALID["get"]).continue_wanted


def test_a_websocket_is_not_declined() -> None:
    """WS-1: what follows its request is kept for the next protocol, unparsed."""
    asks = b"GET /live HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n\x81\x05hello"
    parser = fed(asks)
    assert [incoming.fields[b"upgrade"] for incoming in parser.ready] == [b"WebSocket"]
    assert parser.upgrade_rest == b"\x81\x05hello"


def test_many_declined_offers_in_one_packet_are_all_declined() -> None:
    """RFC 9110, 7.8: each is parsed anew without it; none is lost, and no stack is built up."""
    assert len(fed(VALID["h2c"] * 2000, bounds=Bounds()).ready) == 2000


def test_llhttp_calls_back_for_trailers_as_for_headers() -> None:
    """D05: why `on_header` looks where in the message it is."""
    seen: list[bytes] = []

    class Listener:
        def on_header(self, name: bytes, _value: bytes) -> None:
            seen.append(name)

    httptools.HttpRequestParser(Listener()).feed_data(VALID["chunked"])
    assert seen[-2:] == [b"x-trailer", b"x-other"]
