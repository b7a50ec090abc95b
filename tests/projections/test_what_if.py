"""Recorded traffic under other tables."""

import attrs
import pytest

from engine.snapshot import CircuitPolicy, Fallback, Limits, RoutingSnapshot
from projections.known import Known
from projections.trial import Trial
from tests.engine.tables import key, pool, provider, table
from tests.projections.gateway import Gateway

RETRYING = Fallback(enabled=True, on_status=(5, 429), max_attempts=3)


def world() -> RoutingSnapshot:
    chat = pool(
        "chat",
        provider("a", weight=3, limit=4),
        provider("b", weight=1, rps=3, burst=4),
        provider("c", weight=2),
        fallback=RETRYING,
        circuit=CircuitPolicy(failures=3, cooldowns_s=(1, 3)),
    )
    mini = pool("mini", provider("d"), limit=3, rps=8, burst=3)
    return table([chat, mini], [key("team", opens_all=True, limit=3, rps=5, burst=6), key("guest", opens_all=True)])


def tried(gateway: Gateway, before: RoutingSnapshot, after: RoutingSnapshot | None, *steps: int) -> Trial:
    blocks = gateway.blocks(*steps)
    known = Known()
    for block in blocks:
        known.take(block)
    trial = Trial(before, after, gateway.definitions, known, alike=frozenset({before.position}))
    for block in blocks:
        trial.take(block)
    return trial


@pytest.mark.parametrize("seed", range(25))
def test_under_the_table_that_decided_everything_goes_as_it_went(seed: int) -> None:
    """Issue: an identity plan reports zero differences, and the simulation it rests on is the record."""
    here = world()
    trial = tried(Gateway(seed, here, failing=frozenset("ab")), here, here, 200, 150, 250)
    assert trial.check.mismatch is None
    assert trial.first_difference is None
    assert trial.check.simulated > 50
    assert trial.check.is_good
    comparison = trial.comparison
    assert (comparison.differing, comparison.newly_served, comparison.attempts_saved) == (0, 0, 0)
    assert not comparison.newly_refused
    assert comparison.before.attempts == comparison.after.attempts
    assert comparison.before.attempts
    assert all(shift.before == shift.after for shift in comparison.shifts())


def with_pool(here: RoutingSnapshot, alias: str, **fields: object) -> RoutingSnapshot:
    pools = dict(here.pools) | {alias: attrs.evolve(here.pools[alias], **fields)}
    return attrs.evolve(here, pools=pools, position=here.position + 1)


def test_a_provider_that_is_drained_gets_nothing_and_the_others_its_share() -> None:
    here = world()
    providers = here.pools["chat"].providers
    after = with_pool(here, "chat", providers=(attrs.evolve(providers[0], weight=0), *providers[1:]))
    comparison = tried(Gateway(3, here), here, after, 400).comparison
    assert comparison.before.attempts["chat", "a"] > 10
    assert comparison.after.attempts["chat", "a"] == 0
    shares = {shift.provider: shift for shift in comparison.shifts() if shift.pool == "chat"}
    assert shares["a"].after == 0
    assert sum(shift.after for shift in shares.values()) == pytest.approx(1)
    assert shares["c"].after > shares["c"].before


def test_who_is_not_let_in_any_more_is_newly_refused_by_access() -> None:
    here = world()
    keys = {"team": here.keys["team"]}
    after = attrs.evolve(
        here, keys=keys, callers={one.digest: one for one in keys.values()}, position=here.position + 1
    )
    comparison = tried(Gateway(4, here), here, after, 400).comparison
    ((verdict, count),) = [item for item in comparison.newly_refused.items() if item[0].scope == "access"]
    assert verdict.reason == "forbidden"
    assert count > 10
    assert count == sum(
        number
        for refusals, number in comparison.after.refused.items()
        if refusals.verdict == verdict and refusals.key == "guest" and refusals.alias != "nothing"
    )


