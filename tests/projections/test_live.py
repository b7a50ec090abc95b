"""The live read model: folding deltas, from wherever and however merged, is the same as looking again."""

from itertools import pairwise
from random import Random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.names import Position
from engine.pool.view import CircuitView, KeyView, PoolView, ProviderView, RateView
from projections.live import MOST_EVENTS, Delta, Gap, LiveView, Snapshot, apply
from projections.live_facts import EventTold, FileView, GatewayView, Happened, Observation, ReloadView, SyncView

FIRST = 1_790_000_000_000_000
"""As a process that starts now would count from."""


def pool(alias: str, active: int = 0) -> PoolView:
    provider = ProviderView(name="a", url="http://a.example/", weight=1, active=active, limit=4)
    return PoolView(
        alias, 1, "weighted_random", active, None, fallback=False, rules=0, keys=None, providers=(provider,)
    )


def told(position: Position) -> EventTold:
    return EventTold(position, "pool.removed", "pool:a", "somebody", "2026-01-01T00:00:00.000000Z", 1, "pool a: gone")


def seen(position: Position, *pools: PoolView, **others: KeyView) -> Observation:
    return Observation(position, {one.alias: one for one in pools}, others)


some_pools = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)).map(
    lambda active: {alias: pool(alias, number) for alias, number in active.items()}
)
some_keys = st.dictionaries(st.sampled_from("kl"), st.integers(1, 2).map(KeyView), max_size=2)
gateways = st.integers(0, 1).map(lambda faults: GatewayView(faults=faults))
observations = st.lists(
    st.tuples(st.builds(Observation, st.integers(0, 3), some_pools, some_keys, gateways), st.integers(0, 2)),
    max_size=30,
)
watching = st.none() | st.frozensets(st.sampled_from("abcd"), min_size=1)


@attrs.define
class Client:
    """Folds what it is told; `is_reading` now and then only."""

    watched: frozenset[str] | None
    state: Snapshot
    events: list[EventTold] = attrs.field(factory=list)
    left_out: int = 0
    resyncs: int = 0

    def read(self, view: LiveView) -> None:
        """As `adapters.live.websocket` tells it."""
        if view.gap(self.state.seq) is not None:
            self.resyncs += 1
            self.state = view.snapshot(self.watched)
            return
        delta = view.since(self.state.seq, self.watched)
        if delta is None:
            # A heartbeat.
            self.state = attrs.evolve(self.state, seq=view.seq)
            return
        self.state = apply(self.state, delta)
        self.events += delta.events
        self.left_out += delta.events_left_out


@settings(deadline=None)
@given(
    observations,
    st.lists(watching, min_size=1, max_size=3),
    st.integers(1, 6),
    st.sampled_from([1, 3, 9, 1000]),
    st.randoms(),
)
def test_whatever_a_client_misses_its_fold_is_the_servers_state(
    happening: list[tuple[Observation, int]],
    watched: list[frozenset[str] | None],
    ring: int,
    held: int,
    chance: Random,
) -> None:
    """WS-2: from any seq, with any filter, read at any moments; or it is told that it must begin again."""
    view = LiveView(seq=FIRST, ring=ring, held=held)
    states = [view.snapshot()]
    clients = [Client(pools, view.snapshot(pools)) for pools in watched]
    position = 0
    for observation, events in happening:
        before = view.snapshot()
        happened = Happened(position + events, tuple(told(position + 1 + place) for place in range(events)))
        position += events
        if not view.observe(observation, happened):
            assert view.snapshot() == before
            assert not events
        else:
            delta = view.since(before.seq)
            assert delta is not None
            assert (delta.since, delta.seq) == (before.seq, before.seq + 1)
            assert apply(before, delta) == view.snapshot()
            states.append(view.snapshot())
        assert view.snapshot() == Snapshot(
            FIRST + len(states) - 1,
            observation.position,
            observation.pools,
            observation.keys,
            observation.gateway,
            position,
        )
        for client in clients:
            if chance.random() < 0.4:
                client.read(view)
                assert client.state == view.snapshot(client.watched)
    for client in clients:
        client.read(view)
        assert client.state == view.snapshot(client.watched)
        assert all(one.position < other.position for one, other in pairwise(client.events))
        if not client.resyncs:
            assert [event.position for event in client.events] == list(range(1, position + 1))
    for state in states:
        # Killed and back, with what it had.
        for pools in watched:
            narrow = (
                state
                if pools is None
                else attrs.evolve(state, pools={alias: one for alias, one in state.pools.items() if alias in pools})
            )
            back = Client(pools, narrow)
            back.read(view)
            assert back.state == view.snapshot(pools)
            assert back.resyncs == (view.gap(state.seq) is Gap.EXPIRED)
            assert not back.resyncs or view.seq - state.seq > ring or held < 1000


