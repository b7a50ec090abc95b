"""Tariffs in time: what begins, what ends, and that neither is taken back."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.commands import ChangeEntities
from engine.decide import decide
from engine.events import (
    DeploymentDefined,
    EndpointDefined,
    Event,
    TariffBegan,
    TariffDefined,
    TariffEnded,
    TariffRemoved,
)
from engine.settlement import due, next_due
from engine.snapshot import RoutingSnapshot
from engine.tariffs import Phase
from projections import routing

NOW = 100
TARIFF = TariffDefined("t", "m", "1", "1", valid_from=50, valid_until=150)


def world(*events: Event) -> RoutingSnapshot:
    model = (EndpointDefined("e", "http://e.example/"), DeploymentDefined("m", "one", "real", "e"))
    return routing.change(routing.empty(), (*model, *events))


def stated(snapshot: RoutingSnapshot, fact: TariffDefined, at_us: int | None = NOW) -> tuple[Event, ...]:
    return decide(snapshot, ChangeEntities((fact,), at_us=at_us), change=routing.change)


def is_free(snapshot: RoutingSnapshot) -> bool:
    grants = snapshot.pools["one"].grants
    assert grants is not None
    return grants.is_free


@given(st.lists(st.integers(0, 200), max_size=20))
def test_clocks_that_differ_say_each_thing_at_most_once(clocks: list[int]) -> None:
    """DEF-16, SYNC-5: in whatever order clocks are looked at, by whomever, it begins at most once, and ends once."""
    there, told = world(TARIFF), []
    for at_us in clocks:
        events = tuple(due(there, at_us))
        told += events
        there = routing.change(there, events)
    assert told in ([], [TariffBegan("t")], [TariffEnded("t")], [TariffBegan("t"), TariffEnded("t")])
    assert bool(told and told[-1] == TariffEnded("t")) == any(at_us >= 150 for at_us in clocks)


def test_what_has_ended_is_waited_for_no_more() -> None:
    """DEF-16: nor does it wake anybody; defined anew, it begins once more."""
    there = world(TARIFF, TariffBegan("t"), TariffEnded("t"))
    assert (tuple(due(there, 60)), next_due(there, 0)) == ((), None)
    again = attrs.evolve(TARIFF, input_price="2")
    assert stated(there, again) == (again, TariffBegan("t"))


@pytest.mark.parametrize(
    ("start", "end", "turn"),
    [(None, None, None), (100, None, TariffBegan("t")), (101, None, None), (50, 100, TariffEnded("t"))],
)
def test_what_has_begun_begins_with_its_definition(start: int | None, end: int | None, turn: Event | None) -> None:
    """SYNC-5: no position, and no clock, is between the two; without a time a clock says it later."""
    fact = attrs.evolve(TARIFF, valid_from=start, valid_until=end)
    assert stated(world(), fact) == (fact, *(() if turn is None else (turn,)))
    assert stated(world(), fact, None) == (fact,)


@pytest.mark.parametrize("at_us", [NOW, None])
@pytest.mark.parametrize("start", [None, 1, 60])
def test_what_is_current_stays_so_when_it_is_defined_anew(start: int | None, at_us: int | None) -> None:
    """SYNC-5: at no position on the way is its model free."""
    there = world(TARIFF, TariffBegan("t"))
    for event in stated(there, attrs.evolve(TARIFF, input_price="2", valid_from=start), at_us):
        there = routing.change(there, (event,))
        assert not is_free(there)
    assert there.catalogue.tariffs["t"].defined.input_price == "2"


def test_what_is_current_may_be_put_off() -> None:
    """SYNC-5: it is to begin later, so it waits, and begins then."""
    later = attrs.evolve(TARIFF, valid_from=NOW + 1)
    there = world(TARIFF, TariffBegan("t"))
    events = stated(there, later)
    assert events == (TariffRemoved("t"), later)
    there = routing.change(there, events)
    assert there.catalogue.tariffs["t"].phase is Phase.WAITING
    assert is_free(there)
    assert tuple(due(there, NOW + 1)) == (TariffBegan("t"),)
