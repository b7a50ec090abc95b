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
    try:
        with trio.fail_after(PATIENCE_S):
            said = b""
            while LAST_LINE.encode() not in said:
                data_read = await process.stdout.receive_some()
                assert data_read, f"the demo ended: {said.decode()}"
                said += data_read
            yield Demo(process, said.decode(), list(children_of(process.pid)))
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
        pasted: dict[str, Any] = json.loads(ended.stdout)
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
        assert f"--control {addresses[1]}" in running.said
        assert len(running.children) == 4
        answer = await paste(running.curl)
        assert answer["choices"][0]["message"]["content"] in {"north heard: Hello", "south heard: Hello"}
        assert await running.interrupt() == 0
        assert list(living(running.children)) == []
    first, document = appended(tmp_path / "state"), (tmp_path / "state" / "routes.json").read_text()
    assert first > 0
    async with demo(tmp_path, *addresses) as running:
        assert (await paste(running.curl))["object"] == "chat.completion"
        assert await running.interrupt() == 0
        assert list(living(running.children)) == []
    # The simulators' usual ports may have been taken by somebody else only once; then the table is another.
    is_same = (tmp_path / "state" / "routes.json").read_text() == document
    assert (appended(tmp_path / "state") == first) == is_same


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