@given(st.lists(st.tuples(st.integers(0, 70), st.integers(0, 3)), min_size=1, max_size=8))
def test_of_events_the_oldest_are_told_and_the_rest_counted(looks: list[tuple[int, int]]) -> None:
    """However many deltas are merged: after the last one that is told, the log has exactly those left out."""
    view, position = LiveView(), 0
    for place, (count, left_out) in enumerate(looks):
        events = tuple(told(position + 1 + number) for number in range(count))
        position += count + left_out
        view.observe(seen(place + 1), Happened(position, events, left_out))
    one = view.since(0)
    assert one is not None
    assert (one.since, one.seq, one.events_position) == (0, len(looks), position)
    assert [event.position for event in one.events] == list(range(1, len(one.events) + 1))
    assert len(one.events) + one.events_left_out == position
    assert len(one.events) <= MOST_EVENTS
    whole = position <= MOST_EVENTS and not any(left_out for _, left_out in looks)
    assert (one.events_left_out == 0) == whole


@pytest.mark.parametrize("seq", [0, 1, FIRST - 1, FIRST + 3, 2**53 - 1])
def test_a_seq_that_was_never_issued_is_unknown(seq: int) -> None:
    """WS-2: a number of another process is never taken for one of this."""
    view = LiveView(seq=FIRST)
    view.observe(seen(1))
    view.observe(seen(2))
    assert view.gap(seq) is Gap.UNKNOWN
    assert view.gap(FIRST) is None


def test_a_pool_that_is_gone_is_none_in_the_delta() -> None:
    """And so is a key that is as good as new; what is unchanged is not in it."""
    view = LiveView()
    view.observe(seen(1, pool("a"), pool("b"), pool("c"), k=KeyView(1), l=KeyView(2)))
    view.observe(seen(2, pool("a"), pool("c", 1), l=KeyView(2)))
    assert view.since(1) == Delta(1, 2, 2, {"b": None, "c": pool("c", 1)}, {"k": None}, None, 2)


def test_a_client_hears_nothing_of_pools_it_does_not_watch_but_of_all_else() -> None:
    """A new position, a key and the gateway's own state are everybody's."""
    view = LiveView()
    view.observe(seen(1, pool("a"), pool("b")))
    view.observe(seen(1, pool("a"), pool("b", 1)))
    watched = frozenset("a")
    assert view.since(1, watched) is None
    assert view.since(1, frozenset("b")) == Delta(1, 2, 1, {"b": pool("b", 1)}, events_position=1)
    view.observe(seen(2, pool("a"), pool("b", 1)))
    assert view.since(1, watched) == Delta(1, 3, 2, {}, events_position=2)
    view.observe(seen(2, pool("a"), pool("b", 1), k=KeyView(1)))
    assert view.since(3, watched) == Delta(3, 4, 2, {}, {"k": KeyView(1)}, events_position=2)
    assert view.since(4, watched) is None
    assert view.snapshot(watched).pools == {"a": pool("a")}


def test_what_is_held_has_a_bound_whatever_changes() -> None:
    """Many pools that all change leave fewer deltas in the ring; the newest one stays."""
    view = LiveView(ring=10, held=6)
    for number in range(5):
        view.observe(seen(number, pool("a", number), pool("b", number), pool("c", number)))
    assert [view.gap(seq) for seq in range(6)] == [*[Gap.EXPIRED] * 3, None, None, None]
    view.observe(seen(9, *(pool(alias, 9) for alias in "abcdefgh")))
    assert (view.gap(4), view.gap(5)) == (Gap.EXPIRED, None)


def test_what_the_observer_does_to_its_mapping_later_changes_nothing() -> None:
    """The view holds a copy."""
    view, views = LiveView(), {"a": pool("a")}
    view.observe(Observation(1, views))
    views.clear()
    assert view.snapshot().pools == {"a": pool("a")}


def test_only_a_delta_of_its_seq_can_be_applied() -> None:
    """A gap is an error, not a wrong state."""
    with pytest.raises(ValueError, match="delta 2 applies to 1 and not to 0"):
        apply(Snapshot(0, 0, {}), Delta(1, 2, 0, {}))


def test_nothing_in_the_live_view_can_hold_a_secret() -> None:
    """WS-2: credentials, digests, labels and headers have no field; whoever adds one comes past here."""

    def fields(kind: type[attrs.AttrsInstance]) -> set[str]:
        return {field.name for field in attrs.fields(kind)}

    assert fields(PoolView) == {
        "alias", "position", "strategy", "active", "limit", "fallback", "rules", "keys", "providers",
        "rate", "waiting", "retries", "budgets_exhausted", "refused",
    }  # fmt: skip
    assert fields(ProviderView) == {
        "name", "url", "weight", "active", "limit", "rate", "circuit", "credential", "latency_ms", "deployment",
        "openings", "draining", "chosen",
    }  # fmt: skip
    assert fields(CircuitView) == {"phase", "failures", "reopens_in_s"}
    assert fields(RateView) == {"burst", "remaining"}
    assert fields(KeyView) == {"active", "limit", "rate"}
    assert fields(GatewayView) == {"status", "started_us", "log", "faults", "sync", "file", "reload"}
    assert fields(SyncView) == {"state", "reconnects", "error"}
    assert fields(FileView) == {"path", "position", "problems", "warnings", "in_force_us", "refused_us"}
    assert fields(ReloadView) == {"source", "at_us", "lag_us"}
    assert fields(EventTold) == {
        "position", "type", "stream", "actor", "recorded_at", "recorded_at_us", "sentence",
    }  # fmt: skip
