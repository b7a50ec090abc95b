"""Recorded inputs, computed again."""

import copy
import itertools
from collections.abc import Callable
from random import Random
from typing import Any

import attrs
import pytest

from engine import caller
from engine.caller import CallerState, Enter, Leave
from engine.checkpoint import Checkpoint, beginning
from engine.errors import Failure
from engine.pool import machine
from engine.pool.messages import (
    ABANDONED,
    SUCCEEDED,
    UNSENT,
    Acquire,
    Finish,
    Kind,
    Leased,
    Outcome,
    Reconfigure,
    Retry,
    Tick,
)
from engine.pool.meter import Meters
from engine.pool.state import PoolState
from engine.runtime.journal import Entry, Journal, Started
from engine.snapshot import Backoff, CircuitPolicy, Fallback, Limits, Pool, Provider, Strategy
from projections.replay import Hole, Mismatch, Replay, replay

S = 10**9
ENDS = [
    SUCCEEDED,
    ABANDONED,
    UNSENT,
    Outcome(Kind.FAILED, status=500),
    Outcome(Kind.FAILED, status=429, told_ns=2 * S),
    Outcome(Kind.FAILED, failure=Failure.CONNECT),
    Outcome(Kind.SUCCEEDED, 200, None, None, 5_000_000),
]


