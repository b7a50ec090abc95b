"""`pointsman watch`: the live stream of a running gateway, in the terminal or as JSON lines."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream

from adapters.cli.bearer import VARIABLE, admin_token
from adapters.cli.running import AddressType, run
from adapters.live.messages import decode
from adapters.live.websocket import HEARTBEAT_S
from adapters.settings import DEFAULT_CONTROL, Address
from engine.errors import StartFailed
from projections.live import Delta, Snapshot, apply

_PATIENCE_S: Final = 2 * HEARTBEAT_S
_HANDSHAKE_S: Final = 5.0
_GOODBYE_S: Final = 1.0
_LARGEST_MESSAGE: Final = 64 * 1024 * 1024
"""A snapshot of a hundred thousand pools or so."""

Show = Callable[[str], None]


@click.command()
@click.option("--control", type=AddressType(), default=DEFAULT_CONTROL, envvar="POINTSMAN_CONTROL", show_default=True)
@click.option(
    "--admin-token-file",
    type=click.Path(path_type=Path),
    default="pointsman.admin-token",
    envvar="POINTSMAN_ADMIN_TOKEN_FILE",
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="Print each message as a line of JSON.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many messages.")
def watch(*, control: Address, admin_token_file: Path, as_json: bool, count: int | None) -> None:
    """Watch the live routing state of a running gateway, until Ctrl-C."""
    # Not an option: a command line is there for everybody to see.
    token = os.environ.get("POINTSMAN_ADMIN_TOKEN")
    run(partial(_watch, control, token, admin_token_file, as_json=as_json, count=count))


async def _watch(control: Address, token: str | None, token_file: Path, *, as_json: bool, count: int | None) -> None:
    bearer = admin_token({VARIABLE: token} if token else {}, token_file)
    stream = await _connect(control)
    with _plain_text() if as_json else _screen() as show, _sentences(control):
        try:
            # The library leaves the stream open when the gateway refuses or closes; here it is ours to close.
            async with stream, trio.open_nursery() as nursery:
                with trio.move_on_after(_HANDSHAKE_S) as handshake:
                    connection = await wrap_client_stream(
                        nursery,
                        stream,
                        str(control),
                        "/live",
                        extra_headers=[(b"authorization", b"Bearer " + bearer)],
                        max_message_size=_LARGEST_MESSAGE,
                    )
                if handshake.cancelled_caught:
                    raise StartFailed(f"What listens at {control} answers nothing that a gateway would.")
                await _follow(connection, show, count)
                with trio.move_on_after(_GOODBYE_S):
                    await connection.aclose()
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None


async def _connect(control: Address) -> trio.SocketStream:
    try:
        with trio.fail_after(_HANDSHAKE_S):
            return await trio.open_tcp_stream(control.host, control.port)
    except (OSError, trio.TooSlowError) as error:
        raise StartFailed(
            f"The gateway at {control} cannot be reached: {_why(error)}; name its control port with --control."
        ) from None


async def _follow(connection: WebSocketConnection, show: Show, count: int | None) -> None:
    shown = 0
    while count is None or shown < count:
        with trio.fail_after(_PATIENCE_S):
            message = await connection.get_message()
        show(message if isinstance(message, str) else message.decode(errors="replace"))
        shown += 1


@contextmanager
def _plain_text() -> Iterator[Show]:
    yield click.echo


@contextmanager
def _screen() -> Iterator[Show]:
    from rich.console import Console  # noqa: PLC0415 - programs that read JSON do not pay for it
    from rich.live import Live  # noqa: PLC0415 - as above

    from adapters.cli.live_table import live_table  # noqa: PLC0415 - as above

    state: Snapshot | None = None
    console = Console()
    with ExitStack() as ending:
        if not console.is_terminal:
            # Into a file goes the last table alone, and rich leaves its last line open.
            ending.callback(console.line)
        screen = ending.enter_context(Live(console=console, auto_refresh=False))

        def show(text: str) -> None:
            nonlocal state
            message = decode(text)
            if isinstance(message, Snapshot):
                state = message
            elif isinstance(message, Delta) and state is not None:
                state = apply(state, message)
            if state is not None:
                screen.update(live_table(state), refresh=True)

        yield show


@contextmanager
def _sentences(control: Address) -> Iterator[None]:
    """What can go wrong with the stream, as the operator's sentence. Raises StartFailed."""
    gateway = f"The gateway at {control}"
    try:
        yield
    except ConnectionRejected as refusal:
        if refusal.status_code in {401, 403}:
            raise StartFailed(
                f"{gateway} refuses the admin token (HTTP {refusal.status_code}); "
                "give another with --admin-token-file or POINTSMAN_ADMIN_TOKEN."
            ) from None
        raise StartFailed(f"{gateway} has no live stream (HTTP {refusal.status_code}).") from None
    except ConnectionClosed as closed:
        code = f" (code {closed.reason.code})" if closed.reason is not None else ""
        raise StartFailed(f"{gateway} has gone: it ended the live stream{code}.") from None
    except trio.TooSlowError:
        raise StartFailed(f"{gateway} says nothing, not even a heartbeat in {_PATIENCE_S:g} seconds.") from None
    except ValueError as error:
        raise StartFailed(f"{gateway} sent what is no message of the live stream: {error}.") from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = (group.subgroup(KeyboardInterrupt) or group).exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _why(error: BaseException) -> str:
    """The operating system's words for a connection that failed; trio chains and groups them."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, BaseExceptionGroup):
        error = _first(error)
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return str(error) or f"no answer within {_HANDSHAKE_S:g} seconds"
