"""`pointsman simulate`: a simulated provider in a process of its own."""

import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import click
import trio

from adapters.cli.running import AddressType, run
from adapters.settings import Address
from adapters.simulator import HELP, InvalidSetting, Settings, serve
from engine.errors import StartFailed


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each of the simulator's settings."""
    for field in reversed(attrs.fields(Settings)):
        option = f"--{field.name.replace('_', '-')}"
        kind = {"is_flag": True} if field.type is bool else {"type": field.type}
        command = click.option(option, default=field.default, help=HELP[field.name], show_default=True, **kind)(command)
    return command


@click.command()
@click.option("--listen", type=AddressType(), default="127.0.0.1:9101", show_default=True)
@click.option("--name", default="simulator", show_default=True, help="Appears in every answer.")
@_with_settings
def simulate(*, listen: Address, name: str, **values: Any) -> None:
    """Run a simulated LLM provider until SIGINT or SIGTERM.

    It speaks OpenAI's chat, completions, embeddings and responses and Anthropic's messages. Settings can be changed
    while it runs (PATCH /_simulator/settings) and for one request (header x-simulate-NAME); GET /_simulator/requests
    tells what it received.
    """
    try:
        settings = Settings(**values)
    except InvalidSetting as error:
        raise click.UsageError(str(error)) from None
    run(partial(_simulate, settings, listen, name))


async def _simulate(settings: Settings, listen: Address, name: str) -> None:
    async with trio.open_nursery() as nursery:
        try:
            host, port = await nursery.start(partial(serve, settings, host=listen.host, port=listen.port, name=name))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise StartFailed(f"The simulator cannot start on {listen}: {why}.", wrong_input=True) from None
        click.echo(f"{name} listens on http://{host}:{port}")
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            await anext(signals)
        nursery.cancel_scope.cancel()