class Recorded:
    """Two pools with a deployment in common, and the keys; driven by chance from a fixed seed, journal on."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.journal = Journal()
        self.meters, self.callers = Meters(), CallerState()
        self.states: dict[str, PoolState] = {}
        self.tickets = itertools.count(1)
        self.running: list[tuple[str, int]] = []
        self.at = S
        for number, alias in enumerate(("chat", "mini")):
            self.journal.note(alias, Started(number + 5), ())
            self.states[alias] = PoolState(alias, number + 5, self.meters)
            self.tell(alias, Reconfigure(self.pool(alias), number + 1, self.at))

    def tell(self, alias: str, message: Any) -> tuple[Any, ...]:
        effects = machine.step(self.states[alias], message)
        self.journal.note(alias, message, effects)
        return effects

    def pool(self, alias: str) -> Pool:
        chance = self.random
        shared = Limits(chance.choice([2, 5]), chance.choice([0.5, 3.3]), 4)
        providers = [Provider(name, f"http://{name}.example/", weight=chance.choice([0, 1, 3])) for name in "ab"]
        providers.append(Provider("c", "http://c.example/", deployment="big", limits=shared))
        return Pool(
            alias,
            tuple(providers),
            strategy=chance.choice(list(Strategy)),
            limits=Limits(None, chance.choice([None, 7]), None),
            fallback=Fallback(enabled=True, on_rate_limit=True, max_attempts=4, backoff=Backoff(100)),
            circuit=CircuitPolicy(failures=2, cooldowns_s=(1, 3)),
        )

    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            self.at += self.random.randrange(S // 4)
            self.one()

    def one(self) -> None:
        chance, alias = self.random, self.random.choice(sorted(self.states))
        match chance.randrange(7):
            case 0 | 1 | 2:
                self.begin(alias, next(self.tickets))
            case 3 if self.running:
                where, ticket = chance.choice(self.running)
                self.tell(where, Retry(ticket, self.at, chance.choice(ENDS)))
            case 4 | 5 if self.running:
                where, ticket = self.running.pop(chance.randrange(len(self.running)))
                self.tell(where, Finish(ticket, self.at, chance.choice(ENDS)))
                self.keys(Leave(ticket, self.at, chance.choice([True, False])))
            case 6:
                self.tell(alias, Reconfigure(self.pool(alias), self.journal.seq, self.at))
            case _:
                self.tell(alias, Tick(self.at))

    def begin(self, alias: str, ticket: int) -> None:
        self.keys(Enter(ticket, self.at, "team", Limits(3, 2.5, 4), 1))
        affinity = self.random.choice([None, 2**63])
        if isinstance(self.tell(alias, Acquire(ticket, self.at, affinity))[-1], Leased):
            self.running.append((alias, ticket))

    def keys(self, message: caller.CallerMessage) -> None:
        self.journal.note(None, message, caller.step(self.callers, message))

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.journal.seq, self.states, self.callers, self.meters).copy()


@pytest.mark.parametrize("seed", range(20))
def test_what_was_recorded_comes_out_again(seed: int) -> None:
    """House §5: from the beginning and from a checkpoint, every answer with its decision, and the state at the end."""
    recorded = Recorded(seed)
    recorded.go_on(150)
    first, middle = recorded.journal.take(), recorded.checkpoint()
    recorded.go_on(150)
    second, end = recorded.journal.take(), recorded.checkpoint()
    assert len(second) > 100
    for again, entries in ((Replay(beginning()), first + second), (Replay(middle), second)):
        assert [again.take(entry) for entry in entries] == [None] * len(entries)
        assert again.compare(end) is None
    assert replay(middle, second) is None, "a replay changed the checkpoint it began at"


def test_a_checkpoint_does_not_change_with_the_actors() -> None:
    recorded = Recorded(1)
    recorded.go_on(50)
    held = recorded.checkpoint()
    before = copy.deepcopy(held)
    recorded.go_on(100)
    assert Replay(before).compare(held) is None


def leased(entries: list[Entry]) -> Entry:
    """A decision between several, with a draw."""
    return next(one for one in entries if one.answers and isinstance(one.answers[0], Leased) and drawn(one))


def drawn(entry: Entry) -> tuple[int, ...]:
    decision = getattr(entry.answers[-1], "decision", None)
    return () if decision is None else decision.draws


def reconfigured(entries: list[Entry]) -> Entry:
    return next(one for one in entries if isinstance(one.input, Reconfigure))


def later(entry: Entry) -> Entry:
    return entry._replace(input=attrs.evolve(entry.input, at=entry.input.at + 1))  # type: ignore[union-attr]


def heavier(entry: Entry) -> Entry:
    message: Any = entry.input
    providers = tuple(attrs.evolve(one, weight=one.weight + 1) for one in message.pool.providers)
    return entry._replace(input=attrs.evolve(message, pool=attrs.evolve(message.pool, providers=providers)))


def other_draw(entry: Entry) -> Entry:
    lease: Any = entry.answers[0]
    decision = attrs.evolve(lease.decision, draws=(lease.decision.draws[0] + 1,))
    return entry._replace(answers=(attrs.evolve(lease, decision=decision),))


def other_seed(entry: Entry) -> Entry:
    return entry._replace(input=Started(999))


CHANGES: list[tuple[Callable[[list[Entry]], Entry], Callable[[Entry], Entry], str]] = [
    (leased, later, "answers[0].decision.at"),
    (leased, other_draw, "answers[0].decision.draws[0]"),
    (reconfigured, heavier, "answers[0].decision.candidates[0].weight"),
    (lambda entries: entries[0], other_seed, "answers[0].decision.draws[0]"),
]


@pytest.mark.parametrize(("which", "change", "what"), CHANGES)
def test_one_changed_input_is_found_and_named(
    which: Callable[[list[Entry]], Entry], change: Callable[[Entry], Entry], what: str
) -> None:
    """A replay that agrees with everything proves nothing: a time, a draw, a weight and the seed each are noticed."""
    recorded = Recorded(3)
    recorded.go_on(60)
    entries = recorded.journal.take()
    assert replay(beginning(), entries) is None
    place = entries.index(which(entries))
    entries[place] = change(entries[place])
    found = replay(beginning(), entries)
    assert found is not None
    assert found.what == what
    assert found.recorded != found.recomputed
    assert str(found).startswith(f"entry {found.seq}, pool {found.alias!r}: {what} was ")


def test_an_outcome_that_no_answer_has_shown_yet_shows_in_the_state() -> None:
    """A failure that is another one changes no answer at once; a checkpoint tells."""
    recorded = Recorded(4)
    recorded.begin("chat", 900)
    recorded.tell("chat", Finish(900, recorded.at, Outcome(Kind.FAILED, status=500)))
    entries = recorded.journal.take()
    entries[-1] = entries[-1]._replace(input=Finish(900, recorded.at, Outcome(Kind.FAILED, status=400)))
    again = Replay(beginning())
    assert [again.take(entry) for entry in entries] == [None] * len(entries)
    found = again.compare(recorded.checkpoint())
    assert isinstance(found, Mismatch)
    assert found.what.endswith("['latency_ns']")
    assert (found.recorded, found.recomputed) == (400 * 10**6, 0)


def test_a_hole_ends_a_replay_and_says_so() -> None:
    """What was dropped is not guessed; a later checkpoint goes on."""
    recorded = Recorded(5)
    recorded.go_on(30)
    entries = recorded.journal.take()
    with pytest.raises(Hole, match="entries 10 to 12 are missing"):
        replay(beginning(), entries[:9] + entries[12:])


def test_a_pool_that_is_over_may_still_have_had_letters() -> None:
    """ADOPT-9: an actor empties its mailbox before it ends, and its alias may come back with another actor."""
    recorded = Recorded(6)
    gone = "mini"
    for message in (Reconfigure(None, 90, recorded.at), Finish(77, recorded.at, UNSENT), Acquire(78, recorded.at)):
        recorded.tell(gone, message)
    assert recorded.states[gone].is_over
    recorded.journal.note(gone, Started(11), ())
    recorded.states[gone] = PoolState(gone, 11, recorded.meters)
    recorded.tell(gone, Reconfigure(recorded.pool(gone), 91, recorded.at))
    recorded.go_on(30)
    again = Replay(beginning())
    entries = recorded.journal.take()
    assert [again.take(entry) for entry in entries] == [None] * len(entries)
    assert again.compare(recorded.checkpoint()) is None
