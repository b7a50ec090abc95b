"""The record, the state and the settings, over the control routes."""

import base64
from typing import Any

import attrs
import pytest

from adapters.simulator import InvalidSetting, Settings
from tests.simulator.running import Running, Start


async def test_health(simulator: Running) -> None:
    """Health is a 200, is not recorded, and no setting touches it."""
    await simulator.change(refuse=True)
    assert (await simulator.ask("GET", "/health")).status_code == 200
    assert await simulator.requests() == []


async def test_record_shows_requests_as_received(simulator: Running) -> None:
    """Method, target, header pairs in order and letter case, and the body are kept as they came."""
    await simulator.exchange(
        b"POST /v1/chat/completions?a=%20b HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nx-two: 2\r\nConnection: close\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    [received] = await simulator.requests()
    assert received == {
        "number": 1,
        "connection": 1,
        "method": "POST",
        "target": "/v1/chat/completions?a=%20b",
        "headers": [
            ["Host", "h"],
            ["X-Two", "1"],
            ["x-two", "2"],
            ["Connection", "close"],
            ["Content-Length", "2"],
        ],
        "body": "{}",
        "body_encoding": "utf-8",
        "status": 400,
        "events": 0,
        "ended": "answered",
    }


async def test_record_keeps_bytes_that_are_no_text(simulator: Running) -> None:
    """A body that is not UTF-8 is shown as base64, and says so."""
    await simulator.exchange(b"POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\n\xff\x00")
    [received] = await simulator.requests()
    assert received["body_encoding"] == "base64"
    assert base64.b64decode(received["body"]) == b"\xff\x00"


async def test_record_is_a_ring(start: Start) -> None:
    """The newest are kept, newest last; counts go on; DELETE forgets the record and not the counts."""
    simulator = await start(record_limit=2)
    for text in ("a", "b", "c"):
        await simulator.chat(text)
    assert [received["number"] for received in await simulator.requests()] == [2, 3]
    assert (await simulator.ask("DELETE", "/_simulator/requests")).json() == {"cleared": 2}
    assert await simulator.requests() == []
    assert (await simulator.state())["counts"]["answered"] == 3


async def test_a_client_may_leave_in_the_middle_of_the_record(simulator: Running) -> None:
    """A control answer whose client has gone ends that connection and nothing else."""
    await simulator.chat("x" * 20_000_000)
    async with await simulator.connect() as stream:
        await stream.send_all(b"GET /_simulator/requests HTTP/1.1\r\nHost: h\r\n\r\n")
        await stream.receive_some(1)
    await simulator.until(lambda state: state["open_connections"] == 1)


async def test_state(start: Start) -> None:
    """The state has the name, the settings and the counts; the asking connection is open, nothing is in progress."""
    simulator = await start(name="east", seed=3)
    await simulator.chat()
    state = await simulator.until(lambda state: state["open_connections"] == 1)
    assert state["name"] == "east"
    assert state["settings"] == attrs.asdict(Settings(seed=3))
    assert state["requests_in_progress"] == 0
    assert (state["counts"]["received"], state["counts"]["answered"]) == (1, 1)


async def test_settings_change_at_run_time(simulator: Running) -> None:
    """A PATCH changes what it names, answers with all settings in force, and holds for later requests."""
    changed = await simulator.change(error_status=503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
    assert changed == attrs.asdict(Settings(error_status=503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"))
    assert (await simulator.chat()).headers["retry-after"] == "Wed, 21 Oct 2026 07:28:00 GMT"
    await simulator.change(error_status=0)
    assert (await simulator.chat()).status_code == 200


WRONG = [
    ({"colour": 1}, "there is no setting 'colour'; there are latency"),
    ({"latency": -1}, "latency must be a number of seconds, from 0 to 86400, not -1"),
    ({"latency": "1"}, "latency must be"),
    ({"latency": True}, "latency must be"),
    ({"tokens": 1.5}, "tokens must be a whole number"),
    ({"error_status": 302}, "error_status must be 0 (no error) or a status from 400 to 599, not 302"),
    ({"error_rate": 1.5}, "error_rate must be"),
    ({"hang": 1}, "hang must be true or false, not 1"),
    ({"cut_by": "axe"}, "cut_by must be one of reset, close, not 'axe'"),
    ({"status_bodies": []}, "status_bodies must be one of"),
    ({"retry_after": "a\r\nb: c"}, "retry_after must be printable ASCII"),
    ({"models": "a,,b"}, "models must be model names"),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
async def test_a_wrong_setting_is_a_400_and_changes_nothing(
    simulator: Running, change: dict[str, Any], said: str
) -> None:
    """An unknown or invalid setting is refused in words that say what is valid; those beside it do not apply."""
    answer = await simulator.ask("PATCH", "/_simulator/settings", json={"seed": 5} | change)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert (await simulator.ask("GET", "/_simulator/settings")).json() == attrs.asdict(Settings())


@pytest.mark.parametrize(("change", "said"), WRONG[1:])
def test_settings_are_validated_at_start(change: dict[str, Any], said: str) -> None:
    """The same laws hold for settings made in Python."""
    with pytest.raises(InvalidSetting) as caught:
        Settings(**change)
    assert said in str(caught.value)


async def test_control_refuses_in_words(simulator: Running) -> None:
    """What is no control route, no method of one, or no JSON object is refused, naming what is."""
    assert "/_simulator/state" in (await simulator.ask("GET", "/_simulator/x")).json()["error"]["message"]
    answer = await simulator.ask("POST", "/_simulator/requests")
    assert answer.status_code == 405
    assert "GET and DELETE" in answer.json()["error"]["message"]
    assert (await simulator.ask("PATCH", "/_simulator/settings", json=[1])).status_code == 400
    assert (await simulator.ask("PATCH", "/_simulator/settings")).status_code == 400
