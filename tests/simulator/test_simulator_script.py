"""The script is pure and total: any body gets an answer or its error, never an exception."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.simulator import Settings
from adapters.simulator.connection import Request
from adapters.simulator.routes import POSTED
from adapters.simulator.script import draw, write

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
parts = st.fixed_dictionaries({}, optional={"type": values, "text": values})
turns = st.lists(values | st.fixed_dictionaries({}, optional={"role": st.just("user") | values, "content": values}))
contents = st.text() | st.lists(parts | values) | turns
bodies = st.fixed_dictionaries(
    {"model": st.just("m") | values},
    optional={
        "messages": turns | values,
        "input": contents | values,
        "prompt": contents | values,
        "system": contents,
        "instructions": values,
        "stream": st.booleans() | values,
        "stream_options": st.just({"include_usage": True}) | values,
        "max_tokens": st.integers(0, 9) | values,
        "dimensions": st.integers(-1, 9),
        "encoding_format": st.sampled_from(["float", "base64"]) | values,
        "metadata": values,
        "tools": values,
    },
)


def played(path: str, content: bytes, **settings: Any) -> tuple[int, bytes]:
    """The script's status and all bytes it would send."""
    request = Request("POST", path, [], content)
    script = write(request, Settings(**settings), name="sim", number=7)
    body = script.body if script.events is None else b"".join(event.data for event in script.events)
    return script.status, body


@given(path=st.sampled_from([*POSTED, *("/v1" + path for path in POSTED)]), body=bodies | values)
def test_any_json_is_answered(path: str, body: Any) -> None:
    """Whatever the JSON, the answer is a 200 or a 400, and the same for the same request."""
    content = json.dumps(body).encode()
    status, sent = played(path, content)
    assert status in (200, 400)
    assert sent
    assert (status, sent) == played(path, content)


@given(path=st.sampled_from(sorted(POSTED)), content=st.binary())
def test_any_bytes_are_answered(path: str, content: bytes) -> None:
    """Bytes that are no JSON are a 400 that says so."""
    status, sent = played(path, content)
    assert status == 400
    assert json.loads(sent)


@pytest.mark.parametrize("path", sorted(POSTED))
@pytest.mark.parametrize("levels", [195, 201, 900, 100_000])
def test_deep_nesting_is_refused(path: str, levels: int) -> None:
    """A body deeper than can be repeated is refused, whatever the interpreter's stack would do."""
    nested = b"[" * levels + b"]" * levels
    content = (
        b'{"model":"m","max_tokens":1,"input":"x","messages":[{"role":"user","content":"x"}],"metadata":%b}' % nested
    )
    status, sent = played(path, content)
    assert status == (200 if levels < 200 else 400)
    assert sent


def test_wide_is_not_deep() -> None:
    """Many arrays and objects side by side are no reason to refuse."""
    turns = [{"role": "user", "content": [{"type": "text", "text": "x"}]}] * 500
    status, _ = played("/chat/completions", json.dumps({"model": "m", "messages": turns}).encode())
    assert status == 200


def test_draws_are_spread() -> None:
    """The draws of neighbouring numbers fill [0, 1) evenly enough."""
    drawn = [draw(seed, number) for seed in range(4) for number in range(1000)]
    assert all(0 <= value < 1 for value in drawn)
    assert all(900 <= sum(low / 4 <= value < (low + 1) / 4 for value in drawn) <= 1100 for low in range(4))


def test_a_token_is_a_word_and_the_echo_is_exact() -> None:
    """Blanks stay where they were: the tokens joined are the text."""
    content = json.dumps({"model": "m", "messages": [{"role": "user", "content": " two\n  lines "}]}).encode()
    _, sent = played("/chat/completions", content)
    answer = json.loads(sent)
    assert answer["choices"][0]["message"]["content"] == "sim heard:  two\n  lines "
    assert answer["usage"]["completion_tokens"] == 4
