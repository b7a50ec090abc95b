"""A pool machine to talk to, in as few words as the tables of the spec."""

from engine.errors import Failure
from engine.pool.machine import step
from engine.pool.messages import (
    SUCCEEDED,
    Acquire,
    Answered,
    Effect,
    Finish,
    Kind,
    Leased,
    Outcome,
    Reconfigure,
    Refusal,
    Refused,
    Retry,
    Tick,
)
from engine.pool.meter import Meters
from engine.pool.state import PoolState, Slot
from engine.snapshot import CircuitPolicy, Pool

MS, S = 10**6, 10**9
FAILED = Outcome(Kind.FAILED, status=500)
NO_CIRCUITS = CircuitPolicy(enabled=False)


def failed(status: int, *, told_s: float | None = None) -> Outcome:
    """An attempt that was answered with a status, perhaps with Retry-After."""
    return Outcome(Kind.FAILED, status, told_ns=None if told_s is None else int(told_s * S))


def fell(failure: Failure) -> Outcome:
    """An attempt that was not answered."""
    return Outcome(Kind.FAILED, failure=failure)


def took(latency_ms: int) -> Outcome:
    return Outcome(Kind.SUCCEEDED, 200, latency_ns=latency_ms * MS)


class Conversation:
    """Answers are a provider's name, or why there is none; None where the answer is still to come."""

    def __init__(self, pool: Pool | None = None, *, seed: int = 1, meters: Meters | None = None) -> None:
        self.state = PoolState("chat", seed, meters or Meters())
        self.position = 0
        self.at = 0
        "Nanoseconds; only `pass_s` moves it."
        self.effect: Effect | None = None
        "The whole of the last answer."
        if pool is not None:
            self.reconfigure(pool)

    def reconfigure(self, pool: Pool | None) -> list[str | Refusal | None]:
        """The answers it brings to who waits for one."""
        self.position += 1
        return [self._said((effect,)) for effect in step(self.state, Reconfigure(pool, self.position, self.at))]

    def acquire(self, ticket: int, affinity: int | None = None) -> str | Refusal:
        said = self._said(step(self.state, Acquire(ticket, self.at, affinity)))
        assert said is not None
        return said

    def retry(self, ticket: int, outcome: Outcome = FAILED) -> str | Refusal | None:
        return self._said(step(self.state, Retry(ticket, self.at, outcome)))

    def answered(self, ticket: int) -> None:
        assert step(self.state, Answered(ticket, self.at)) == ()

    def finish(self, *tickets: int, outcome: Outcome = SUCCEEDED) -> None:
        for ticket in tickets:
            assert step(self.state, Finish(ticket, self.at, outcome)) == ()

    def fails(self, ticket: int, outcome: Outcome = FAILED) -> None:
        """A request that is given a provider and ends like this."""
        assert isinstance(self.acquire(ticket), str)
        self.finish(ticket, outcome=outcome)

    def tick(self) -> list[str | Refusal | None]:
        """All answers that are due now."""
        return [self._said((effect,)) for effect in step(self.state, Tick(self.at))]

    def pass_s(self, seconds: float) -> None:
        self.at += round(seconds * S)

    def attempts(self, ticket: int) -> list[str]:
        """All providers one request is given until nothing is left."""
        names = []
        answer: str | Refusal | None = self.acquire(ticket)
        while isinstance(answer, str):
            names.append(answer)
            answer = self.retry(ticket)
        self.finish(ticket)
        return names

    @property
    def lease(self) -> Leased:
        assert isinstance(self.effect, Leased)
        return self.effect

    @property
    def refused(self) -> Refused:
        assert isinstance(self.effect, Refused)
        return self.effect

    @property
    def counts(self) -> list[int]:
        return [slot.active for slot in self.state.slots]

    @property
    def draining(self) -> list[int]:
        return [slot.active for slot in self.state.draining]

    def slot(self, name: str) -> Slot:
        return next(slot for slot in self.state.slots if slot.name == name)

    def _said(self, effects: tuple[Effect, ...]) -> str | Refusal | None:
        assert len(effects) <= 1
        self.effect = effects[0] if effects else None
        if self.effect is None:
            return None
        return self.effect.provider.name if isinstance(self.effect, Leased) else self.effect.refusal
