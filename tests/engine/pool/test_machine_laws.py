"""The pool machine's laws, over random interleavings of all it can be told, in two pools that share deployments.

The model (`tests.engine.pool.model`) knows only what askers know: what each of their tickets was leased, by the
answers they got. It never looks at slots to decide what should be; the machine is compared with it after each step.
"""

from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import Failure
from engine.pool.circuit import Circuit
from engine.pool.decision import Verdict
from engine.pool.health import bar_of
from engine.pool.machine import step, wake_at
from engine.pool.messages import (
    ABANDONED,
    BROKEN,
    SUCCEEDED,
    UNSENT,
    Acquire,
    Answered,
    Effect,
    Finish,
    Leased,
    Message,
    Outcome,
    Reconfigure,
    Refusal,
    Refused,
    Retry,
    Tick,
)
from engine.pool.meter import Meters
from engine.pool.state import PoolState, Slot
from engine.pool.terms import pause_of
from engine.pool.view import view
from engine.snapshot import Pool, Strategy
from tests.engine.pool.conversation import MS, S, failed, fell, took
from tests.engine.pool.definitions import CIRCUITS, LIMITS, POOLS, named
from tests.engine.pool.model import PoolModel, SlotModel

PLACES = st.integers(0, 1)
TICKETS = st.integers(1, 7)
OUTCOMES = st.sampled_from(
    [
        SUCCEEDED,
        took(20),
        ABANDONED,
        UNSENT,
        BROKEN,
        failed(500),
        failed(503),
        failed(429),
        failed(429, told_s=2),
        failed(401),
        failed(404),
        fell(Failure.CONNECT),
        fell(Failure.CREDENTIAL),
    ]
)
WAITS = st.sampled_from([0, 1, 50 * MS, 200 * MS, 300 * MS, S, S, 2 * S, 61 * S, 301 * S])


def circuit(one: Circuit) -> dict[str, Any]:
    return {field.name: getattr(one, field.name) for field in attrs.fields(Circuit)}


@attrs.define(eq=False)
class Told:
    """One pool: the machine, the model, and what its askers wait for."""

    state: PoolState
    model: PoolModel
    at: int = 0
    "Of its last message."
    due: dict[int, int] = attrs.field(factory=dict)
    "Tickets whose answer comes after a pause, with the latest time for it."
    probes: dict[Slot, int] = attrs.field(factory=dict)
    "Tickets that were told that they are the probe, and have not said yet what it brought."

    def forget_probes(self) -> None:
        """Those whose attempt has ended, and those of circuits that have closed."""
        running = self.model.running
        self.probes = {
            slot: ticket
            for slot, ticket in self.probes.items()
            if slot.is_barred and ticket in running and running[ticket].real is slot
        }


