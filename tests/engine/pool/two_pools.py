"""Two pools that share deployments, asked as their askers ask, beside the model of what must come of it.

Law: whatever a machine answers is checked against the model and taken over by it; nothing is taken over unchecked.
"""

from typing import Any

import attrs

from engine.pool.circuit import Circuit
from engine.pool.decision import Verdict
from engine.pool.health import bar_of
from engine.pool.machine import step
from engine.pool.messages import (
    Acquire,
    Effect,
    Leased,
    Message,
    Reconfigure,
    Refusal,
    Retry,
    Tick,
)
from engine.pool.meter import Meters
from engine.pool.state import PoolState, Slot
from engine.snapshot import Pool
from tests.engine.pool.model import PoolModel, SlotModel


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


class Asked:
    """The machines, the models, the time, and all that was said."""

    def open(self, seed: int) -> None:
        self.seed, self.at, self.position = seed, 0, 0
        meters, shared = Meters(), {}
        self.pools = [Told(PoolState("chat", seed + place, meters), PoolModel(shared)) for place in (0, 1)]
        self.recorded: list[tuple[int, Message, tuple[Effect, ...]]] = []
        self.woken = 0

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

    def tell(self, place: int, message: Message) -> Effect | None:
        """The message's own answer; those that were due are taken here."""
        told = self.pools[place]
        self.woken = 0
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
        self.woken += len(effects)
        return own

    def took(self, told: Told, lease: Leased) -> None:
        """A lease was given: it is of the definition in force, within its limits, and the only probe if it is one."""
        model, name = told.model, lease.provider.name
        slot = model.slots[int(name)]
        assert slot.provider == lease.provider
        assert lease.provider.weight
        told.forget_probes()
        model.take(lease.ticket, int(name), told.at)
        assert (lease.attempt, lease.decision.chosen) == (model.attempts[lease.ticket], name)
        assert slot.meter.limit is None or slot.meter.active <= slot.meter.limit
        (row,) = [one for one in lease.decision.candidates if one.is_chosen]
        assert row.verdict in ({Verdict.ADMISSIBLE, Verdict.OPEN} if lease.is_probe else {Verdict.ADMISSIBLE})
        if lease.is_probe:
            real = told.state.slots[int(name)]
            assert real not in told.probes
            told.probes[real] = lease.ticket

    def spendings(self) -> list[tuple[int, int | None]]:
        """All leases and tokens there are."""
        states = [told.state for told in self.pools]
        counted = [(slot.meter.active, slot.meter.limiter) for state in states for slot in state.slots]
        counted += [(len(state.journeys), state.limiter) for state in states]
        return [(count, limiter and limiter.full_at) for count, limiter in counted]

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
