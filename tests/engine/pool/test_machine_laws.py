"""The pool machine's laws, over random interleavings of all it can be told.

The model knows only what an asker knows: which identity each of its tickets was leased, by the answers it got. It
never looks at slots to decide what should be; the counters are compared with it.
"""

from collections import Counter

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.pool.machine import step
from engine.pool.messages import (
    ABANDONED,
    BROKEN,
    SUCCEEDED,
    Acquire,
    Effect,
    Finish,
    Leased,
    Message,
    Outcome,
    Reconfigure,
    Refusal,
    Refused,
    Retry,
)
from engine.pool.state import PoolState
from engine.pool.view import view
from engine.snapshot import Fallback, Limits, Pool, Provider, Strategy

Identity = tuple[str, str | None]

TICKETS = st.integers(1, 7)
OUTCOMES = st.sampled_from([SUCCEEDED, ABANDONED, BROKEN])
LIMITS = st.builds(Limits, st.sampled_from([None, None, 1, 2, 4, 0]))
PROVIDERS = st.builds(
    Provider,
    name=st.just("set below"),
    url=st.sampled_from(["http://one.example/", "http://two.example/"]),
    model=st.sampled_from([None, "m"]),
    credential=st.sampled_from([None, "env:A"]),
    weight=st.sampled_from([1, 1, 3, 0]),
    limits=LIMITS,
)
FALLBACKS = st.builds(
    Fallback,
    enabled=st.sampled_from([True, True, False]),
    with_replacement=st.booleans(),
    max_attempts=st.sampled_from([None, 1, 5]),
)


def named(providers: list[Provider]) -> tuple[Provider, ...]:
    return tuple(attrs.evolve(one, name=str(place)) for place, one in enumerate(providers))


POOLS = st.builds(
    Pool,
    alias=st.just("chat"),
    providers=st.one_of(st.lists(PROVIDERS, min_size=2, max_size=5), st.lists(PROVIDERS, max_size=5)).map(named),
    strategy=st.sampled_from(Strategy),
    limits=LIMITS,
    fallback=FALLBACKS,
)


def loads(state: PoolState) -> dict[Identity, list[int]]:
    """The counters that are not 0, by identity, whatever their order."""
    found: dict[Identity, list[int]] = {}
    for slot in (*state.slots, *state.draining):
        if slot.active:
            found.setdefault(slot.provider.identity, []).append(slot.active)
    return {identity: sorted(actives) for identity, actives in found.items()}


