"""`pointsman demo`: the gateway and three simulated providers, each a process of its own, started and stopped together.

Law: it is ready when it says so, since it has asked; whatever ends it, it leaves no process behind. What somebody has
written into its configuration file is never written over.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click
import httpx
import trio

from adapters.cli.demo_routes import addresses_in, is_example, written
from adapters.cli.demo_welcome import command, welcome
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
                f"{command()} demo --listen HOST:PORT --control HOST:PORT",
                wrong_input=True,
            )
    simulators = {name: _free_address(_FIRST_PORT + place) for place, name in enumerate(_SIMULATORS)}
    usual = enumerate(simulators.items(), _FIRST_PORT)
    moved = [f"{port} (for {name})" for port, (name, address) in usual if address.port != port]
    config = state / "routes.json"
    await trio.Path(state).mkdir(parents=True, exist_ok=True)
    await _write_unless_edited(trio.Path(config), simulators)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with AsyncExitStack() as started, trio.open_nursery() as nursery:
            for name, address in simulators.items():
                simulate = ["simulate", "--name", name, "--listen", str(address), "--tokens-per-second", "40"]
                await _start(started, nursery, name, simulate, state)
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
            click.echo(welcome(listen, control, state, simulators, moved))
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


async def _write_unless_edited(config: trio.Path, simulators: Mapping[str, Address]) -> None:
    """The example for these simulators, unless somebody has made something else of it."""
    example = written(list(simulators.values()))
    text = await config.read_text(errors="replace") if await config.exists() else None
    if text is None or is_example(text):
        await config.write_text(example)
        return
    click.echo(f"Using {config} as it was edited; delete it to start from the example again.")
    named = addresses_in(text)
    for name, address in simulators.items():
        if str(address) not in named:
            click.echo(f"  It does not name {address}, where the simulator {name} is now.")
    for other in sorted(named - {str(one) for one in simulators.values()}):
        click.echo(f"  It names {other}, where none of this demo's simulators is.")


async def _tell_of_the_file(control: Address) -> None:
    """Print what becomes of each change of the configuration file, and what it warns of from the start."""
    told: tuple[object, ...] | None = None
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                file = (await client.get(f"http://{control}/health/ready", timeout=1)).json()["file"]
            except (httpx.TransportError, ValueError, KeyError):
                return  # the gateway is ending, which the demo notices by itself
            news = (file["position"], *file["problems"], *file["warnings"])
            if news != told:
                _tell(file, is_first=told is None)
            told = news
            await trio.sleep(0.5)


def _tell(file: Mapping[str, Any], *, is_first: bool) -> None:
    if file["problems"]:
        for problem in file["problems"]:
            click.echo(f"Not taken, the last good one stays in force: {problem}")
        return
    if not is_first:
        click.echo(f"The configuration is in force, at position {file['position']} of the log.")
    for warning in file["warnings"]:
        click.echo(f"Warning: {warning}")


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
