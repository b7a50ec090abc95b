"""How many tokens an answer took: the shapes that real providers have, and what may come instead."""

import json
from collections.abc import Iterator, Mapping
from itertools import cycle
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.simulator.shape import Shape, answer, encode
from adapters.simulator.shapes_anthropic import COUNT_TOKENS, MESSAGES
from adapters.simulator.shapes_embeddings import EMBEDDINGS
from adapters.simulator.shapes_openai import CHAT, COMPLETIONS
from adapters.simulator.shapes_responses import RESPONSES
from engine.media import media_type
from engine.recording import Usage
from engine.usage import HEAD, TAIL, Ends, ends_for, usage_in

TURNS: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": 'say "usage": {}'}], "max_tokens": 9}
COUNTED = {"stream_options": {"include_usage": True}}
SHAPES: dict[str, tuple[Shape, Mapping[str, Any], Mapping[str, Any]]] = {
    "chat": (CHAT, TURNS, COUNTED),
    "completions": (COMPLETIONS, {"model": "m", "prompt": 'say "usage": {}'}, COUNTED),
    "responses": (RESPONSES, {"model": "m", "input": 'say "usage": {}'}, {}),
    "messages": (MESSAGES, TURNS, {}),
}


def bodies(name: str, *, stream: bool, tokens: int) -> tuple[bytes, Usage]:
    """A simulator's whole body, and what it took."""
    shape, asked, streamed = SHAPES[name]
    question = shape.read({**asked, "stream": True, **streamed} if stream else asked)
    said = answer(question, name="sim", number=7, tokens=tokens)
    took = Usage(said.input_tokens, said.output_tokens)
    if not stream:
        return encode(shape.whole(question, said)), took
    assert shape.events is not None
    return b"".join(event.data for event in shape.events(question, said)), took


def read(body: bytes, *, stream: bool, size: int | None = None) -> Usage | None:
    """What is found in a body that comes in pieces of a size."""
    ends = Ends(is_stream=stream)
    for piece in _pieces(body, size or len(body) or 1):
        ends.add(piece)
    return ends.usage()


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tokens", [0, 1, 5000], ids=["short", "one", "long"])
def test_every_protocol_says_it_in_its_own_way(name: str, stream: bool, tokens: int) -> None:
    """BILL-7, BILL-8, DEF-72: whole and streamed, beyond both ends, and however the bytes were cut."""
    body, took = bodies(name, stream=stream, tokens=tokens)
    assert took.input > 0
    for size in (None, 1, 7, 1000, TAIL, TAIL + 1, HEAD + TAIL + 1, 65536):
        assert read(body, stream=stream, size=size) == took, size


@given(st.sampled_from(sorted(SHAPES)), st.lists(st.integers(1, 20_000), min_size=1, max_size=5))
def test_pieces_do_not_matter(name: str, sizes: list[int]) -> None:
    """BILL-8: pieces of any sizes."""
    body, took = bodies(name, stream=True, tokens=300)
    ends, at = Ends(is_stream=True), 0
    for size in cycle(sizes):
        if at >= len(body):
            break
        ends.add(body[at : at + size])
        at += size
    assert ends.usage() == took


def test_what_an_answer_does_not_say_is_not_known() -> None:
    """DEF-72: not asked for, not told, not a count: None, which is not 0."""
    question = CHAT.read({**TURNS, "stream": True})
    assert CHAT.events is not None
    silent = b"".join(each.data for each in CHAT.events(question, answer(question, name="s", number=1, tokens=9)))
    assert read(silent, stream=True) is None
    question = COUNT_TOKENS.read(TURNS)
    assert (
        read(encode(COUNT_TOKENS.whole(question, answer(question, name="s", number=1, tokens=1))), stream=False) is None
    )
    for body in (b"", b"{}", b"null", b'{"usage":null}', b'{"usage":{}}', b'{"usage":{"prompt_tokens":"9"}}', b"\xff"):
        assert read(body, stream=False) is None
        assert read(b"data: " + body + b"\n\n", stream=True) is None


def test_embeddings_put_nothing_out() -> None:
    """BILL-7: also where the vectors are longer than what is kept."""
    question = EMBEDDINGS.read({"model": "m", "input": ["one two three"], "dimensions": 4096})
    whole = encode(EMBEDDINGS.whole(question, answer(question, name="s", number=1, tokens=1)))
    assert len(whole) > 4 * TAIL
    assert read(whole, stream=False, size=4000) == Usage(3, 0)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(5, 2)),
        ({"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}}, Usage(5, 2)),
        # Anthropic's three kinds of input are apart.
        (
            {"input_tokens": 5, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 7, "output_tokens": 2},
            Usage(42, 2),
        ),
        ({"input_tokens": 5, "cache_read_input_tokens": None, "output_tokens": 2}, Usage(5, 2)),
        ({"total_tokens": 11}, Usage(5, 6)),
        ({"prompt_tokens": 8, "total_tokens": 11}, Usage(8, 3)),
        ({"prompt_tokens": 8}, Usage(8, 0)),
        ({"output_tokens": 3}, Usage(0, 3)),
        ({"prompt_tokens": 8.0, "completion_tokens": 2}, Usage(8, 2)),
        ({"prompt_tokens": True, "completion_tokens": -1, "total_tokens": 2**60}, None),
    ],
)
def test_counts_of_all_dialects(counts: dict[str, Any], usage: Usage | None) -> None:
    """BILL-7, BILL-8."""
    assert usage_in(counts) == usage


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\r\ndata: {json.dumps({'type': kind, **fields}, indent=None)}\r\n\r\n".encode()