class PoolMachine(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**64 - 1), pool=POOLS)
    def begin(self, seed: int, pool: Pool) -> None:
        self.seed = seed
        self.state = PoolState("chat", seed)
        self.recorded: list[tuple[Message, Effect | None]] = []
        self.inside: set[int] = set()
        "Tickets the pool let in and that have not finished."
        self.held: dict[int, Identity] = {}
        "What a ticket's running attempt was leased."
        self.attempts: Counter[int] = Counter()
        self.configure(pool)

    def tell(self, message: Message) -> Effect | None:
        effect = step(self.state, message)
        self.recorded.append((message, effect))
        return effect

    @rule(tickets=st.lists(TICKETS, min_size=1, max_size=4))
    def acquire_some(self, tickets: list[int]) -> None:
        for ticket in tickets:
            self.acquire(ticket)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), times=st.integers(1, 5))
    def retry_a_running_one(self, data: st.DataObject, times: int) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.held)))
        for _ in range(times):
            self.retry(ticket, BROKEN)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def finish_one_that_is_inside(self, data: st.DataObject) -> None:
        self.finish(data.draw(st.sampled_from(sorted(self.inside))), SUCCEEDED)

    def acquire(self, ticket: int) -> None:
        was_inside, held = ticket in self.inside, self.held.get(ticket)
        effect = self.tell(Acquire(ticket, len(self.recorded)))
        match effect:
            case Leased():
                assert effect.ticket == ticket
                assert self.pool is not None
                if was_inside:
                    assert effect.provider.identity == held
                    return
                self.inside.add(ticket)
                self.took(effect)
                limit = self.pool.limits.max_concurrent
                assert limit is None or len(self.inside) <= limit
            case Refused(refusal=refusal):
                assert effect.ticket == ticket
                assert (refusal is Refusal.RETIRED) == (self.pool is None)
                assert (refusal is Refusal.EXHAUSTED) == (self.pool is not None and was_inside)
                if refusal in {Refusal.PROVIDERS_FULL, Refusal.NO_PROVIDERS}:
                    assert not self.admissible()
                if refusal is Refusal.POOL_FULL:
                    assert self.pool is not None
                    assert self.pool.limits.max_concurrent is not None
                    assert len(self.inside) >= self.pool.limits.max_concurrent
            case None:
                raise AssertionError("a question without an answer")

    @rule(ticket=TICKETS, outcome=OUTCOMES)
    def retry_any(self, ticket: int, outcome: Outcome) -> None:
        """Unknown and late tickets too."""
        self.retry(ticket, outcome)

    def retry(self, ticket: int, outcome: Outcome) -> None:
        effect = self.tell(Retry(ticket, len(self.recorded), outcome))
        assert effect is not None
        assert effect.ticket == ticket
        self.held.pop(ticket, None)
        if isinstance(effect, Leased):
            assert ticket in self.inside
            self.took(effect)
            assert effect.attempt <= self.budget()
        else:
            assert effect.refusal is Refusal.EXHAUSTED
            if ticket in self.inside and self.attempts[ticket] < self.budget():
                assert not self.admissible()

    @rule(ticket=TICKETS, outcome=OUTCOMES)
    def finish_any(self, ticket: int, outcome: Outcome) -> None:
        """Unknown and late tickets too."""
        self.finish(ticket, outcome)

    def finish(self, ticket: int, outcome: Outcome) -> None:
        assert self.tell(Finish(ticket, len(self.recorded), outcome)) is None
        self.inside.discard(ticket)
        self.held.pop(ticket, None)
        del self.attempts[ticket]

    @rule(pool=POOLS | st.none())
    def reconfigure(self, pool: Pool | None) -> None:
        self.configure(pool)

    @rule(weight=st.integers(0, 3), limits=LIMITS)
    def adjust(self, weight: int, limits: Limits) -> None:
        """The same providers under other weights and limits, in the other order."""
        if self.pool is not None:
            turned = [attrs.evolve(one, weight=weight, limits=limits) for one in reversed(self.pool.providers)]
            self.configure(attrs.evolve(self.pool, providers=named(turned)))

    def configure(self, pool: Pool | None) -> None:
        before = loads(self.state)
        self.pool = pool
        assert self.tell(Reconfigure(pool, len(self.recorded), 0)) is None
        assert loads(self.state) == before
        assert tuple(slot.provider for slot in self.state.slots) == (pool.providers if pool else ())

    def took(self, lease: Leased) -> None:
        """A lease was given: it is of the definition in force, and within its limit."""
        assert self.pool is not None
        assert lease.provider in self.pool.providers
        assert lease.provider.weight
        self.attempts[lease.ticket] += 1
        assert lease.attempt == self.attempts[lease.ticket]
        self.held[lease.ticket] = lease.provider.identity
        active = self.state.slots[int(lease.provider.name)].active
        limit = lease.provider.limits.max_concurrent
        assert limit is None or active <= limit

    def budget(self) -> int:
        if self.pool is None:
            return 0
        fallback = self.pool.fallback
        return (fallback.max_attempts or len(self.pool.providers)) if fallback.enabled else 1

    def admissible(self) -> bool:
        """Whether a provider could take an attempt now."""
        seen = view(self.state)
        return seen is not None and any(
            one.weight and (one.limit is None or one.active < one.limit) for one in seen.providers if not one.draining
        )

    @invariant()
    def counters_are_what_the_askers_hold(self) -> None:
        slots = [*self.state.slots, *self.state.draining]
        assert sum(slot.active for slot in slots) == len(self.held)
        assert {identity: sum(actives) for identity, actives in loads(self.state).items()} == Counter(
            self.held.values()
        )
        assert self.state.journeys.keys() == self.inside
        assert all(slot.active > 0 for slot in self.state.draining)
        assert self.state.is_over == (self.pool is None and not self.inside)

    def teardown(self) -> None:
        again = PoolState("chat", self.seed)
        assert [step(again, message) for message, _ in self.recorded] == [effect for _, effect in self.recorded]
        assert view(again) == view(self.state)
        assert again.draws == self.state.draws
        for ticket in list(self.inside):
            self.finish(ticket, SUCCEEDED)
        self.counters_are_what_the_askers_hold()
        assert not loads(self.state)


class TestPoolMachine(PoolMachine.TestCase):  # type: ignore[misc, valid-type]
    """LB-3, LB-4, LB-6, LB-16, CL-1, CL-2, CL-4, CL-5, ADOPT-2, ADOPT-3, ADOPT-7, ADOPT-9, DEF-30, house §5.

    Leases are slots taken; in flight by identity survives every reconfiguration; every question has one answer and
    nothing else has any; no refusal while a provider is admissible; no lease over a limit; `step` is total; the
    recorded messages give the identical effects again.
    """

    settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
