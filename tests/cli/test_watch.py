"""`pointsman watch` against a real control port."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result
from trio.testing import MockClock
from trio_websocket import WebSocketRequest, serve_websocket

from adapters import clock
from adapters.admin_token import Tokens
from adapters.cli.live_stream import Wanted, follow
from adapters.cli.watch import _watch, watch
from adapters.http.control import Control
from adapters.http.messages import Incoming, Response
from adapters.http.server import Server, address_of, listen
from adapters.live.hub import LiveHub
from adapters.live.websocket import serve_live
from adapters.observe import Observer
from adapters.poller import Poller
from adapters.settings import Address
from engine.access import digest
from engine.errors import StartFailed
from engine.pool.view import PoolView, ProviderView
from projections import routing
from projections.live import LiveView
from projections.live_facts import Observation

TOKEN = "an-admin-token-of-the-tests"


async def nothing_there(incoming: Incoming) -> Response:
    """There is no admin API here."""
    del incoming
    return Response(404, [], b"")


class Gateway:
    """The control port over a pool that gets busier with every look."""

    def __init__(self) -> None:
        self.looks = 0
        self.hub = LiveHub(LiveView(), sample=self.sample)
        self.address = Address("", 0)

    def sample(self) -> Observation:
        self.looks += 1
        providers = (
            ProviderView("one", "http://one.example/", weight=5, active=self.looks, limit=1),
            ProviderView("[red]two", "http://two.example/", weight=1, active=1, limit=None, draining=True),
        )
        pool = PoolView(
            "chat", 4, "priority", self.looks + 1, None, fallback=True, rules=0, keys=2, providers=providers
        )
        return Observation(4, {"chat": pool})

    async def called(self, *arguments: str, token: str | None = TOKEN) -> Result:
        """The command, in a thread of its own as it runs its own event loop."""
        control = ["--control", str(self.address)] if self.address.port else []
        given = {"POINTSMAN_ADMIN_TOKEN": token} if token is not None else {}
        return await trio.to_thread.run_sync(
            lambda: CliRunner(env=given).invoke(watch, [*control, *arguments]), abandon_on_cancel=True
        )


@pytest.fixture
async def gateway(nursery: trio.Nursery) -> AsyncIterator[Gateway]:
    gateway, poller = Gateway(), Poller()
    control = Control(
        Observer(None),
        Tokens(digest(TOKEN.encode()), snapshot=routing.empty, unix_s=lambda: 0),
        status=lambda: (True, {}),
        serve_live=lambda *asked: serve_live(*asked, hub=gateway.hub),
        stream_schema=dict,
        admin=nothing_there,
        admits=lambda _: False,
    )
    listener = listen(Address("127.0.0.1", 0), option="--control")
    gateway.address = address_of(listener)
    nursery.start_soon(poller.run)
    nursery.start_soon(gateway.hub.run)
    nursery.start_soon(Server(control, poller=poller, clock=clock.monotonic_ns).serve, listener)
    with trio.fail_after(30):
        yield gateway


def refusal(result: Result, code: int = 1) -> str:
    """The one line on stderr."""
    assert result.exit_code == code, result.output
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    assert TOKEN not in result.stderr
    return result.stderr


async def test_json_is_a_line_a_message(gateway: Gateway) -> None:
    """WS-2: the snapshot, then dense deltas; --count ends it with exit code 0."""
    result = await gateway.called("--json", "--count", "3")
    assert result.exit_code == 0, result.output
    messages = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["type"] for one in messages] == ["snapshot", "delta", "delta"]
    first = messages[0]["seq"]
    assert [one["seq"] for one in messages] == [first, first + 1, first + 2]
    assert (
        messages[2]["pools"]["chat"]["providers"][0]["active"] > messages[0]["pools"]["chat"]["providers"][0]["active"]
    )


async def test_people_get_a_table(gateway: Gateway) -> None:
    """LB-15: pools and providers with load, limit and weight, folded from snapshot and deltas."""
    result = await gateway.called("--count", "2")
    assert result.exit_code == 0, result.output
    assert f"http://{gateway.address}: position 4, seq 2, 1 pool(s)\n" in result.stdout
    assert result.stdout.endswith("\n")
    lines = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.strip()}
    assert lines["chat"] == ["chat", "priority", "3"]
    assert lines["one"] == ["one", "2/1", "5"]
    assert lines["[red]two"] == ["[red]two", "1", "1", "draining"]


async def test_the_token_may_come_from_a_file_or_the_environment(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file the gateway made, in the working directory unless named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pointsman.admin-token").write_text(TOKEN + "\n")
    assert (await gateway.called("--json", "--count", "1", token=None)).exit_code == 0
    (tmp_path / "pointsman.admin-token").rename(tmp_path / "other")
    assert (await gateway.called("--json", "--count", "1", "--admin-token-file", "other", token=None)).exit_code == 0
    monkeypatch.setenv("POINTSMAN_ADMIN_TOKEN", TOKEN)
    assert (await gateway.called("--json", "--count", "1", token=None)).exit_code == 0


async def test_a_refused_token_is_one_line(gateway: Gateway) -> None:
    """Exit 1; the token is not repeated."""
    said = refusal(await gateway.called(token="another-token"))
    assert f"The gateway at {gateway.address} refuses the admin token" in said
    assert "another-token" not in said


async def test_no_token_is_one_line(gateway: Gateway, tmp_path: Path) -> None:
    """Exit 2, with the ways to give one."""
    said = refusal(await gateway.called("--admin-token-file", str(tmp_path / "none"), token=None), code=2)
    assert str(tmp_path / "none") in said
    assert "POINTSMAN_ADMIN_TOKEN" in said


@pytest.mark.parametrize("token", ["two\r\nlines: x", "é"])
async def test_what_cannot_be_a_token_is_not_sent(gateway: Gateway, token: str) -> None:
    """It would break the request; exit 2."""
    said = refusal(await gateway.called(token=token), code=2)
    assert token not in said


async def test_a_gateway_that_is_away_is_one_line() -> None:
    """Exit 1, with the address and the option for another."""
    gateway = Gateway()
    with listen(Address("127.0.0.1", 0), option="--control") as listener:
        gateway.address = address_of(listener)
    said = refusal(await gateway.called())
    assert f"The gateway at {gateway.address} cannot be reached: Connection refused" in said
    assert "--gateway" in said


async def test_a_gateway_that_goes_and_comes_is_followed_on(gateway: Gateway, nursery: trio.Nursery) -> None:
    """It comes back with the seq it has; what happened is said on standard error, and each message is still a line."""
    results: list[Result] = []

    async def call() -> None:
        results.append(await gateway.called("--json", "--count", "9"))

    async with trio.open_nursery() as calling:
        calling.start_soon(call)
        while gateway.hub.seq < 2:
            await trio.sleep(0.01)
        before, gateway.hub = gateway.hub, LiveHub(LiveView(seq=10**6), sample=gateway.sample)
        nursery.start_soon(gateway.hub.run)
        before.close()
    (result,) = results
    assert result.exit_code == 0
    gone, anew = result.stderr.splitlines()
    messages = [json.loads(line) for line in result.stdout.splitlines()]
    place = [one["type"] for one in messages].index("resync_required")
    before_it, resync, *after = messages[place - 1 :]
    assert [one["type"] for one in after][:2] == ["snapshot", "delta"]
    assert resync["since"] == before_it["seq"] < 10**6 < after[0]["seq"]
    assert [one["seq"] - after[0]["seq"] for one in after] == list(range(len(after)))
    told = f"(code 1001). Trying again in 0.5 s, from seq {before_it['seq']}."
    assert gone.endswith(f"has gone: it ended the live stream {told}")
    assert anew.startswith("The gateway begins anew: This process has never told of such a state")


async def test_one_pool_and_once(gateway: Gateway) -> None:
    """--pool leaves the others out, also such as do not exist; --once shows the state and ends."""
    result = await gateway.called("--json", "--once", "--pool", "chat", "--pool", "a & b")
    (line,) = result.stdout.splitlines()
    assert set(json.loads(line)["pools"]) == {"chat"}
    none = await gateway.called("--json", "--once", "--pool", "a & b")
    assert set(json.loads(none.stdout)["pools"]) == set()
    assert none.stderr == "There is no pool 'a & b' at position 4.\n"
    shown = await gateway.called("--once")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert "1 pool(s)" in shown.stdout


async def test_what_is_no_gateway_is_one_line(nursery: trio.Nursery) -> None:
    """Something else listens there: it answers as it pleases, and hangs up."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone")
        await stream.aclose()

    nursery.start_soon(trio.serve_listeners, answer, [listener])
    gateway = Gateway()
    gateway.address = Address("127.0.0.1", listener.socket.getsockname()[1])
    assert "has no live stream (HTTP 404)" in refusal(await gateway.called())


