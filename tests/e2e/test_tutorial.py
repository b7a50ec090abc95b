"""The tutorial's incident, as somebody follows it: what the document says to type is typed, and what it shows appears.

The demo that `make run` starts is started by its own command, in a folder of the test; addresses are free ones, and
told as the document's. Everything else goes to one shell, as it is written.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import pytest
import trio

from tests.e2e.running import PATIENCE_S, ROOT
from tests.e2e.shown import Addresses, Command, Document, File, read
from tests.e2e.test_demo import LAST_LINE, free_addresses

TUTORIAL = ROOT / "docs" / "tutorial-incident.md"
DATA, CONTROL = "127.0.0.1:8080", "127.0.0.1:8081"
NORTH, SOUTH, EAST = (f"127.0.0.1:{port}" for port in (9101, 9102, 9103))
_END = b"\0"


@attrs.define
class Terminal:
    """A shell."""

    process: trio.Process
    addresses: Addresses
    _rest: bytes = b""

    async def type(self, line: str) -> tuple[list[str], int]:
        """What a command prints, and its exit code."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(f"{self.addresses.entered(line)}\nprintf '\\0%d\\0' $?\n".encode())
        with trio.fail_after(2 * PATIENCE_S):
            said, code = await self._until_end(), int(await self._until_end())
        return self.addresses.told(said).splitlines(), code

    async def write(self, file: File) -> None:
        """As an editor would, in the folder that the shell is in."""
        folder, _ = await self.type("pwd")
        await trio.Path(folder[0], file.name).write_text(self.addresses.entered(file.text))

    async def _until_end(self) -> str:
        assert self.process.stdout is not None
        while _END not in self._rest:
            more = await self.process.stdout.receive_some()
            assert more, f"the shell ended: {self._rest.decode()}"
            self._rest += more
        said, _, self._rest = self._rest.partition(_END)
        return said.decode()


@asynccontextmanager
async def demo(folder: Path, environ: Mapping[str, str]) -> AsyncIterator[str]:
    """A demo in a folder, and what it has said until it was ready."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "pointsman", "demo"], stdout=subprocess.PIPE, cwd=folder, env=environ
    )
    assert process.stdout is not None
    said = b""
    try:
        with trio.fail_after(PATIENCE_S):
            while LAST_LINE.encode() not in said:
                more = await process.stdout.receive_some()
                assert more, f"the demo ended: {said.decode()}"
                said += more
        yield said.decode()
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            await process.wait()
            await process.stdout.aclose()


@asynccontextmanager
async def terminal(folder: Path, environ: Mapping[str, str], addresses: Addresses) -> AsyncIterator[Terminal]:
    process = await trio.lowlevel.open_process(
        ["bash", "--noprofile", "--norc"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=environ,
    )
    try:
        yield Terminal(process, addresses)
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


def check(document: Document, command: Command, real: list[str], code: int = 0) -> None:
    """Fails with both outputs where a command did not end well, or has not said what the document shows."""
    differs = document.difference(command.shown, real)
    if differs is None and code == 0:
        return
    shown_to, real_to = differs or (len(command.shown), len(real))
    pytest.fail(
        "\n".join(
            (
                f"{TUTORIAL.name}, line {command.number}: $ {command.line}",
                f"exit code {code}",
                *(f"  {line}" for line in real[:real_to]),
                *(f"- {line}" for line in command.shown[shown_to:]),
                *(f"+ {line}" for line in real[real_to:]),
            )
        ),
        pytrace=False,
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial asks by curl, and there is none")
def test_the_tutorial(tmp_path: Path) -> None:
    """Every command of it does what it shows, in order."""
    # Not as a test of trio's, whose failures come as groups, with a traceback about the difference.
    trio.run(follow, tmp_path)


async def follow(folder: Path) -> None:
    document = read(TUTORIAL.read_text())
    first, *blocks = document.blocks
    assert isinstance(first, tuple)
    [start] = first
    assert start.line == "make run"
    data, control = free_addresses(2)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")} | {
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "POINTSMAN_LISTEN": data,
        "POINTSMAN_CONTROL": control,
    }
    # It is the folder of the repository to both terminals.
    (folder / ".venv").symlink_to(sys.prefix)
    async with demo(folder, environ) as said:
        addresses = Addresses({DATA: data, CONTROL: control, **_simulators(folder / "demo-state" / "routes.json")})
        check(document, start, addresses.told(said).splitlines())
        async with terminal(folder, environ, addresses) as shell:
            for block in blocks:
                if isinstance(block, File):
                    await shell.write(block)
                    continue
                for command in block:
                    check(document, command, *await shell.type(command.line))


def _simulators(routes: Path) -> dict[str, str]:
    """The addresses that the demo's simulators have by those they would have."""
    targets = json.loads(routes.read_text())["targets"]
    urls = [one["url"] for pool in ("fast", "careful") for one in targets[pool]["providers"]]
    return {told: urlsplit(url).netloc for told, url in zip((NORTH, SOUTH, EAST), urls, strict=False)}


EXAMPLE = read("""Save `a.yaml`, with a limit:

`a.yaml`:

```yaml
limit: 0.5
```

```console
$ one
at 2026-11-22T02:41:12.997712Z, in 19 s
...
rate  0.5   latency 2.302
chat  north ...
$ two
```
""")


def test_an_example_is_read_as_it_is_written() -> None:
    file, [one, two] = EXAMPLE.blocks
    assert file == File("a.yaml", "limit: 0.5\n")
    assert (one.line, one.number, len(one.shown)) == ("one", 10, 4)
    assert two == Command("two", (), 15)


FIRST, MIDDLE, LAST = "at 2027-01-01T00:00:00Z, in 200 s", "rate 0.5 latency 1.7", "chat  north   1"


@pytest.mark.parametrize(
    ("real", "difference"),
    [
        ((FIRST, MIDDLE, LAST), None),
        ((FIRST, "more", "", MIDDLE, LAST), None),
        ((FIRST, "rate 0.7 latency 1.7", LAST), (2, 1)),
        ((FIRST, "rate 0.5 latency 17", LAST), (2, 1)),
        ((FIRST, MIDDLE, "chat south 1"), (3, 2)),
        ((FIRST, MIDDLE, LAST, "more"), (4, 3)),
        ((FIRST, MIDDLE), (3, 2)),
        (("at dawn, in 19 s", MIDDLE, LAST), (0, 0)),
    ],
)
def test_what_varies_may_and_nothing_else(real: tuple[str, ...], difference: tuple[int, int] | None) -> None:
    """Also what is measured, but not what was typed; what is left out, but not what is missing."""
    one = next(iter(EXAMPLE.blocks[1]))  # type: ignore[call-overload]
    assert EXAMPLE.difference(one.shown, real) == difference
