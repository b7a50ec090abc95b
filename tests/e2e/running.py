"""A real gateway process, and real simulators for it to route to, as the end-to-end tests start and end them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx
import trio

from adapters.simulator import Settings, serve

PATIENCE_S = 30.0
ROOT = Path(__file__).resolve().parents[2]


@attrs.define(eq=False)
class Gateway:
    """A gateway process and its folder: database, token file, configuration and log."""

    folder: Path
    process: trio.Process
    data: str
    "Base address of the data port, without a path."
    control: str
    log: Path

    @property
    def token(self) -> str:
        return (self.folder / "admin-token").read_text().strip()

    def lines(self) -> list[dict[str, Any]]:
        """All log lines so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    async def logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The log lines of an event once there are so many."""
        found: list[dict[str, Any]] = []

        async def enough() -> bool:
            found[:] = [line for line in self.lines() if line.get("event") == event]
            return len(found) >= count

        await until(enough)
        return found

    async def status(self) -> dict[str, Any]:
        async with client() as http:
            status: dict[str, Any] = (await http.get(f"{self.control}/health/ready")).json()
            return status

    async def metrics(self) -> dict[str, float]:
        """Every sample by name and labels, as in the exposition."""
        async with client() as http:
            text = (await http.get(f"{self.control}/metrics")).text
        samples = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    async def at_position(self, position: int) -> None:
        """Return once the table in force is of this position or later."""

        async def reached() -> bool:
            return bool((await self.status())["position"] >= position)

        await until(reached)

    async def at_rest(self) -> None:
        """Return once nothing is in flight."""

        async def empty() -> bool:
            return not any(value for name, value in (await self.metrics()).items() if "_in_flight" in name)

        await until(empty)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)

    async def stop(self) -> int:
        """Ask it to end; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        with trio.fail_after(PATIENCE_S):
            return await self.process.wait()


def client() -> httpx.AsyncClient:
    """An HTTP client that heeds nothing of the environment and does not load certificates."""
    return httpx.AsyncClient(trust_env=False, verify=False, timeout=PATIENCE_S)  # noqa: S501 - loopback, no TLS


@asynccontextmanager
async def gateway(
    folder: Path,
    document: Mapping[str, Any] | None = None,
    *options: str,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Gateway]:
    """Run a gateway in a folder, with a configuration file if a document is given, until the block ends."""
    arguments = [
        *("--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"),
        *("--database", f"sqlite+aiosqlite:///{folder / 'pointsman.db'}"),
        *("--admin-token-file", str(folder / "admin-token"), "--drain-seconds", "5"),
        *options,
    ]
    if not (folder / "admin-token").exists():
        # Given, so that the log begins with what a test does.
        (folder / "admin-token").write_text("the-token-of-a-test\n")
        (folder / "admin-token").chmod(0o600)
    if document is not None:
        (folder / "routes.json").write_text(json.dumps(document))
        arguments += ["--config", str(folder / "routes.json")]
    log = folder / "gateway.log"
    start = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "pointsman", "serve", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})},
        )
    running = None
    try:
        running = await _listening(folder, process, log, start)
        yield running
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.terminate()
            with trio.move_on_after(PATIENCE_S):
                await process.wait()
            if process.poll() is None:
                process.kill()
                await process.wait()


async def _listening(folder: Path, process: trio.Process, log: Path, start: int) -> Gateway:
    addresses: dict[str, str] = {}

    async def listening() -> bool:
        text = log.read_bytes()[start:].decode()
        assert process.poll() is None, f"the gateway ended with {process.poll()}: {text}"
        for line in text.splitlines(keepends=True):
            if line.endswith("\n") and '"listening"' in line:
                addresses.update({port: f"http://{json.loads(line)[port]}" for port in ("data", "control")})
        return bool(addresses)

    await until(listening)
    return Gateway(folder, process, addresses["data"], addresses["control"], log)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return once a condition of another process holds; the only way to learn of it is to look again."""
    with trio.fail_after(PATIENCE_S):
        while not await holds():
            await trio.sleep(0.01)


@attrs.define(eq=False)
class Simulator:
    """A simulated provider inside the test's own process."""

    name: str
    url: str
    "Base address, without a path."
    scope: trio.CancelScope

    async def change(self, **settings: Any) -> None:
        async with client() as http:
            answer = await http.patch(f"{self.url}/_simulator/settings", json=settings)
        assert answer.status_code == 200, answer.text

    async def requests(self) -> list[dict[str, Any]]:
        async with client() as http:
            received: list[dict[str, Any]] = (await http.get(f"{self.url}/_simulator/requests")).json()
            return received

    async def state(self) -> dict[str, Any]:
        async with client() as http:
            state: dict[str, Any] = (await http.get(f"{self.url}/_simulator/state")).json()
            return state

    def end(self) -> None:
        """Die with all connections."""
        self.scope.cancel()


@asynccontextmanager
async def simulators(*names: str, **settings: Any) -> AsyncIterator[list[Simulator]]:
    """Simulated providers on free loopback ports until the block ends."""
    async with trio.open_nursery() as nursery:
        started = []
        for name in names:
            scope = trio.CancelScope()

            async def run(
                scope: trio.CancelScope = scope, name: str = name, *, task_status: trio.TaskStatus[Any]
            ) -> None:
                with scope:
                    await serve(Settings(**settings), host="127.0.0.1", port=0, name=name, task_status=task_status)

            host, port = await nursery.start(partial(run))
            started.append(Simulator(name, f"http://{host}:{port}", scope))
        yield started
        nursery.cancel_scope.cancel()
