"""The client's end of the live stream: one connection, and what can go wrong with it as a sentence."""

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlencode

import attrs
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream

from adapters.live.websocket import HEARTBEAT_S
from adapters.settings import Address
from engine.errors import StartFailed

_PATIENCE_S: Final = 2 * HEARTBEAT_S
_HANDSHAKE_S: Final = 5.0
_GOODBYE_S: Final = 1.0
_LARGEST_MESSAGE: Final = 64 * 1024 * 1024
"""A snapshot of some ten thousand pools."""
_BARRED: Final = 1008


class Gone(StartFailed):
    """The gateway is not there now; it may come back."""


@attrs.frozen
class _NotTaken(Exception):
    """Whoever takes the messages cannot write them: no fault of the gateway's."""

    error: OSError


@attrs.frozen
class Wanted:
    """What is asked for, and of whom."""

    control: Address
    bearer: bytes = attrs.field(repr=False)
    pools: tuple[str, ...] = ()
    "None: all."
    since: int | None = None
    is_secure: bool = False
    "Whether the control port speaks TLS."

    @property
    def url(self) -> str:
        """As all verbs name a gateway."""
        return f"{'https' if self.is_secure else 'http'}://{self.control}"

    @property
    def path(self) -> str:
        query = [("pool", alias) for alias in self.pools]
        if self.since is not None:
            query.append(("from", str(self.since)))
        return f"/live?{urlencode(query)}" if query else "/live"


async def follow(wanted: Wanted, take: Callable[[str], bool]) -> None:
    """Give each message to `take`, until that says that it is enough. Raises StartFailed, and Gone where trying again
    may help; what `take` raises.
    """
    try:
        await _follow(wanted, take)
    except _NotTaken as failed:
        raise failed.error from None


async def _follow(wanted: Wanted, take: Callable[[str], bool]) -> None:
    with _sentences(wanted.control):
        stream = await _connect(wanted)
        try:
            # The library leaves the stream open when the gateway refuses or closes; here it is ours to close.
            async with stream, trio.open_nursery() as nursery:
                with trio.move_on_after(_HANDSHAKE_S) as handshake:
                    connection = await wrap_client_stream(
                        nursery,
                        stream,
                        str(wanted.control),
                        wanted.path,
                        extra_headers=[(b"authorization", b"Bearer " + wanted.bearer)],
                        max_message_size=_LARGEST_MESSAGE,
                    )
                if handshake.cancelled_caught:
                    raise StartFailed(f"What listens at {wanted.control} answers nothing that a gateway would.")
                await _receive(connection, take)
                with trio.move_on_after(_GOODBYE_S):
                    await connection.aclose()
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise _first(group) from None


async def _connect(wanted: Wanted) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    control = wanted.control
    try:
        with trio.fail_after(_HANDSHAKE_S):
            stream = await trio.open_tcp_stream(control.host, control.port)
            if not wanted.is_secure:
                return stream
            secured = trio.SSLStream(
                stream, ssl.create_default_context(), server_hostname=control.host, https_compatible=True
            )
            try:
                await secured.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(stream)
                raise
            return secured
    except trio.BrokenResourceError as error:
        raise StartFailed(f"The gateway at {wanted.url} is not trusted, or speaks no TLS: {_why(error)}.") from None
    except (OSError, trio.TooSlowError) as error:
        raise Gone(
            f"The gateway at {control} cannot be reached: {_why(error)}; name its control port with --gateway."
        ) from None


async def _receive(connection: WebSocketConnection, take: Callable[[str], bool]) -> None:
    is_enough = False
    while not is_enough:
        with trio.fail_after(_PATIENCE_S):
            message = await connection.get_message()
        try:
            is_enough = take(message if isinstance(message, str) else message.decode(errors="replace"))
        except OSError as error:
            raise _NotTaken(error) from None


@contextmanager
def _sentences(control: Address) -> Iterator[None]:
    """What can go wrong with the stream, as the operator's sentence. Raises StartFailed."""
    gateway = f"The gateway at {control}"
    try:
        yield
    except ConnectionRejected as refusal:
        raise _refused(gateway, refusal.status_code) from None
    except ConnectionClosed as closed:
        code = closed.reason.code if closed.reason is not None else None
        if code == _BARRED:
            raise StartFailed(f"{gateway} has ended the live stream: the admin token is good no more.") from None
        told = "" if code is None else f" (code {code})"
        raise Gone(f"{gateway} has gone: it ended the live stream{told}.") from None
    except trio.TooSlowError:
        raise Gone(f"{gateway} says nothing, not even a heartbeat in {_PATIENCE_S:g} seconds.") from None
    except ValueError as error:
        raise StartFailed(f"{gateway} sent what is no message of the live stream: {error}.") from None
    except OSError as error:
        raise Gone(f"{gateway} has gone: {_why(error)}.") from None


def _refused(gateway: str, status: int) -> StartFailed:
    if status in {401, 403}:
        return StartFailed(
            f"{gateway} refuses the admin token (HTTP {status}); "
            "give another with --admin-token-file or POINTSMAN_ADMIN_TOKEN."
        )
    if status == 503:
        return Gone(f"{gateway} has as many clients of its live stream as it may have (HTTP 503).")
    return StartFailed(f"{gateway} has no live stream (HTTP {status}).")


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
