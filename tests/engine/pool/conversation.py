"""A pool machine to talk to, in as few words as the tables of the spec."""

from engine.pool.machine import step
from engine.pool.messages import SUCCEEDED, Acquire, Effect, Finish, Kind, Leased, Outcome, Reconfigure, Refusal, Retry
from engine.pool.state import PoolState
from engine.snapshot import Pool

FAILED = Outcome(Kind.FAILED, status=500)


class Conversation:
    """Answers are a provider's name, or why there is none."""

    def __init__(self, pool: Pool | None = None, *, seed: int = 1) -> None:
        self.state = PoolState("chat", seed)
        self.position = 0
        if pool is not None:
            self.reconfigure(pool)

    def reconfigure(self, pool: Pool | None) -> None:
        self.position += 1
        assert step(self.state, Reconfigure(pool, self.position, 0)) is None

    def acquire(self, ticket: int) -> str | Refusal:
        return _said(step(self.state, Acquire(ticket, 0)))

    def retry(self, ticket: int) -> str | Refusal:
        return _said(step(self.state, Retry(ticket, 0, FAILED)))

    def finish(self, *tickets: int) -> None:
        for ticket in tickets:
            assert step(self.state, Finish(ticket, 0, SUCCEEDED)) is None

    def attempts(self, ticket: int) -> list[str]:
        """All providers one request is given until nothing is left."""
        names = []
        answer = self.acquire(ticket)
        while isinstance(answer, str):
            names.append(answer)
            answer = self.retry(ticket)
        self.finish(ticket)
        return names

    @property
    def counts(self) -> list[int]:
        return [slot.active for slot in self.state.slots]

    @property
    def draining(self) -> list[int]:
        return [slot.active for slot in self.state.draining]


def _said(effect: Effect | None) -> str | Refusal:
    assert effect is not None
    return effect.provider.name if isinstance(effect, Leased) else effect.refusal