def test_a_lower_limit_refuses_and_a_higher_one_serves() -> None:
    here = world()
    gateway = Gateway(5, here)
    blocks = gateway.blocks(300, 300)
    known = Known()
    for block in blocks:
        known.take(block)
    for limits, refuses in ((Limits(1, 0.5, 1), True), (Limits(), False)):
        trial = Trial(
            here, with_pool(here, "mini", limits=limits), gateway.definitions, known, alike=frozenset({here.position})
        )
        for block in blocks:
            trial.take(block)
        comparison = trial.comparison
        newly = sum(count for verdict, count in comparison.newly_refused.items() if verdict.scope == "pool")
        assert (newly > 0) == refuses
        assert (comparison.newly_served > 0) == (not refuses)


def test_a_failing_provider_that_is_left_out_saves_the_attempts_it_cost() -> None:
    here = world()
    providers = here.pools["chat"].providers
    after = with_pool(here, "chat", providers=providers[1:])
    comparison = tried(Gateway(6, here, failing=frozenset("a")), here, after, 600).comparison
    assert comparison.attempts_saved > 10
    assert comparison.after.attempts["chat", "a"] == 0


def test_a_hole_in_the_record_ends_what_runs_and_nothing_else() -> None:
    here = world()
    gateway = Gateway(7, here, failing=frozenset("b"))
    first, _lost, last = gateway.blocks(150, 100, 150)
    known = Known()
    for block in (first, last):
        known.take(block)
    trial = Trial(here, here, gateway.definitions, known, alike=frozenset({here.position}))
    for block in (first, last):
        trial.take(block)
    assert trial.check.mismatch is None
    assert trial.check.is_good
    assert trial.check.simulated > 30


def test_a_window_with_too_many_requests_is_cut_to_the_newest() -> None:
    """Whole blocks are left out, the oldest first, and what is tried is still the record."""
    here = world()
    gateway = Gateway(8, here, failing=frozenset("b"))
    blocks = gateway.blocks(150, 150, 150, 150)
    known = Known(most=len(blocks[2].requests) + len(blocks[3].requests))
    for block in blocks:
        known.take(block)
    assert (known.is_cut, known.count, known.since_us) == (True, known.most, blocks[2].unix_us)
    assert [known.has(block) for block in blocks] == [False, False, True, True]
    tickets = {served.ticket for block in blocks[2:] for served in block.requests} - {None}
    assert known.requests.keys() == tickets
    trial = Trial(here, here, gateway.definitions, known, alike=frozenset({here.position}))
    for block in blocks[2:]:
        trial.take(block)
    assert trial.check.is_good
    assert trial.check.simulated > 20


def test_after_a_change_the_table_in_force_is_tried_on_what_it_decided() -> None:
    """Whatever was in force before; what it did not decide is no evidence against it."""
    old = world()
    gateway = Gateway(9, old, failing=frozenset("ab"))
    blocks = gateway.blocks(200)
    providers = old.pools["chat"].providers
    now = with_pool(old, "chat", providers=(attrs.evolve(providers[0], weight=0), *providers[1:]))
    gateway.snapshot = now
    gateway.define("chat")
    blocks += gateway.blocks(100, 150, 200)
    known = Known()
    for block in blocks:
        known.take(block)
    trial = Trial(now, now, gateway.definitions, known, alike=frozenset({now.position}))
    for block in blocks:
        trial.take(block)
    trial.finish()
    assert trial.check.mismatch is None
    assert trial.first_difference is None
    assert 20 < trial.check.simulated < known.count
    assert trial.comparison.differing == 0


def test_a_request_that_would_be_served_is_told_of_though_nothing_follows_it() -> None:
    here = with_pool(world(), "mini", limits=Limits(1, 1, 1))
    gateway = Gateway(5, here)
    blocks = gateway.blocks(200)
    while not any((one.alias, one.reason) == ("mini", "rate_limit") for one in blocks[-1].requests[-1:]):
        blocks += gateway.blocks(1)
    known = Known()
    for block in blocks:
        known.take(block)
    trial = Trial(here, with_pool(here, "mini", limits=Limits()), gateway.definitions, known, alike=frozenset())
    for block in blocks:
        trial.take(block)
    before = trial.comparison.newly_served
    trial.finish()
    refused = sum(count for one, count in trial.comparison.before.refused.items() if one.verdict.scope == "pool")
    assert before < trial.comparison.newly_served == refused
