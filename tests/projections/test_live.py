"""The live read model: folding deltas is the same as looking again."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pool.view import CircuitView, PoolView, ProviderView, RateView
from projections.live import Delta, LiveView, Snapshot, apply


def pool(alias: str, active: int = 0) -> PoolView:
    provider = ProviderView(name="a", url="http://a.example/", weight=1, active=active, limit=4)
    return PoolView(
        alias, 1, "weighted_random", active, None, fallback=False, rules=0, keys=None, providers=(provider,)
    )


observations = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)).map(
            lambda active: {alias: pool(alias, number) for alias, number in active.items()}
        ),
    ),
    max_size=30,
)


@given(observations, st.integers(1, 8))
def test_folding_the_deltas_onto_any_held_snapshot_gives_the_newest(
    seen: list[tuple[int, dict[str, PoolView]]], ring: int
) -> None:
    """WS-2: from every seq still in the ring, and from no other; each delta is the next one and says something."""
    view = LiveView(ring=ring)
    states = [view.snapshot()]
    for position, views in seen:
        before = view.snapshot()
        delta = view.observe(position, views)
        if delta is None:
            assert (before.position, before.pools) == (position, views)
            assert view.snapshot() == before
        else:
            assert delta.seq == before.seq + 1
            assert delta.pools or delta.position != before.position
            assert all(before.pools.get(alias) != changed for alias, changed in delta.pools.items())
            states.append(view.snapshot())
        assert view.snapshot() == Snapshot(len(states) - 1, position, views)
    for state in states:
        deltas = view.since(state.seq)
        if deltas is None:
            assert view.seq - state.seq > ring
            continue
        assert len(deltas) <= ring
        for delta in deltas:
            state = apply(state, delta)  # noqa: PLW2901 - the fold
            assert state == states[delta.seq]
        assert state == view.snapshot()
    assert view.since(view.seq) == ()


@pytest.mark.parametrize("seq", [-1, 3, 99])
def test_a_seq_that_was_never_issued_has_no_deltas(seq: int) -> None:
    """The client needs a snapshot (WS-2)."""
    view = LiveView()
    view.observe(1, {})
    view.observe(2, {})
    assert view.since(seq) is None


def test_a_pool_that_is_gone_is_none_in_the_delta() -> None:
    """And an unchanged one is not in it."""
    view = LiveView()
    view.observe(1, {"a": pool("a"), "b": pool("b"), "c": pool("c")})
    assert view.observe(2, {"a": pool("a"), "c": pool("c", 1)}) == Delta(2, 2, {"b": None, "c": pool("c", 1)})


def test_what_the_observer_does_to_its_mapping_later_changes_nothing() -> None:
    """The view holds a copy."""
    view, views = LiveView(), {"a": pool("a")}
    view.observe(1, views)
    views.clear()
    assert view.snapshot().pools == {"a": pool("a")}


def test_only_the_next_delta_can_be_applied() -> None:
    """A gap is an error, not a wrong state."""
    with pytest.raises(ValueError, match="delta 2 does not follow snapshot 0"):
        apply(Snapshot(0, 0, {}), Delta(2, 0, {}))


def test_nothing_in_the_live_view_can_hold_a_secret() -> None:
    """WS-2: credentials, digests, labels and headers have no field; whoever adds one comes past here."""
    assert {field.name for field in attrs.fields(PoolView)} == {
        "alias", "position", "strategy", "active", "limit", "fallback", "rules", "keys", "providers",
        "rate", "waiting", "retries", "budgets_exhausted",
    }  # fmt: skip
    assert {field.name for field in attrs.fields(ProviderView)} == {
        "name", "url", "weight", "active", "limit", "rate", "circuit", "credential", "latency_ms", "deployment",
        "openings", "draining",
    }  # fmt: skip
    assert {field.name for field in attrs.fields(CircuitView)} == {"phase", "failures", "reopens_in_s"}
    assert {field.name for field in attrs.fields(RateView)} == {"burst", "remaining"}