def test_the_last_event_wins_and_the_first_adds_what_it_leaves_out() -> None:
    """BILL-8: Anthropic's older `message_delta` has the output alone."""
    start = event(
        "message_start", message={"usage": {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 1}}
    )
    text = event("content_block_delta", delta={"text": "x" * 100})
    first, last = (event("message_delta", usage={"output_tokens": count, "input_tokens": None}) for count in (3, 9))
    assert read(start + first + text + last, stream=True) == Usage(7, 9)
    assert read(start + text * 500 + last, stream=True, size=999) == Usage(7, 9)
    # One that broke off: as far as it had told.
    assert read(start + text, stream=True) == Usage(7, 1)
    assert read(start + text * 500, stream=True, size=999) == Usage(7, 1)


def test_only_the_answers_own_count_is_read() -> None:
    """BILL-7: not what a model or a client has written, as text or as an object inside another one."""
    decoy = {"usage": {"prompt_tokens": 666, "completion_tokens": 666}}
    told = {"prompt_tokens": 1, "completion_tokens": 2}
    text = json.dumps(decoy)
    for document in (
        {"choices": [{"text": text, "tool": decoy}], "usage": told},
        {"usage": told, "choices": [{"text": text}], "metadata": {"deep": decoy}, "tools": [decoy]},
        {"usage": told, "metadata": decoy},
    ):
        for indent in (None, 2):
            assert read(json.dumps(document, indent=indent).encode(), stream=False) == Usage(1, 2)
        line = f"data: {json.dumps(document)}\n\n".encode()
        assert read(line, stream=True) == Usage(1, 2)
    # Broken off: whose count it was cannot be told any more.
    ends = Ends(is_stream=False)
    ends.add(json.dumps({"deep": decoy}).encode()[:-1])
    assert ends.usage(is_complete=False) is None
    # Cut off before the document's own: the others are still not it.
    hidden = json.dumps({"usage": told, "text": "x" * 3 * TAIL, "metadata": {"deep": decoy}, "tools": [decoy]}).encode()
    assert read(hidden, stream=False) is None
    assert read(b"data: " + hidden + b"\n\n", stream=True) is None


ODD = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.sampled_from(
            [
                b'"usage"',
                b'"usage":{',
                b'"input_tokens":1',
                b'"total_tokens":9e999',
                b"{" * 50,
                b"[" * 2000,
                b"}",
                b'"',
                b"\\",
                b"data: ",
                b"\r",
                b"\n\n",
                b'data: {"type":"message_start","message":{"usage":{"input_tokens":1}}}',
                b'data: {"response":7,"usage":{"output_tokens":1}}\n',
                b"\xff\xfe",
                b"9" * 5000,
            ]
        ),
        max_size=60,
    ).map(b"".join),
)


@given(ODD, st.booleans(), st.integers(1, 5000))
def test_no_body_makes_it_fail(body: bytes, stream: bool, size: int) -> None:
    """Total: None or counts that are whole numbers, whatever comes."""
    usage = read(body, stream=stream, size=size)
    assert usage is None or (
        type(usage.input) is int and type(usage.output) is int and min(usage.input, usage.output) >= 0
    )


@pytest.mark.parametrize("piece", [b'"usage":{', b'"usage"', b'"usage":{"a":[', b'{"usage":' * 9, b"data: "])
def test_the_time_is_bounded(piece: bytes) -> None:
    """However long a body is and whatever it is made of, its ends are read in milliseconds."""
    ends = Ends(is_stream=True)
    for _ in range(400_000 // len(piece)):
        ends.add(piece)
    assert sum(map(len, ends._chunks)) <= 2 * TAIL + len(piece)
    begun = process_time()
    ends.usage()
    assert process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("status", "fields", "is_read"),
    [
        (200, [(b"content-type", b"application/json; charset=utf-8")], True),
        (201, [(b"content-type", b"Text/Event-Stream")], True),
        (200, [(b"content-type", b"application/vnd.api+json"), (b"content-encoding", b"identity")], True),
        (200, [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")], False),
        (200, [(b"content-type", b"audio/mpeg")], False),
        (200, [], False),
        (429, [(b"content-type", b"application/json")], False),
    ],
)
def test_which_answers_are_read(status: int, fields: list[tuple[bytes, bytes]], is_read: bool) -> None:
    """BILL-7: a 2xx that is not encoded, JSON or events."""
    assert (ends_for(status, media_type(dict(fields))) is not None) is is_read
