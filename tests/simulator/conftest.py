"""Simulators on free loopback ports."""

from functools import partial
from typing import Any

import pytest
import trio

from adapters.simulator import Settings, serve
from tests.simulator.running import Running, Start


@pytest.fixture
def start(nursery: trio.Nursery) -> Start:
    """Starts simulators that live as long as the test, e.g. with `name="a", latency=1.0`."""

    async def begin(*, name: str = "sim", **settings: Any) -> Running:
        run = partial(serve, Settings(**settings), host="127.0.0.1", port=0, name=name)
        host, port = await nursery.start(run)
        return Running(host, port, name)

    return begin


@pytest.fixture
async def simulator(start: Start) -> Running:
    return await start()
