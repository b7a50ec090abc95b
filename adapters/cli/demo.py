"""`pointsman demo`: the gateway and three simulated providers, each a process of its own, started and stopped together.

Law: it is ready when it says so, since it has asked; whatever ends it, it leaves no process behind.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import click
import httpx
import trio

from adapters.cli.demo_routes import PEOPLE_KEY, routes
from adapters.cli.running import AddressType, run
from adapters.settings import DEFAULT_CONTROL, DEFAULT_LISTEN, Address
from engine.errors import StartFailed

_SIMULATORS = ("north", "south", "east")
_FIRST_PORT = 9101
_READY_S = 60.0
_STOP_S = 10.0


@click.command()
@click.option("--listen", type=AddressType(), default=DEFAULT_LISTEN, envvar="POINTSMAN_LISTEN", show_default=True)
@click.option("--control", type=AddressType(), default=DEFAULT_CONTROL, envvar="POINTSMAN_CONTROL", show_default=True)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default="demo-state",
    show_default=True,
    help="Directory for the demo's configuration, event log and token.",
)
def demo(*, listen: Address, control: Address, state: Path) -> None:
    """Run the gateway with three simulated providers until Ctrl-C."""
    run(partial(_demo, listen, control, state))


async def _demo(listen: Address, control: Address, state: Path) -> None:
    for address in (listen, control):
        if not _is_free(address):
            raise StartFailed(
                f"{address} is already in use; choose other addresses with: "
                f"{_command()} demo --listen HOST:PORT --control HOST:PORT",
                wrong_input=True,
            )
    simulators = [_free_address(_FIRST_PORT + place) for place in range(len(_SIMULATORS))]
    config = state / "routes.json"
    await trio.Path(state).mkdir(parents=True, exist_ok=True)
    await _write_unless_edited(trio.Path(config), simulators)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with AsyncExitStack() as started, trio.open_nursery() as nursery:
            for name, address in zip(_SIMULATORS, simulators, strict=True):
                command = ["simulate", "--name", name, "--listen", str(address), "--tokens-per-second", "40"]
                await _start(started, nursery, name, command, state)
            gateway = [
                "serve",
                *("--config", str(config)),
                *("--listen", str(listen), "--control", str(control)),
                *("--database", f"sqlite+aiosqlite:///{state / 'pointsman.db'}"),
                *("--admin-token-file", str(state / "admin-token")),
                *("--drain-seconds", "5"),
            ]
            await _start(started, nursery, "gateway", gateway, state)
            await _until_ready(listen)
            click.echo(_welcome(listen, control, state))
            nursery.start_soon(_tell_of_the_file, control)
            await anext(signals)
            click.echo("\nStopping.")
            nursery.cancel_scope.cancel()


async def _start(started: AsyncExitStack, nursery: trio.Nursery, name: str, arguments: list[str], state: Path) -> None:
    """Start a process that ends with `started`; its end before that ends the demo."""
    log = state / f"{name}.log"
    with log.open("ab") as output:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "pointsman", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            # A Ctrl-C in the terminal is the demo's to pass on, the gateway first.
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    started.push_async_callback(_stop, process)
    nursery.start_soon(_guard, process, name, log)


async def _guard(process: trio.Process, name: str, log: Path) -> None:
    code = await process.wait()
    last = (await trio.Path(log).read_text()).strip().rpartition("\n")[2]
    raise StartFailed(f"The {name} process ended by itself with exit code {code}: {last} (more in {log})")


async def _stop(process: trio.Process) -> None:
    """Ask a process to end, then make it."""
    with trio.CancelScope(shield=True):
        if process.poll() is None:
            process.terminate()
        with trio.move_on_after(_STOP_S):
            await process.wait()
            return
        process.kill()
        await process.wait()


async def _write_unless_edited(config: trio.Path, simulators: list[Address]) -> None:
    """The example, unless there is one for these simulators already: it may have been changed by hand."""
    if await config.exists():
        text = await config.read_text()
        if all(str(address) in text for address in simulators):
            click.echo(f"Using {config} as it is; delete it to start from the example again.")
            return
    await config.write_text(json.dumps(routes(simulators), indent=2) + "\n")


async def _tell_of_the_file(control: Address) -> None:
    """Print what becomes of each change of the configuration file."""
    told: tuple[object, ...] | None = None
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                file = (await client.get(f"http://{control}/health/ready", timeout=1)).json()["file"]
            except (httpx.TransportError, ValueError, KeyError):
                return  # the gateway is ending, which the demo notices by itself
            news = (file["position"], *file["problems"])
            if told is not None and news != told:
                for problem in file["problems"]:
                    click.echo(f"Not taken, the last good one stays in force: {problem}")
                if not file["problems"]:
                    click.echo(f"The configuration is in force, at position {file['position']} of the log.")
            told = news
            await trio.sleep(0.5)


async def _until_ready(listen: Address) -> None:
    with trio.move_on_after(_READY_S):
        async with httpx.AsyncClient(trust_env=False) as client:
            while True:
                try:
                    answer = await client.get(f"http://{listen}/health/ready", timeout=1)
                    if answer.status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await trio.sleep(0.05)
    raise StartFailed(f"The gateway on {listen} was not ready within {_READY_S:g} seconds.")


def _welcome(listen: Address, control: Address, state: Path) -> str:
    pointsman = _command()
    body = '{"model": "fast", "messages": [{"role": "user", "content": "Hello"}]}'
    curl = (
        f"curl -s http://{listen}/v1/chat/completions -H 'Authorization: Bearer {PEOPLE_KEY}'"
        f" -H 'Content-Type: application/json' -d '{body}'"
    )
    return f"""
Pointsman is ready.

  address   http://{listen}/v1     (OpenAI SDK: base_url; Anthropic SDK: the same without /v1)
  key       {PEOPLE_KEY}
  models    fast, careful, renamed

  {curl}

Change {state / "routes.json"} while it runs (what becomes of it is said here), and look on:

  {pointsman} watch --control {control} --admin-token-file {state / "admin-token"}
  {pointsman} log --database sqlite+aiosqlite:///{state / "pointsman.db"}
  {pointsman} show --database sqlite+aiosqlite:///{state / "pointsman.db"}

Ctrl-C stops all of it."""


def _command() -> Path:
    """The command beside this interpreter, as one would type it here."""
    command = Path(sys.executable).with_name("pointsman")
    return command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command


def _is_free(address: Address) -> bool:
    try:
        socket.create_server((address.host, address.port)).close()
    except OSError:
        return False
    return True


def _free_address(wanted: int) -> Address:
    """A loopback address, with the wanted port if nobody has it."""
    if _is_free(Address("127.0.0.1", wanted)):
        return Address("127.0.0.1", wanted)
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        return Address("127.0.0.1", chosen.getsockname()[1])
