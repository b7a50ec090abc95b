"""`pointsman demo` as somebody meets it: start it, paste its line, press Ctrl-C, start it again."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from adapters.cli.demo_routes import addresses_in, is_example, routes, written
from adapters.settings import Address
from tests.e2e.running import PATIENCE_S, ROOT, client
from tests.e2e.worlds import appended

LAST_LINE = "Ctrl-C stops all of it."


@attrs.define
class Demo:
    process: trio.Process
    said: str
    "What it has printed until it was ready."
    children: list[int]
    "Process ids of the gateway and the simulators."

    @property
    def curl(self) -> str:
        [line] = [line.strip() for line in self.said.splitlines() if line.strip().startswith("curl ")]
        return line

    async def says(self, text: str) -> str:
        """What it prints from here on, once this is in it."""
        assert self.process.stdout is not None
        said = b""
        with trio.fail_after(PATIENCE_S):
            while text.encode() not in said:
                more = await self.process.stdout.receive_some()
                assert more, f"the demo ended: {said.decode()}"
                said += more
        return said.decode()

    async def interrupt(self) -> int:
        """Press Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return await self.process.wait()


@asynccontextmanager
async def demo(folder: Path, *addresses: str) -> AsyncIterator[Demo]:
    """A demo in a folder, once it has said that it is ready."""
    data, control = addresses
    arguments = ["demo", "--listen", data, "--control", control, "--state", str(folder / "state")]
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "pointsman", *arguments],
        stdout=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    running = Demo(process, "", [])
    try:
        with trio.fail_after(PATIENCE_S):
            running.said = await running.says(LAST_LINE)
            running.children = list(children_of(process.pid))
            yield running
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            await process.wait()
            await process.stdout.aclose()


async def paste(line: str) -> dict[str, Any]:
    """The answer to the printed line, run by a shell as it is, or read where there is no curl."""
    if shutil.which("curl"):
        ended = await trio.run_process(["bash", "-c", line], capture_stdout=True)
        head, _, body_read = ended.stdout.partition(b"\r\n\r\n")
        assert b"x-request-id: " in head.lower()
        pasted: dict[str, Any] = json.loads(body_read)
        return pasted
    words = iter(shlex.split(line)[1:])
    headers, body, url = {}, "", ""
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words)
        elif not word.startswith("-"):
            url = word
    async with client() as http:
        answer: dict[str, Any] = (await http.post(url, headers=headers, content=body)).json()
        return answer


def free_addresses(count: int) -> list[str]:
    """Loopback addresses that nobody has."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    for listener in listeners:
        listener.close()
    return addresses


def children_of(parent: int) -> Iterator[int]:
    """The processes that a process has started and that still exist."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            stat = entry.read_text()
        except OSError:
            continue  # it ended in between
        if int(stat.rpartition(")")[2].split()[1]) == parent:
            yield int(entry.parent.name)


def living(processes: list[int]) -> Iterator[int]:
    """Those that still exist."""
    for process in processes:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            continue
        yield process


async def test_the_demo_from_start_to_start(tmp_path: Path) -> None:
    """Ready when it says so; its line works as pasted; Ctrl-C leaves no process; the same table appends nothing."""
    addresses = free_addresses(2)
    async with demo(tmp_path, *addresses) as running:
        assert "Pointsman is ready." in running.said
        assert f"http://{addresses[0]}/v1" in running.said
        assert f"watch --gateway http://{addresses[1]} " in running.said
        assert f"http://{addresses[1]}/     (it asks for the token in " in running.said
        assert f"explain REQUEST_ID --gateway http://{addresses[1]} " in running.said
        document = (tmp_path / "state" / "routes.json").read_text()
        providers = next(line for line in running.said.splitlines() if line.startswith("  providers "))
        assert {word.strip(",") for word in providers.split()[2::2]} == addresses_in(document)
        has_usual = addresses_in(document) == {f"127.0.0.1:{port}" for port in (9101, 9102, 9103)}
        assert ("(in use by others: " in running.said) != has_usual
        assert len(running.children) == 4
        answer = await paste(running.curl)
        assert answer["choices"][0]["message"]["content"] in {"north heard: Hello", "south heard: Hello"}
        assert await running.interrupt() == 0
        assert list(living(running.children)) == []
    first = appended(tmp_path / "state")
    assert first > 0
    async with demo(tmp_path, *addresses) as running:
        assert (await paste(running.curl))["object"] == "chat.completion"
        assert await running.interrupt() == 0
        assert list(living(running.children)) == []
    # The simulators' usual ports may have been taken by somebody else only once; then the table is another.
    is_same = (tmp_path / "state" / "routes.json").read_text() == document
    assert (appended(tmp_path / "state") == first) == is_same


async def test_an_edited_file_is_kept_and_its_warnings_are_told(tmp_path: Path) -> None:
    """Whatever ports the simulators have now; what the file is ignored in is said, at the start and when it changes."""
    elsewhere = free_addresses(3)
    document = routes([Address("127.0.0.1", int(one.rpartition(":")[2])) for one in elsewhere])
    document["targets"]["fast"]["providers"][0]["wieght"] = document["targets"]["fast"]["providers"][0].pop("weight")
    config = tmp_path / "state" / "routes.json"
    config.parent.mkdir()
    config.write_text(json.dumps(document))
    addresses = free_addresses(2)
    async with demo(tmp_path, *addresses) as running:
        assert config.read_text() == json.dumps(document)
        kept = running.said.partition("Pointsman is ready.")[0]
        assert "routes.json as it was edited" in kept
        assert kept.count("It does not name ") == 3
        assert [f"It names {one}, where none" in kept for one in elsewhere] == [True] * 3
        assert "Warning: " in await running.says(".wieght: ")
        document["targets"]["careful"]["stratgy"] = "priority"
        config.write_text(json.dumps(document))
        said = await running.says(".stratgy: ")
        assert said.startswith("The configuration is in force, at position ")
        async with client() as http:
            file = (await http.get(f"http://{addresses[1]}/health/ready")).json()["file"]
        assert file["problems"] == []
        assert [".wieght: " in line or ".stratgy: " in line for line in file["warnings"]] == [True, True]


def test_what_the_demo_wrote_is_told_from_what_somebody_wrote() -> None:
    """At any ports; one changed number makes it theirs."""
    example = written([Address("127.0.0.1", port) for port in (9101, 54321, 9103)])
    assert is_example(example)
    assert addresses_in(example) == {"127.0.0.1:9101", "127.0.0.1:54321", "127.0.0.1:9103"}
    assert not is_example(example.replace('"weight": 3', '"weight": 4'))
    assert not is_example(example.replace("54321", "9101"))
    assert not is_example("")


async def test_the_demo_says_what_is_in_its_way(tmp_path: Path) -> None:
    """A taken port is exit code 2 and the command that would do, before anything is started or written."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        ended = await trio.run_process(
            [sys.executable, "-m", "pointsman", "demo", "--listen", taken, "--state", str(tmp_path / "state")],
            capture_stderr=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert ended.returncode == 2
    (said,) = ended.stderr.decode().splitlines()
    assert said.startswith(f"pointsman: {taken} is already in use; choose other addresses with: ")
    assert said.endswith("pointsman demo --listen HOST:PORT --control HOST:PORT")
    assert not (tmp_path / "state").exists()
