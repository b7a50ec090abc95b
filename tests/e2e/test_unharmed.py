"""What must not be able to end the process, and is meant to."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from tests.e2e.running import ROOT, client, gateway, simulators, until

BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


async def test_a_log_that_nobody_reads_does_not_end_the_gateway(tmp_path: Path) -> None:
    """OBS: the reader of standard error goes away; requests are served as before, and the process ends properly."""
    reading, writing = os.pipe()
    arguments = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--database", "memory:"]
    async with simulators("one") as (one,):
        (tmp_path / "routes.json").write_text(f'{{"targets": {{"m": {{"url": "{one.url}/v1"}}}}}}')
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "pointsman", "serve", *arguments, "--config", "routes.json"],
            stderr=writing,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        os.close(writing)
        try:
            said = b""
            while b'"listening"' not in said:
                said += await trio.to_thread.run_sync(os.read, reading, 65536)
            os.close(reading)
            address = said[said.index(b'"data":"') + 8 :].split(b'"')[0].decode()
            async with client() as http:
                for _ in range(3):
                    answer = await http.post(f"http://{address}/v1/chat/completions", json=BODY)
                    assert answer.status_code == 200
            process.terminate()
            with trio.fail_after(30):
                assert await process.wait() == 0
        finally:
            if process.poll() is None:
                process.kill()
                await process.wait()


@pytest.mark.parametrize("field", ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"])
async def test_a_strange_handshake_harms_nobody_else(tmp_path: Path, field: str) -> None:
    """WS-1: bytes that are no text in a websocket handshake of an authorised client."""
    async with gateway(tmp_path, {"targets": {}}) as running, client() as http:
        host, _, port = running.control.removeprefix("http://").partition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            head = (
                f"GET /live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.token}\r\nUpgrade: websocket\r\n"
                f"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            )
            await stream.send_all(head.encode() + field.encode() + b": \xff\r\n\r\n")
            said = b""
            with trio.fail_after(30):
                # It is answered, whatever it may be, or ended without a word.
                while not said.startswith(b"HTTP/1.1 "):
                    try:
                        some = await stream.receive_some()
                    except trio.BrokenResourceError:
                        break
                    if not some:
                        break
                    said += some
        assert (await http.get(f"{running.data}/health/live")).status_code == 200
        assert running.process.poll() is None


async def test_a_configuration_that_cannot_be_read_is_said_and_left(tmp_path: Path) -> None:
    """DEF-43, DEF-51: a tag that does not fit its value, a pipe, a link that comes and goes: the good one stays."""
    async with simulators("one") as (one,):
        good = f"targets: {{m: {{url: {one.url}/v1}}}}\n"
        file = tmp_path / "routes.yaml"
        file.write_text(good)
        async with gateway(tmp_path, None, "--config", str(file)) as running, client() as http:

            async def has_problems() -> bool:
                return bool((await running.status())["file"]["problems"])

            file.write_text("targets: {m: {url: !!bool foo}}\n")
            await until(has_problems)
            file.unlink()
            os.mkfifo(file)
            for _ in range(200):
                file.unlink()
                file.symlink_to("elsewhere.yaml")
            file.unlink()
            file.write_text(good + "# mended\n")

            async def is_mended() -> bool:
                return not await has_problems()

            await until(is_mended)
            assert (await http.post(f"{running.data}/v1/chat/completions", json=BODY)).status_code == 200
            assert await running.stop() == 0


async def test_two_gateways_on_one_database_share_credentials(tmp_path: Path) -> None:
    """What one takes into the vault, the other can use as soon as it follows the event that names it."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    async with simulators("one") as (one,):
        document = {"targets": {"m": {"url": f"{one.url}/v1", "onwards_key": "sk-old"}}}
        async with (
            gateway(first, document, "--database", f"sqlite+aiosqlite:///{tmp_path}/shared.db") as writing,
            gateway(second, None, "--database", f"sqlite+aiosqlite:///{tmp_path}/shared.db") as reading,
            client() as http,
        ):
            position = (await writing.status())["position"]
            (first / "routes.json").write_text((first / "routes.json").read_text().replace("sk-old", "sk-new"))
            await reading.at_position(position + 1)

            async def is_served() -> bool:
                answer = await http.post(f"{reading.data}/v1/chat/completions", json=BODY)
                return bool(answer.status_code == 200)

            await until(is_served)
            (*_, last) = await one.requests()
            assert ["authorization", "Bearer sk-new"] in last["headers"]


def test_no_standard_error_at_all(tmp_path: Path) -> None:
    """Started with standard error closed, the gateway still says nothing and fails with its exit code."""
    command = f"exec {sys.executable} -m pointsman serve --config missing.json --database memory: 2>&-"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2


async def test_a_status_below_100_is_no_answer(tmp_path: Path) -> None:
    """A response that llhttp and HTTP read differently never reaches a client, and never joins the next one."""
    forged = b"HTTP/1.1 099 X\r\nContent-Length: 4\r\n\r\nevilHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(forged)
            await stream.receive_some()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), answer, 0)
        port = listeners[0].socket.getsockname()[1]
        document = {"targets": {"m": {"url": f"http://127.0.0.1:{port}/v1"}}}
        async with gateway(tmp_path, document) as running, httpx.AsyncClient(trust_env=False) as http:
            said = await http.post(f"{running.data}/v1/chat/completions", json=BODY)
            assert (said.status_code, said.json()["error"]["code"]) == (502, "internal_error")
        nursery.cancel_scope.cancel()