class TwoPools(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**64 - 1), pools=st.tuples(POOLS, POOLS))
    def begin(self, seed: int, pools: tuple[Pool, Pool]) -> None:
        self.seed, self.at, self.position = seed, 0, 0
        meters, shared = Meters(), {}
        self.pools = [Told(PoolState("chat", seed + place, meters), PoolModel(shared)) for place in (0, 1)]
        self.recorded: list[tuple[int, Message, tuple[Effect, ...]]] = []
        for place in (0, 1):
            self.configure(place, pools[place])

    # What the askers do.

    @rule(wait=WAITS)
    def wait(self, wait: int) -> None:
        self.at += wait

    @rule(place=PLACES, wait=WAITS)
    def tick(self, place: int, wait: int) -> None:
        self.at += wait
        assert self.tell(place, Tick(self.at)) is None

    @rule(place=PLACES, tickets=st.lists(TICKETS, min_size=1, max_size=4), affinity=st.sampled_from([None, 7, 2**63]))
    def acquire(self, place: int, tickets: list[int], affinity: int | None) -> None:
        told = self.pools[place]
        for ticket in tickets:
            had = told.model.attempts.get(ticket)
            before = self.spendings()
            effect = self.tell(place, Acquire(ticket, self.at, affinity))
            assert effect is not None
            assert (effect.ticket, had is None or isinstance(effect, Refused)) == (ticket, True)
            if isinstance(effect, Leased):
                told.model.enter(ticket, self.at)
                self.took(told, effect)
                limit = told.state.terms.max_concurrent
                assert limit is None or len(told.model.attempts) <= limit
            elif not self.woken:
                assert self.spendings() == before
                self.check_refusal(told, effect.refusal, was_inside=had is not None)

    @precondition(lambda self: any(told.model.running for told in self.pools))
    @rule(data=st.data(), outcome=OUTCOMES, times=st.integers(1, 4))
    def retry_a_running_one(self, data: st.DataObject, outcome: Outcome, times: int) -> None:
        running = [(place, ticket) for place in (0, 1) for ticket in sorted(self.pools[place].model.running)]
        place, ticket = data.draw(st.sampled_from(running))
        for _ in range(times):
            self.retry(place, ticket, outcome)

    @rule(place=PLACES, ticket=TICKETS, outcome=OUTCOMES)
    def retry(self, place: int, ticket: int, outcome: Outcome) -> None:
        """Unknown, late and waiting tickets too."""
        told = self.pools[place]
        exhausted = told.state.budgets_exhausted
        effect = self.tell(place, Retry(ticket, self.at, outcome))
        was_due = ticket in told.due
        if not was_due:
            told.model.release(ticket)
        if effect is None:
            assert ticket in told.model.attempts
            if not was_due:
                backoff = told.state.terms.backoff
                assert backoff is not None
                told.due[ticket] = self.at + pause_of(backoff, told.model.attempts[ticket])
                assert told.model.attempts[ticket] < told.state.terms.budget
            return
        assert (effect.ticket, was_due) == (ticket, False)
        if isinstance(effect, Leased):
            assert effect.attempt <= told.state.terms.budget
            self.took(told, effect)
            return
        assert effect.refusal is Refusal.EXHAUSTED
        attempts = told.model.attempts.get(ticket)
        gave_up = told.state.budgets_exhausted > exhausted
        if attempts and attempts < told.state.terms.budget and told.model.pool is not None and not gave_up:
            assert effect.because is not None
            self.check_refusal(told, effect.because, was_inside=False)

    @precondition(lambda self: any(told.probes for told in self.pools))
    @rule(data=st.data(), is_good=st.booleans())
    def end_a_probe(self, data: st.DataObject, is_good: bool) -> None:
        place, ticket = data.draw(
            st.sampled_from(
                [(place, ticket) for place in (0, 1) for ticket in sorted(self.pools[place].probes.values())]
            )
        )
        if is_good:
            assert self.tell(place, Answered(ticket, self.at)) is None
        else:
            self.finish(place, ticket, failed(500))

    @precondition(lambda self: any(told.model.attempts for told in self.pools))
    @rule(data=st.data(), outcome=OUTCOMES)
    def finish_one_that_is_inside(self, data: st.DataObject, outcome: Outcome) -> None:
        inside = [(place, ticket) for place in (0, 1) for ticket in sorted(self.pools[place].model.attempts)]
        self.finish(*data.draw(st.sampled_from(inside)), outcome)

    @rule(place=PLACES, ticket=TICKETS, outcome=st.sampled_from([SUCCEEDED, ABANDONED, UNSENT]))
    def finish(self, place: int, ticket: int, outcome: Outcome) -> None:
        """Unknown, late and waiting tickets too."""
        told = self.pools[place]
        assert self.tell(place, Finish(ticket, self.at, outcome)) is None
        if outcome is UNSENT:
            told.model.refund(ticket, self.at)
        told.model.leave(ticket)
        told.due.pop(ticket, None)

    # What the operator does.

    @rule(place=PLACES, pool=POOLS | st.none())
    def reconfigure(self, place: int, pool: Pool | None) -> None:
        self.configure(place, pool)

    @rule(place=PLACES, weight=st.integers(0, 3), limits=LIMITS, credential=st.sampled_from([None, "env:A", "env:C"]))
    def adjust_providers(self, place: int, weight: int, limits: Any, credential: str | None) -> None:
        """The same providers under other weights, limits and credentials, in the other order, perhaps without one."""
        self.changed(
            place,
            lambda pool: attrs.evolve(
                pool,
                providers=named(
                    [
                        attrs.evolve(one, weight=weight, limits=limits, credential=credential)
                        for one in reversed(pool.providers[weight == 0 :])
                    ]
                ),
            ),
        )

    @rule(place=PLACES, limits=LIMITS, strategy=st.sampled_from(Strategy), circuit=CIRCUITS)
    def adjust_pool(self, place: int, limits: Any, strategy: Strategy, circuit: Any) -> None:
        self.changed(place, lambda pool: attrs.evolve(pool, limits=limits, strategy=strategy, circuit=circuit))

    def changed(self, place: int, change: Callable[[Pool], Pool]) -> None:
        pool = self.pools[place].model.pool
        if pool is not None:
            self.configure(place, change(pool))

    def configure(self, place: int, pool: Pool | None) -> None:
        told, self.position = self.pools[place], self.position + 1
        state = told.state
        # What a pause that is over brings comes before the change.
        assert self.tell(place, Tick(self.at)) is None
        before = {
            slot: (circuit(slot.health), circuit(slot.credential), slot.provider.credential)
            for slot in (*state.slots, *state.draining)
        }
        assert self.tell(place, Reconfigure(pool, self.position, self.at)) is None
        told.model.define(pool, self.at)
        assert tuple(slot.provider for slot in state.slots) == (pool.providers if pool else ())
        for slot in (*state.slots, *state.draining):
            if slot in before and (pool is None or pool.circuit.enabled):
                health, credential, sent_with = before[slot]
                assert circuit(slot.health) == health
                if slot.provider.credential == sent_with:
                    assert circuit(slot.credential) == credential
                else:
                    assert circuit(slot.credential)["until"] is None
                    told.probes.pop(slot, None)

    # How an answer is taken.

    def tell(self, place: int, message: Message) -> Effect | None:
        """The message's own answer; those that were due are taken here."""
        told = self.pools[place]
        if isinstance(message, Acquire | Retry) and message.ticket in told.due:
            # Whoever asks twice has the first answer first, so that it is clear which one is which.
            assert self.tell(place, Tick(self.at)) is None
        effects = step(told.state, message)
        self.recorded.append((place, message, effects))
        told.at = message.at
        own = None
        if isinstance(message, Acquire | Retry) and effects and effects[-1].ticket == message.ticket:
            effects, own = effects[:-1], effects[-1]
        for effect in effects:
            # One answer, and only to who waits for one.
            del told.due[effect.ticket]
            if isinstance(effect, Leased):
                self.took(told, effect)
            else:
                assert effect.refusal is Refusal.EXHAUSTED
        self.woken = len(effects)
        return own

    def took(self, told: Told, lease: Leased) -> None:
        """A lease was given: it is of the definition in force, within its limits, and the only probe if it is one."""
        model, name = told.model, lease.provider.name
        slot = model.slots[int(name)]
        assert slot.provider == lease.provider
        assert lease.provider.weight
        model.take(lease.ticket, int(name), told.at)
        assert (lease.attempt, lease.decision.chosen) == (model.attempts[lease.ticket], name)
        assert slot.meter.limit is None or slot.meter.active <= slot.meter.limit
        (row,) = [one for one in lease.decision.candidates if one.is_chosen]
        assert row.verdict in ({Verdict.ADMISSIBLE, Verdict.OPEN} if lease.is_probe else {Verdict.ADMISSIBLE})
        told.forget_probes()
        if lease.is_probe:
            real = told.state.slots[int(name)]
            assert real not in told.probes
            told.probes[real] = lease.ticket

    def spendings(self) -> list[tuple[int, int | None]]:
        """All leases and tokens there are."""
        found: list[tuple[int, int | None]] = []
        for told in self.pools:
            for slot in told.state.slots:
                found.append((slot.meter.active, slot.meter.limiter and slot.meter.limiter.full_at))
            found.append((len(told.state.journeys), told.state.limiter and told.state.limiter.full_at))
        return found

    def check_refusal(self, told: Told, refusal: Refusal, *, was_inside: bool) -> None:
        """There was nothing to be had."""
        model = told.model
        assert (refusal is Refusal.RETIRED) == (model.pool is None)
        if model.pool is None:
            return
        assert (refusal is Refusal.EXHAUSTED) == was_inside
        match refusal:
            case Refusal.EXHAUSTED:
                pass
            case Refusal.POOL_RATE:
                assert model.bucket is not None
                assert model.bucket.least < 1
            case Refusal.POOL_FULL:
                assert model.pool.limits.max_concurrent is not None
                assert len(model.attempts) >= model.pool.limits.max_concurrent
            case Refusal.NO_PROVIDERS:
                assert not any(slot.provider.weight for slot in model.slots)
            case Refusal.PROVIDER_RATE:
                assert any(slot.provider.weight and slot.lacks_tokens(told.at) for slot in model.slots)
            case _:
                assert not any(self.is_admissible(told, slot) for slot in model.slots)

    def is_admissible(self, told: Told, slot: SlotModel) -> bool:
        """Whether a provider could take an attempt now, by limits, weight and circuits."""
        assert slot.real is not None
        full = slot.meter.limit is not None and slot.meter.active >= slot.meter.limit
        return bool(slot.provider.weight) and not full and bar_of(slot.real, told.at) is None

    # What holds after each step.

    @invariant()
    def leases_are_slots_and_balances_the_models(self) -> None:
        for told in self.pools:
            state, model = told.state, told.model
            assert state.journeys.keys() == model.attempts.keys()
            assert sum(slot.active for slot in (*state.slots, *state.draining)) == len(model.running)
            assert sorted((slot.provider.identity, slot.active) for slot in state.draining) == sorted(
                (slot.provider.identity, slot.active) for slot in model.draining
            )
            assert state.is_over == (model.pool is None and not model.attempts)
            for slot, expected in zip(state.slots, model.slots, strict=True):
                assert slot is (expected.real or slot)
                expected.real = slot
                assert (slot.active, slot.meter.active) == (expected.active, expected.meter.active)
                assert slot.meter.limit == expected.meter.limit
                if expected.meter.bucket is None:
                    assert slot.meter.limiter is None
                else:
                    expected.meter.bucket.assert_is(slot.meter.limiter, self.at)
            if model.bucket is not None:
                model.bucket.assert_is(state.limiter, self.at)
        shared = self.pools[0].state.meters._shared
        assert {name: (meter.slots, meter.active) for name, meter in shared.items()} == {
            name: (meter.users, meter.active) for name, meter in self.pools[0].model.shared.items()
        }

    @invariant()
    def whoever_waits_is_answered_in_time(self) -> None:
        for told in self.pools:
            wakes = wake_at(told.state)
            assert {ticket for ticket, one in told.state.journeys.items() if one.due is not None} == told.due.keys()
            assert (wakes is None) == (not told.due)
            if wakes is not None:
                assert told.at < wakes <= min(told.due.values())

    @invariant()
    def a_probe_is_a_running_attempt(self) -> None:
        for told in self.pools:
            told.forget_probes()
            for slot in (*told.state.slots, *told.state.draining):
                assert slot.is_barred == (slot.health.until is not None or slot.credential.until is not None)
                for one in (slot.health, slot.credential):
                    assert one.probe is None or told.state.journeys[one.probe].slot is slot

    def teardown(self) -> None:
        if not hasattr(self, "pools"):
            return
        meters = Meters()
        again = [PoolState("chat", self.seed + place, meters) for place in (0, 1)]
        for place, message, effects in self.recorded:
            assert step(again[place], message) == effects
        for told, other in zip(self.pools, again, strict=True):
            assert view(other, self.at) == view(told.state, self.at)
            assert (other.dice.count, wake_at(other)) == (told.state.dice.count, wake_at(told.state))
        for place, told in enumerate(self.pools):
            for ticket in list(told.model.attempts):
                self.finish(place, ticket, SUCCEEDED)
            self.configure(place, None)
        self.leases_are_slots_and_balances_the_models()
        assert self.pools[0].state.meters._shared == {}


class TestPoolMachine(TwoPools.TestCase):  # type: ignore[misc, valid-type]
    """The laws of issue 3: LB-3, LB-6, LB-16, CL, RL-1, RL-7, ADOPT, SYNC-17, HEALTH-6, FB-8, ORDER-2, DEF-8, DEF-30.

    Leases are slots taken, over all pools of a deployment too; every bucket is the model's to the token; circuits
    keep their deadlines through what does not concern them, and have one probe; every question has one answer, at
    once or when its pause is over, and nothing else has any; no refusal without its reason, and none spends anything;
    `step` is total; `wake_at` lies after the last message; the recorded messages give the identical effects again.
    """

    settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
