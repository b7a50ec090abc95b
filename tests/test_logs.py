"""Log lines: whole, in order, and few writes."""

import io
import json
import os

import pytest
import trio

from adapters.logs import LineWriter


class Pipe(io.BytesIO):
    """A file that counts its writes."""

    writes = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.writes += 1
        return super().write(data)


def test_lines_wait_and_then_go_out_in_one_write() -> None:
    """OBS: a request pays for no system call."""
    pipe = Pipe()
    lines = LineWriter(pipe)
    for number in range(100):
        lines.write(json.dumps({"n": number}).encode())
    assert pipe.writes == 0
    lines.flush()
    lines.flush()
    lines.close()
    assert pipe.writes == 1
    assert [json.loads(line)["n"] for line in pipe.getvalue().splitlines()] == list(range(100))


def test_what_waits_is_bounded() -> None:
    """OBS: 64 KiB at most, however long nobody flushes."""
    pipe = Pipe()
    lines = LineWriter(pipe)
    for _ in range(1000):
        lines.write(b"x" * 1023)
    lines.close()
    assert pipe.writes > 10
    assert len(pipe.getvalue()) > 1000 * 1024 - 2 * 65536
    assert set(pipe.getvalue().splitlines()) == {b"x" * 1023}


@pytest.mark.usefixtures("autojump_clock")
async def test_a_line_is_written_soon_and_the_last_ones_at_the_end() -> None:
    """OBS: within a quarter of a second; and what waits when the process ends is not lost."""
    pipe = Pipe()
    lines = LineWriter(pipe)
    async with trio.open_nursery() as running:
        running.start_soon(lines.run)
        lines.write(b"one")
        await trio.sleep(0.3)
        lines.write(b"two")
        running.cancel_scope.cancel()
    lines.close()
    assert pipe.getvalue() == b"one\ntwo\n"
    assert pipe.writes == 2


def test_a_reader_that_is_gone_costs_lines_and_nothing_else() -> None:
    """OBS: a closed pipe or a full disk never ends the gateway; what was lost is counted."""
    reading, writing = os.pipe()
    with open(writing, "wb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor
        os.close(reading)
        lines = LineWriter(pipe)
        lines.write(b"nobody reads this")
        lines.close()
    assert lines.dropped == 1


def test_a_reader_that_does_not_read_is_not_waited_for() -> None:
    """OBS: what waits for a full pipe is bounded, and the rest is dropped and counted."""
    reading, writing = os.pipe()
    with open(writing, "wb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor
        lines = LineWriter(pipe)
        for _ in range(400):
            lines.write(b"x" * 65536)
        assert lines.dropped > 0
        os.close(reading)
        lines.close()
