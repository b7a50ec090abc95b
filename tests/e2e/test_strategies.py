"""How the strategies choose, as far as clients can see it; their arithmetic is `tests/engine/pool`'s to show."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.e2e.rig import Document, Known, Rig, at_most, pool, rig, served
from tests.e2e.sockets import Message

SESSIONS = [f"x-session-id: session-{number}" for number in range(24)]


def document(known: Known) -> Document:
    steady, faulty, spare = (known[name] for name in ("steady", "faulty", "spare"))
    three = [steady, faulty, spare]
    costs = [{**steady, "cost": 3}, {**faulty, "cost": 0.5, **at_most(1)}, {**spare, "cost": 0.5, "weight": 0}]
    # Whatever of a request before is not quite over must not send a session elsewhere.
    wide = {"max_load_percent": 100_000}
    levels = [{**steady, "priority": 7}, {**faulty, "priority": 2}, {**spare, "priority": 2}]
    return {
        "auth": {"key_definitions": {name: {"key": f"sk-{name}"} for name in ("ann", "ben", "cid", "dot")}},
        "targets": {
            "hash": {"strategy": "consistent_hash", "providers": three, "affinity": {"header": "X-Session-Id", **wide}},
            "fewer": {
                "strategy": "consistent_hash",
                "providers": three[:2],
                "affinity": {"header": "x-session-id", **wide},
            },
            "by-caller": {"strategy": "consistent_hash", "providers": three, "affinity": wide},
            "full-home": {
                "strategy": "consistent_hash",
                "providers": [{**one, **at_most(1)} for one in three],
                "affinity": {"header": "x-session-id"},
            },
            "latency": {"strategy": "least_latency", "providers": [steady, faulty]},
            "cost": {"strategy": "cost", "providers": costs},
            "levels": pool(*levels, fallback={"enabled": True, "on_status": [5]}),
        },
    }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("strategies"), document) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


def provider(answer: Message) -> str:
    assert answer.status == 200
    name = served(answer)[1]
    assert name is not None
    return name


async def test_a_session_keeps_its_provider(world: Rig) -> None:
    """LB (consistent_hash): each session meets one provider, all of them have some, and without one it is as usual.

    A pool with one provider less, even another pool, sends no session elsewhere but those of the missing one.
    """
    homes = {session: provider(await world.ask("hash", session)) for session in SESSIONS}
    assert set(homes.values()) == {"steady", "faulty", "spare"}
    for session, home in homes.items():
        assert provider(await world.ask("hash", session)) == home
        moved = provider(await world.ask("fewer", session))
        assert home in {moved, "spare"}
    assert {provider(await world.ask("hash")) for _ in range(32)} == {"steady", "faulty", "spare"}


async def test_a_caller_is_a_session_where_no_header_is_named(world: Rig) -> None:
    """LB (consistent_hash): by its key, whatever else it sends."""
    for name in ("ann", "ben", "cid", "dot"):
        key = f"Authorization: Bearer sk-{name}"
        found = {provider(await world.ask("by-caller", key, session)) for session in SESSIONS[:6]}
        assert len(found) == 1


async def test_a_session_whose_provider_is_full_goes_to_the_next(world: Rig) -> None:
    """LB (consistent_hash): and comes back when there is room again."""
    home = provider(await world.ask("full-home", SESSIONS[0]))
    async with world.holding("full-home", SESSIONS[0]) as held:
        assert held == home
        second = {provider(await world.ask("full-home", SESSIONS[0])) for _ in range(4)}
        assert len(second) == 1
        assert second != {home}
    await world.gateway.at_rest()
    assert provider(await world.ask("full-home", SESSIONS[0])) == home


async def test_the_quick_one_is_preferred(world: Rig) -> None:
    """LB (least_latency): once both have been met, the slow one gets nothing while they are idle."""
    await world.faulty.change(latency=0.05)
    first = provider(await world.ask("latency"))
    await world.gateway.at_rest()
    assert {first, provider(await world.ask("latency"))} == {"steady", "faulty"}, "who is not known is tried"
    await world.gateway.at_rest()
    found = Counter([provider(await world.ask("latency")) for _ in range(20)])
    assert found == {"steady": 20}


async def test_the_cheap_one_is_preferred(world: Rig) -> None:
    """LB (cost): as long as it is free; the drained one is cheap and gets nothing."""
    assert {provider(await world.ask("cost")) for _ in range(8)} == {"faulty"}
    async with world.holding("cost") as cheap:
        assert cheap == "faulty"
        assert provider(await world.ask("cost")) == "steady"


async def test_providers_of_one_priority_share(world: Rig) -> None:
    """LB-5, DEF-81: the two of the lower number share; the other has the requests that both cannot serve."""
    assert {provider(await world.ask("levels")) for _ in range(40)} == {"faulty", "spare"}
    await world.faulty.change(error_status=500)
    await world.spare.change(error_status=500)
    try:
        answer = await world.ask("levels")
        assert (provider(answer), served(answer)[0]) == ("steady", "3")
    finally:
        await world.spare.change(error_status=0)
