"""What survives a new file, to the token: limits' balances, what runs, and open circuits (RL-7, CL-5, ADOPT).

Each test changes the file as an operator would and looks at it through requests alone; it has aliases of its own.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.rig import Document, Known, Rig, at_most, pool, rig, served, tokens
from tests.e2e.running import until
from tests.e2e.sockets import Peer, answered, connect, posted

USED, MANY = "Authorization: Bearer sk-used", "Authorization: Bearer sk-many"
ON_5XX = {"enabled": True, "on_status": [5]}
SHUT = {"failures": 1, "cooldown_secs": [600], "when_all_open": "refuse"}


def document(known: Known) -> Document:
    steady, spare, faulty, near = (known[name] for name in ("steady", "spare", "faulty", "near"))
    shared = {"deployment": "one-gpu", **at_most(1)}
    slow = {"initial_ms": 2000, "jitter": "none"}
    rated = {"deployment": "one-quota", **tokens(3)}
    return {
        "auth": {
            "key_definitions": {
                "used": {"key": "sk-used", **tokens(1)},
                "many": {"key": "sk-many", **at_most(3)},
            }
        },
        "targets": {
            "any": pool(steady),
            "pool-rate": pool(steady, **tokens(5)),
            "provider-rate": pool({**steady, **tokens(5)}),
            "lowered": pool(steady, **tokens(5)),
            "raised": pool(steady, **tokens(2)),
            "circuit": pool(faulty, steady, fallback=ON_5XX, circuit=SHUT),
            "credential": pool({**near, "onwards_key": "sk-old"}, circuit=SHUT),
            "sick": pool({**faulty, "onwards_key": "sk-old"}, circuit=SHUT),
            "weight": pool(steady, spare),
            "weight-random": {"providers": [steady, spare]},
            "drained": pool(steady),
            "slots": pool(steady, **at_most(3)),
            "removed": pool(faulty, fallback={**ON_5XX, "max_attempts": 9, "backoff": slow}),
            "gpu-a": pool({**steady, **shared}),
            "gpu-b": pool({**steady, "name": "other", **shared}),
            "quota-a": pool({**steady, **rated}),
            "quota-b": pool({**steady, **rated}),
        },
    }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("continuity"), document) as made:
        yield made


@pytest.fixture
async def world(shared: Rig) -> Rig:
    await shared.calm()
    return shared


async def change(world: Rig, alias: str, place: int | None = None, **fields: Any) -> None:
    """Set fields of a target, or of one of its providers, in the file that is in force; return once they are."""
    current = world.document()
    target = current["targets"][alias]
    (target if place is None else target["providers"][place]).update(fields)
    await world.reload(current)


def weight(number: int) -> dict[str, int]:
    return {"weight": number}


async def spend(world: Rig, alias: str, count: int, *fields: str) -> list[int]:
    return [(await world.ask(alias, *fields)).status for _ in range(count)]


async def test_t14_a_keys_limit_survives_an_unrelated_change(world: Rig) -> None:
    """T14, RL-7, DEF-8: used up before the change, used up after it, and after three more."""
    assert await spend(world, "any", 2, USED) == [200, 429]
    for number in range(2, 5):
        await change(world, "any", 0, **weight(number))
        refused = await world.ask("any", USED)
        assert (refused.status, refused.header("x-pointsman-scope")) == (429, "key")


@pytest.mark.parametrize("whose", ["pool", "provider"])
async def test_a_balance_is_what_it_was_after_every_change(world: Rig, whose: str) -> None:
    """RL-7, DEF-8, DEF-23: five tokens are five, though the weight changes after each of them."""
    alias = f"{whose}-rate"
    for number in range(2, 7):
        assert (await world.ask(alias)).status == 200
        assert await world.count(f"{whose}_tokens", alias, "steady" if whose == "provider" else None) == 6 - number
        await change(world, alias, 0, **weight(number))
    refused = await world.ask(alias)
    assert (refused.status, refused.header("x-pointsman-scope")) == (429, whose)


async def test_a_lowered_burst_cuts_what_is_left(world: Rig) -> None:
    """RL-7: four of five tokens are left; a burst of two leaves two; a burst of five again still two."""
    assert await spend(world, "lowered", 1) == [200]
    await change(world, "lowered", **tokens(2))
    await change(world, "lowered", **tokens(5))
    assert await spend(world, "lowered", 3) == [200, 200, 429]


async def test_a_raised_burst_gives_no_token_away(world: Rig) -> None:
    """RL-7: a balance of nothing stays nothing."""
    assert await spend(world, "raised", 3) == [200, 200, 429]
    await change(world, "raised", **tokens(9))
    assert await spend(world, "raised", 1) == [429]


async def test_a_circuit_stays_open(world: Rig) -> None:
    """HEALTH-6, ADOPT-2: neither another alias's change nor the provider's own new weight closes or lengthens it."""
    await world.faulty.change(error_status=500)
    assert served(await world.ask("circuit")) == ("2", "steady")
    await world.calm()
    before = await world.received()
    await change(world, "any", 0, **weight(9))
    assert served(await world.ask("circuit")) == ("1", "steady")
    await change(world, "circuit", 0, **weight(9))
    assert served(await world.ask("circuit")) == ("1", "steady")
    assert (await world.received())["faulty"] == before["faulty"]
    await change(world, "circuit", circuit={"enabled": False})
    assert served(await world.ask("circuit")) == ("1", "faulty"), "a pool without circuits has no open one"


async def test_t20_a_new_credential_heals_at_once(world: Rig) -> None:
    """T20, KEY-3, DEF-66, DEF-67: refused for its key and left alone for ten minutes; a new key ends that."""
    seen: list[str | None] = []

    async def guards(peer: Peer) -> None:
        while True:
            seen.append((await peer.request()).header("authorization"))
            good = seen[-1] == "Bearer sk-new"
            await peer.send(answered(b"{}") if good else answered(b"{}", status="401 Unauthorized"))

    async with world.near.serving(guards):
        assert await spend(world, "credential", 2) == [401, 503]
        await change(world, "any", 0, **weight(10))
        assert await spend(world, "credential", 1) == [503]
        await change(world, "credential", 0, onwards_key="sk-new")
        assert await spend(world, "credential", 2) == [200, 200]
    assert seen == ["Bearer sk-old", "Bearer sk-new", "Bearer sk-new"]


async def test_a_new_credential_heals_nothing_else(world: Rig) -> None:
    """ADOPT-6: a provider that failed by itself stays open over the rotation of its key."""
    await world.faulty.change(error_status=500)
    assert await spend(world, "sick", 2) == [500, 503]
    await world.calm()
    await change(world, "sick", 0, onwards_key="sk-new")
    assert await spend(world, "sick", 1) == [503]


@pytest.mark.parametrize("alias", ["weight", "weight-random"])
async def test_weight_0_drains_in_every_strategy(world: Rig, alias: str) -> None:
    """LB-9, DEF-29: the stream goes on; nothing new comes; weight 1 brings it back."""
    await change(world, alias, 1, **weight(0))
    async with world.holding(alias) as provider:
        assert provider == "steady"
        await change(world, alias, 0, **weight(0))
        await change(world, alias, 1, **weight(1))
        assert {served(await world.ask(alias)) for _ in range(8)} == {("1", "spare")}
        assert await world.count("provider_in_flight", alias, "steady") == 1
    await change(world, alias, 0, **weight(1))
    assert "steady" in {served(await world.ask(alias))[1] for _ in range(32)}


async def test_a_pool_of_drained_providers_is_a_503(world: Rig) -> None:
    """LB-9: nobody is at a limit, so it is no 429."""
    await change(world, "drained", 0, **weight(0))
    assert await spend(world, "drained", 1) == [503]


async def test_a_lowered_concurrency_limit_cancels_nothing(world: Rig) -> None:
    """CL-5, ADOPT-4: three run, one may; they go on, and the next is let in when none is left."""
    async with world.holding("slots"):
        async with world.holding("slots"), world.holding("slots"):
            await change(world, "slots", **at_most(1))
            assert await world.count("pool_in_flight", "slots") == 3
            assert await spend(world, "slots", 1) == [429]
        await world.in_flight("slots", 1)
        assert await spend(world, "slots", 1) == [429]
    await world.gateway.at_rest()
    assert await spend(world, "slots", 1) == [200]


async def test_a_keys_lowered_limit_cancels_nothing(world: Rig) -> None:
    """CL-5, ADOPT-5: the same for a key, whose streams run in two pools."""
    async with world.holding("any", MANY):
        async with world.holding("weight", MANY):
            current = world.document()
            current["auth"]["key_definitions"]["many"].update(at_most(1))
            await world.reload(current)
            refused = await world.ask("any", MANY)
            assert (refused.status, refused.header("x-pointsman-scope")) == (429, "key")
        await world.in_flight("weight", 0)
        assert await spend(world, "any", 1, MANY) == [429]
    await world.gateway.at_rest()
    assert await spend(world, "any", 1, MANY) == [200]


async def test_a_removed_alias_makes_no_further_attempt(world: Rig) -> None:
    """ADOPT-9, DEF-52, FB-6: one that waits to try again gets what there was; then nothing is left of the pool."""
    await world.faulty.change(error_status=500)
    before = (await world.received())["faulty"]
    async with await connect(world.gateway.data) as peer:
        await peer.send(posted("removed"))

        async def waits() -> bool:
            asked_once = (await world.received())["faulty"] == before + 1
            return asked_once and await world.count("provider_in_flight", "removed", "faulty") == 0

        await until(waits)
        current = world.document()
        del current["targets"]["removed"]
        await world.reload(current)
        answer = await peer.answer()
    assert (answer.status, *served(answer)) == (500, "1", "faulty")
    assert (await world.received())["faulty"] == before + 1
    await world.gateway.at_rest()
    assert not any('pool="removed"' in name for name in await world.gateway.metrics() if "_in_flight" in name)


async def test_a_deployment_in_two_pools_has_one_limit(world: Rig) -> None:
    """DEF-20, SYNC-17: a slot or a token taken in one pool is gone in the other, whatever changes meanwhile."""
    async with world.holding("gpu-a"):
        await change(world, "gpu-b", 0, **weight(2))
        refused = await world.ask("gpu-b")
        assert (refused.status, refused.header("x-pointsman-scope")) == (429, "provider")
    await world.gateway.at_rest()
    assert await spend(world, "gpu-b", 1) == [200]
    assert await spend(world, "quota-a", 1) + await spend(world, "quota-b", 2) == [200, 200, 200]
    await change(world, "quota-b", 0, **weight(2))
    assert await spend(world, "quota-a", 1) + await spend(world, "quota-b", 1) == [429, 429]
