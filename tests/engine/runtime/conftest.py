"""What a running engine is told, for all tests of it."""

import pytest

from engine.pool import machine
from engine.pool.messages import Effect, Message
from engine.pool.state import PoolState


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Message]]:
    """Every message that any pool's machine takes, with the pool's alias."""
    messages: list[tuple[str, Message]] = []

    def step(state: PoolState, message: Message) -> tuple[Effect, ...]:
        messages.append((state.alias, message))
        return machine.step(state, message)

    monkeypatch.setattr("engine.runtime.pool_actor.step", step)
    return messages
