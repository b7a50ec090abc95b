"""The pool machine's laws, over random interleavings of all it can be told, in two pools that share deployments.

The model (`tests.engine.pool.model`) knows only what askers know: what each of their tickets was leased, by the
answers they got. It never looks at slots to decide what should be; the machine is compared with it after each step.
"""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.pool.machine import step, wake_at
from engine.pool.messages import (
    ABANDONED,
    SUCCEEDED,
    UNSENT,
    Acquire,
    Answered,
    Finish,
    Leased,
    Outcome,
    Refusal,
    Refused,
    Retry,
    Tick,
)
from engine.pool.meter import Meters
from engine.pool.state import PoolState
from engine.pool.terms import pause_of
from engine.pool.view import view
from engine.snapshot import Pool
from tests.engine.pool.conversation import failed
from tests.engine.pool.definitions import FAILURES, OUTCOMES, POOLS, WAITS, changes_of
from tests.engine.pool.two_pools import Asked

PLACES, TICKETS = st.integers(0, 1), st.integers(1, 7)


class TwoPools(Asked, RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**64 - 1), pools=st.tuples(POOLS, POOLS))
    def begin(self, seed: int, pools: tuple[Pool, Pool]) -> None:
        self.open(seed)
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

    @rule(place=PLACES, outcomes=st.lists(OUTCOMES, min_size=1, max_size=6))
    def come_and_go(self, place: int, outcomes: list[Outcome]) -> None:
        """One request after the other, each with one attempt."""
        for ticket, outcome in enumerate(outcomes, start=100):
            self.acquire(place, [ticket], None)
            self.finish(place, ticket, outcome)

    @rule(place=PLACES, outcomes=st.lists(FAILURES, min_size=3, max_size=8), wait=WAITS)
    def fail(self, place: int, outcomes: list[Outcome], wait: int) -> None:
        """Until circuits open; then time passes, and the next ones may be probes."""
        self.come_and_go(place, outcomes)
        self.at += wait
        self.acquire(place, [1, 2, 3], None)

    # What the operator does.

    @rule(place=PLACES, pool=st.one_of(POOLS, POOLS, POOLS, st.none()))
    def reconfigure(self, place: int, pool: Pool | None) -> None:
        self.configure(place, pool)

    @rule(place=PLACES, data=st.data())
    def adjust(self, place: int, data: st.DataObject) -> None:
        """The same pool with something changed, its providers perhaps in the other order and one of them gone."""
        told = self.pools[place]
        if told.model.pool is None:
            return
        self.configure(place, data.draw(changes_of(told.model.pool)))

    # What holds after each step.

    @invariant()
    def leases_are_slots_and_balances_the_models(self) -> None:
        for told in self.pools:
            state, model = told.state, told.model
            assert state.journeys.keys() == model.attempts.keys()
            assert sum(slot.active for slot in (*state.slots, *state.draining)) == len(model.running)
            assert Counter((slot.provider.identity, slot.active) for slot in state.draining) == Counter(
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
        shared = self.pools[0].state.meters.shared
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
        assert self.pools[0].state.meters.shared == {}


class TestPoolMachine(TwoPools.TestCase):  # type: ignore[misc, valid-type]
    """The laws of issue 3: LB-3, LB-6, LB-16, CL, RL-1, RL-7, ADOPT, SYNC-17, HEALTH-6, FB-8, ORDER-2, DEF-8, DEF-30.

    Leases are slots taken, over all pools of a deployment too; every bucket is the model's to the token; circuits
    keep their deadlines through what does not concern them, and have one probe; every question has one answer, at
    once or when its pause is over, and nothing else has any; no refusal without its reason, and none spends anything;
    `step` is total; `wake_at` lies after the last message; the recorded messages give the identical effects again.
    """

    settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
