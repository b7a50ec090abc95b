"""Readiness of sockets: never false while something unread waits."""

import socket
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from adapters.poller import LOOK_S, Poller
from adapters.wire import RECEIVE_BYTES, PlainWire


@pytest.fixture
async def poller(nursery: trio.Nursery) -> Poller:
    poller = Poller()
    nursery.start_soon(poller.run)
    return poller


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = connected()
    with ours, theirs:
        yield ours, theirs


def connected() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection, ours not blocking."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)
    return ours, theirs


async def test_a_waiter_is_woken_by_what_arrives(
    poller: Poller, nursery: trio.Nursery, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Once, and again for what comes after it was read."""
    ours, theirs = pair
    readiness = poller.add(ours.fileno())
    for word in (b"one", b"two"):
        assert not readiness.readable
        woken = trio.Event()

        async def wait(woken: trio.Event = woken) -> None:
            await readiness.wait()
            woken.set()

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert not woken.is_set()
        theirs.send(word)
        await woken.wait()
        assert ours.recv(100) == word
        readiness.readable = False
    assert not readiness.gone
    poller.remove(ours.fileno())


async def test_what_arrived_before_the_wait_is_not_missed(
    poller: Poller, pair: tuple[socket.socket, socket.socket]
) -> None:
    """Edge-triggered, so the news is kept; waiting for it then costs no checkpoint."""
    ours, theirs = pair
    theirs.send(b"early")
    readiness = poller.add(ours.fileno())
    await readiness.wait()
    with trio.testing.assert_no_checkpoints():
        await readiness.wait()
    poller.remove(ours.fileno())


@pytest.mark.parametrize("how", ["shutdown", "close", "reset"])
async def test_a_peer_that_goes_is_told_of_once_known(
    poller: Poller, pair: tuple[socket.socket, socket.socket], how: str
) -> None:
    """FB-15: by closing, by a reset, or by ending its sending side; though unread data lies before it."""
    ours, theirs = pair
    readiness = poller.add(ours.fileno())
    gone = trio.Event()
    readiness.on_gone = gone.set
    theirs.send(b"unread")
    if how == "shutdown":
        theirs.shutdown(socket.SHUT_WR)
    else:
        if how == "reset":
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()
    await gone.wait()
    assert readiness.gone
    assert readiness.readable
    poller.remove(ours.fileno())


async def test_a_cancelled_wait_leaves_no_trace(poller: Poller, pair: tuple[socket.socket, socket.socket]) -> None:
    """The next wait is woken, the cancelled one is not woken twice."""
    ours, theirs = pair
    readiness = poller.add(ours.fileno())
    with trio.CancelScope() as scope:
        scope.cancel()
        await readiness.wait()
    assert scope.cancelled_caught
    theirs.send(b"x")
    await readiness.wait()
    poller.remove(ours.fileno())


async def test_a_descriptor_may_be_used_again(poller: Poller) -> None:
    """A new socket under an old number is a new registration, with nothing of the old one's past."""
    ours, theirs = connected()
    number = ours.fileno()
    first = PlainWire(ours, poller)
    theirs.send(b"unread")
    await first.readiness.wait()
    theirs.close()
    first.close()
    first.close()
    assert ours.fileno() == -1
    others: list[socket.socket] = []
    while (again := connected())[0].fileno() != number:
        others += again
    second = PlainWire(again[0], poller)
    assert not second.readiness.readable
    assert not second.readiness.gone
    again[1].send(b"fresh")
    assert await second.receive() == b"fresh"
    assert second.is_quiet()
    second.close()
    for left in (again[1], *others):
        left.close()


async def _send(stream: trio.SocketStream, size: int) -> None:
    await stream.send_all(bytes(size))
    await stream.aclose()


async def test_a_wire_reads_all_there_is_and_then_the_end(poller: Poller) -> None:
    """The end that came together with the last bytes is read without another event for it."""
    for size in (1, RECEIVE_BYTES - 1, RECEIVE_BYTES, RECEIVE_BYTES + 1, 5 * RECEIVE_BYTES):
        ours, theirs = connected()
        wire = PlainWire(ours, poller)
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
        async with trio.open_nursery() as nursery, stream:
            nursery.start_soon(_send, stream, size)
            received = 0
            while data := await wire.receive():
                received += len(data)
        assert received == size
        assert await wire.receive() == b"", "and it stays the end"
        assert not wire.is_quiet()
        wire.close()


async def test_a_wire_delivers_what_came_before_a_reset(poller: Poller) -> None:
    """FB-10: first the bytes, then OSError."""
    ours, theirs = connected()
    wire = PlainWire(ours, poller)
    theirs.send(b"last words")
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    theirs.close()
    assert await wire.receive() == b"last words"
    with pytest.raises(ConnectionResetError):
        await wire.receive()
    wire.close()


async def test_a_peer_that_reads_nothing_is_given_up(poller: Poller, autojump_clock: trio.testing.MockClock) -> None:
    """DEF-40: after a minute in which not one byte could be sent, and not before."""
    ours, theirs = connected()
    wire = PlainWire(ours, poller)
    # The poller's own wait is on a real descriptor, so the clock may jump only when all is quiet.
    autojump_clock.autojump_threshold = 0.05
    started = trio.current_time()
    with pytest.raises(TimeoutError, match="does not read"):
        await wire.send(bytes(64 * 2**20))
    assert trio.current_time() - started >= 60
    wire.close()
    theirs.close()


async def test_a_long_wait_ends_a_look_late_at_most(
    poller: Poller, pair: tuple[socket.socket, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """DEF-40: without a scope of its own for each wait; what came meanwhile is still to be read."""
    ours, theirs = pair
    wire = PlainWire(ours, poller)
    for patience_s in (5.0, 600.0):
        began = autojump_clock.current_time()
        with pytest.raises(TimeoutError):
            await wire.receive(patience_s)
        assert patience_s <= autojump_clock.current_time() - began <= patience_s + LOOK_S + 0.01
    theirs.send(b"late")
    assert await wire.receive(600.0) == b"late"


async def test_a_short_wait_ends_in_time(
    poller: Poller, pair: tuple[socket.socket, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    """Exactly, also after a long one; a wait that is over already ends at once."""
    ours, theirs = pair
    wire = PlainWire(ours, poller)
    with trio.move_on_after(2):
        await wire.receive(600.0)
    for patience_s in (0.25, 4.5, 0.0, -1.0):
        began = autojump_clock.current_time()
        with pytest.raises(TimeoutError):
            await wire.receive(patience_s)
        assert autojump_clock.current_time() - began == pytest.approx(max(0.0, patience_s), abs=0.01)
    theirs.send(b"late")
    assert await wire.receive(0.25) == b"late"