async def test_what_hangs_up_without_an_answer_is_one_line(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """The library would wait for a handshake for ever; the command does not."""
    autojump_clock.autojump_threshold = 0.2  # there are real sockets
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.aclose()

    nursery.start_soon(trio.serve_listeners, hang_up, [listener])
    control = Address("127.0.0.1", listener.socket.getsockname()[1])
    with pytest.raises(StartFailed, match="answers nothing that a gateway would"):
        await follow(Wanted(control, TOKEN.encode()), lambda _: False)


async def test_a_gateway_that_falls_silent_is_one_line(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """After two heartbeats that did not come."""
    autojump_clock.autojump_threshold = 0.2  # there are real sockets

    async def accept(request: WebSocketRequest) -> None:
        await request.accept()
        await trio.sleep_forever()

    server = await nursery.start(serve_websocket, accept, "127.0.0.1", 0, None)
    with pytest.raises(StartFailed, match="says nothing, not even a heartbeat in 30 seconds"):
        await follow(Wanted(Address("127.0.0.1", server.port), TOKEN.encode()), lambda _: False)


async def test_a_gateway_that_talks_nonsense_is_one_line(nursery: trio.Nursery) -> None:
    """What is no message is named as such."""

    async def babble(request: WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message("[]")
        await trio.sleep_forever()

    server = await nursery.start(serve_websocket, babble, "127.0.0.1", 0, None)
    with pytest.raises(StartFailed, match="sent what is no message"):
        await _watch(Wanted(Address("127.0.0.1", server.port), TOKEN.encode()), lambda *_: None, None)


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:99999", "http://127.0.0.1:1/x"])
@pytest.mark.parametrize("option", ["--gateway", "--control"])
async def test_wrong_usage_is_2(option: str, address: str) -> None:
    """As for the other verbs."""
    result = await Gateway().called(option, address)
    assert result.exit_code == 2
    assert "valid: http://HOST:PORT" in result.stderr


async def test_it_is_told_of_the_gateway_as_every_verb_is(gateway: Gateway) -> None:
    """POINTSMAN_GATEWAY goes before POINTSMAN_CONTROL, the command line before both."""
    nobody = "http://127.0.0.1:1"

    async def called(*words: str, **environ: str) -> Result:
        given = {"POINTSMAN_ADMIN_TOKEN": TOKEN, **environ}
        return await trio.to_thread.run_sync(lambda: CliRunner(env=given).invoke(watch, [*words, "--once"]))

    url = f"http://{gateway.address}"
    for words, environ in (
        (("--gateway", url), {"POINTSMAN_GATEWAY": nobody}),
        ((), {"POINTSMAN_GATEWAY": url, "POINTSMAN_CONTROL": "127.0.0.1:1"}),
        ((), {"POINTSMAN_CONTROL": str(gateway.address)}),
    ):
        result = await called(*words, **environ)
        assert result.stdout.startswith(f"{url}: position 4"), result.output
    secure = await called("--gateway", f"https://{gateway.address}")
    assert f"The gateway at https://{gateway.address} is not trusted, or speaks no TLS" in refusal(secure)


async def test_a_reader_that_has_enough_ends_it(gateway: Gateway) -> None:
    """As with `pointsman watch --json | head -1`: no fault of the gateway's."""
    reader, writer = os.pipe()
    program = "from adapters.cli.watch import watch; watch()"
    command = [sys.executable, "-c", program, "--gateway", str(gateway.address), "--json"]
    environment = {**os.environ, "POINTSMAN_ADMIN_TOKEN": TOKEN}
    process = await trio.lowlevel.open_process(command, stdout=writer, stderr=subprocess.PIPE, env=environment)
    os.close(writer)
    assert process.stderr is not None
    assert b"snapshot" in await trio.to_thread.run_sync(os.read, reader, 1 << 16)
    os.close(reader)
    with trio.fail_after(30):
        said = b"".join([chunk async for chunk in process.stderr])
        assert await process.wait() == 1
    assert said == b""


async def test_ctrl_c_ends_it_with_0(gateway: Gateway) -> None:
    """SIGINT is how one stops watching: no traceback, no error."""
    program = "from adapters.cli.watch import watch; watch()"
    command = [sys.executable, "-c", program, "--control", str(gateway.address), "--json"]
    environment = {**os.environ, "POINTSMAN_ADMIN_TOKEN": TOKEN}
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stderr is not None
    assert b"snapshot" in await process.stdout.receive_some()
    process.send_signal(signal.SIGINT)
    said = b"".join([chunk async for chunk in process.stderr])
    async with process.stdout:
        async for _ in process.stdout:
            pass
    assert await process.wait() == 0
    assert said == b""
