"""The simulator's listener and the life of a connection.

Law: requests of one connection are answered one after the other, in order. A bug ends the server: a test instrument
that goes on after one would lie.
"""

from functools import partial

import trio

from adapters.simulator import script
from adapters.simulator.connection import ClientGone, Connection, Request, Unreadable
from adapters.simulator.control import Simulator, control, is_control
from adapters.simulator.play import play
from adapters.simulator.settings import Settings
from adapters.simulator.shape import encode
from adapters.simulator.shapes_openai import problem


async def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    name: str = "simulator",
    task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Bind (port 0 takes a free one), report the bound address through `task_status`, and serve until cancelled.

    Raises: ValueError for a name that cannot stand in a header; OSError when the address cannot be bound.
    """
    if not name or not name.isascii() or not name.isprintable() or " " in name:
        raise ValueError(f"a simulator's name must be printable ASCII without blanks, not {name!r}")
    simulator = Simulator(name, settings)
    listeners = await trio.open_tcp_listeners(port, host=host)
    if port == 0:
        # A name with several addresses would get a different free port on each; one of them is enough.
        for spare in listeners[1:]:
            await trio.aclose_forcefully(spare)
        listeners = listeners[:1]
    address = listeners[0].socket.getsockname()
    task_status.started((address[0], address[1]))
    await trio.serve_listeners(partial(_serve_connection, simulator), listeners)


async def _serve_connection(simulator: Simulator, stream: trio.SocketStream) -> None:
    connection = Connection(stream)
    simulator.connections += 1
    simulator.open_connections += 1
    number = simulator.connections
    try:
        while True:
            request = await connection.receive_request()
            if request is None:
                return
            await _answer(simulator, connection, request, number)
            if not connection.next_cycle():
                return
    except Unreadable as unreadable:
        await _refuse(connection, unreadable)
    except ClientGone:
        return
    finally:
        simulator.open_connections -= 1


async def _answer(simulator: Simulator, connection: Connection, request: Request, number: int) -> None:
    path = request.target.partition("?")[0]
    if is_control(path):
        status, body = control(simulator, request, path)
        await connection.send_whole(status, (script.JSON,), encode(body))
        return
    record = simulator.record
    received = record.begin(
        number,
        request.method,
        request.target,
        request.headers,
        request.body,
        limit=simulator.settings.record_limit,
    )
    written = script.write(request, simulator.settings, name=simulator.name, number=received.number)
    await play(connection, written, received, partial(record.settle, received))


async def _refuse(connection: Connection, unreadable: Unreadable) -> None:
    body = encode(problem(unreadable.status, unreadable.message, None, ""))
    try:
        await connection.send_whole(unreadable.status, (script.JSON, (b"connection", b"close")), body)
    except ClientGone:
        return
    await connection.linger()
