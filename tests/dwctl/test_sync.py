"""Syncs one after another: what differs and nothing else, what is the importer's and nothing else, in order."""

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from adapters.dwctl import writing
from adapters.dwctl.repeating import repeat
from adapters.dwctl.steps import batches
from adapters.store.foreign import read_tables, source_of
from engine.commands import ApplyManifest, ChangeEntities, DefineKey
from engine.errors import PointsmanError, Reason, StartFailed, StoreUnavailable
from engine.events import (
    CreditsBooked,
    DeploymentDefined,
    DeploymentRemoved,
    EndpointDefined,
    GrantAdded,
    GroupDefined,
    MemberAdded,
    MemberRemoved,
    TariffEnded,
    UserDefined,
    stream_of,
)
from engine.snapshot import Key, Manifest
from tests.dwctl.source import Rig, Source, importing, uid
from tests.dwctl.test_bad_rows import told
from tests.dwctl.test_worked_example import FORBIDDEN, UNPAID, worked_example

NOT_FOUND = Reason.MODEL_NOT_FOUND.value


async def kinds_after(rig: Rig, position: int) -> list[str]:
    return [type(one.event).__name__ for one in await rig.store.log.read(position, 500)]


async def test_an_unchanged_source_appends_nothing(source: Source) -> None:
    """DELTA-7, DEF-15: neither the second sync nor one by another process does."""
    await worked_example(source)
    await source.add("user_balance_checkpoints", user_id=uid("u2"), balance=0, checkpoint_seq=0)
    async with importing(source) as rig:
        first = await rig.importer.sync()
        assert first.changes
        second = await rig.importer.sync()
        async with importing(source, store=rig.store) as another:
            third = await another.importer.sync()
    assert (second.changes, third.changes) == ({}, {})
    assert first.position == second.position == third.position
    assert first.findings == second.findings == third.findings


async def test_only_what_differs(source: Source) -> None:
    """DELTA-7: one changed column is one event."""
    await worked_example(source)
    async with importing(source) as rig:
        before = (await rig.importer.sync()).position
        await source.set("deployed_models", "NOT is_composite", capacity=9)
        await source.set("api_keys", f"id = '{uid('K1')}'", requests_per_second=0.25)
        await rig.importer.sync()
        assert await kinds_after(rig, before) == ["DeploymentDefined", "KeyDefined"]
        (event,) = [one.event for one in await rig.store.log.read(before, 1)]
        assert isinstance(event, DeploymentDefined)
        assert event.max_concurrent == 9


async def test_a_trial_writes_nothing(source: Source) -> None:
    """`--dry-run`: it says what the sync then does, and neither the log nor the vault changes."""
    await worked_example(source)
    async with importing(source) as rig:
        sealed = rig.store.vault.sealed
        trial = await rig.importer.try_out()
        assert (trial.position, rig.store.vault.sealed) == (0, sealed)
        report = await rig.importer.sync()
    assert report.changes == trial.changes
    assert report.findings == trial.findings


async def test_what_goes(source: Source) -> None:
    """What the source has no more is removed, memberships and grants included, and closings come first."""
    await worked_example(source)
    async with importing(source) as rig:
        before = (await rig.importer.sync()).position
        await source.run("DELETE FROM user_groups")
        await source.set("api_keys", f"id = '{uid('K2')}'", is_deleted=True)
        await source.add("users", id=uid("u9"), username="new")
        await rig.importer.sync()
        assert rig.reaches("s1", "d") == FORBIDDEN
        assert await kinds_after(rig, before) == ["KeyRemoved", "MemberRemoved", "MemberRemoved", "UserDefined"]
        await source.run(
            "DELETE FROM deployed_models",
            "DELETE FROM inference_endpoints",
            "DELETE FROM users",
            "DELETE FROM groups",
            "DELETE FROM deployment_groups",
        )
        report = await rig.importer.sync()
        snapshot, catalogue = rig.snapshot, rig.snapshot.catalogue
        left = (snapshot.pools, snapshot.keys, snapshot.users, catalogue.groups, catalogue.endpoints, catalogue.tariffs)
        assert [len(one) for one in left] == [0] * 6
    assert "not carried over: a key whose user is deleted or not there: 1" in told(report)


async def test_what_others_made_stays(source: Source) -> None:
    """Entities of other sources are neither changed nor removed; one that differs under an id of the source is told."""
    await worked_example(source)
    async with importing(source) as rig:
        theirs = (
            EndpointDefined("mine", "https://mine.example"),
            DeploymentDefined("mine", "mine", "m", "mine"),
            GroupDefined("vips", "vips"),
            UserDefined("vip", "vip"),
            MemberAdded("vips", "vip"),
            EndpointDefined(uid("E"), "https://other.example"),
            UserDefined(uid("u1"), "ada"),
        )
        await rig.write(ChangeEntities(theirs), "api:ada")
        await rig.write(DefineKey(Key("their-key", b"k" * 32)), "api:ada")
        report = await rig.importer.sync()
        catalogue = rig.snapshot.catalogue
        assert catalogue.endpoints[uid("E")].url == "https://other.example"
        assert "another made or changed it: 1" in told(report)
        assert f"endpoint:{uid('E')} by api:ada" in told(report)
        assert "a membership or a grant of what another made: 1" in told(report)
        assert f"the balance of a user that another made: 1 (user:{uid('u1')} by api:ada)" in told(report)
        assert rig.snapshot.users[uid("u1")].groups == frozenset()
        await source.run("DELETE FROM deployed_models", "DELETE FROM inference_endpoints", "DELETE FROM api_keys")
        await rig.importer.sync()
        catalogue = rig.snapshot.catalogue
        assert set(catalogue.endpoints) == {"mine", uid("E")}
        assert set(catalogue.deployments) == {"mine"}
        assert set(rig.snapshot.keys) == {"their-key"}
        assert rig.snapshot.users["vip"].groups == {"vips"}


async def test_an_alias_that_is_taken(source: Source) -> None:
    """DEF-19: a model whose name another source's model has is told and does not come; the rest does."""
    await worked_example(source)
    async with importing(source) as rig:
        theirs = (EndpointDefined("mine", "https://mine.example"), DeploymentDefined("mine", "d", "m", "mine"))
        await rig.write(ChangeEntities(theirs), "api:ada")
        report = await rig.importer.sync()
        assert dict(rig.snapshot.catalogue.models) == {"d": "mine", "c": uid("C")}
        assert (rig.reaches("s1", "d"), rig.reaches("s1", "c")) == (FORBIDDEN, Reason.UNAVAILABLE.value)
    assert f"model:{uid('D')} alias: 'd' is the name of model mine" in told(report)


async def test_revocations_go_through_whoever_touched_the_group(source: Source) -> None:
    """DELTA-3: an operator who adds somebody to an imported group does not keep others in it."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        await rig.write(ChangeEntities((UserDefined("vip"), MemberAdded(uid("g"), "vip"))), "api:ada")
        await rig.write(ChangeEntities((GroupDefined("vips"), GrantAdded("vips", uid("D")))), "api:ada")
        await source.run("DELETE FROM user_groups")
        await rig.importer.sync()
        assert rig.snapshot.users[uid("u1")].groups == frozenset()
        assert rig.snapshot.users["vip"].groups == {uid("g")}
        assert rig.snapshot.catalogue.grants[uid("D")] == {uid("g"), "vips"}


async def test_what_time_touched_is_still_the_importers(source: Source) -> None:
    """DEF-16: a tariff that ended by event goes with the source's row."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        await rig.write(ChangeEntities((TariffEnded(uid("T")),)), "clock")
        await source.run("DELETE FROM model_tariffs")
        report = await rig.importer.sync()
        assert not rig.snapshot.catalogue.tariffs
        assert "left alone" not in told(report)


async def test_a_changed_entity_stays_with_who_changed_it(source: Source) -> None:
    """An operator's change of an imported endpoint stands, and is told, also when the source lets it go."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        mended = rig.snapshot.catalogue.endpoints[uid("E")]
        await rig.write(ChangeEntities((EndpointDefined(uid("E"), "https://mended.example"),)), "api:ada")
        assert "another made or changed it: 1" in told(await rig.importer.sync())
        assert rig.snapshot.catalogue.endpoints[uid("E")].url == "https://mended.example"
        await rig.write(ChangeEntities((mended,)), "api:ada")
        await source.run("DELETE FROM deployed_models", "DELETE FROM inference_endpoints")
        report = await rig.importer.sync()
        assert set(rig.snapshot.catalogue.endpoints) == {uid("E")}
        assert "does not have it any more, but another changed it since: 1" in told(report)


async def test_a_file_owns_what_it_defines(source: Source) -> None:
    """A key that a file manages under the source's id is left alone, and everything else comes."""
    await worked_example(source)
    async with importing(source) as rig:
        theirs = Key(uid("K1"), b"f" * 32)
        await rig.write(ApplyManifest(Manifest({}, {theirs.key_id: theirs})), "file:routes.json")
        report = await rig.importer.sync()
        assert rig.snapshot.keys[uid("K1")] == theirs
        assert uid("K2") in rig.snapshot.keys
    assert f"key:{uid('K1')} by file:routes.json" in told(report)


async def test_a_user_whose_key_a_file_manages(source: Source) -> None:
    """One that goes in the source stays with that key, and others go all the same."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        theirs = Key("k", b"f" * 32, user_id=uid("u1"))
        await rig.write(ApplyManifest(Manifest({}, {"k": theirs})), "file:routes.json")
        await source.run("DELETE FROM users", "DELETE FROM api_keys")
        report = await rig.importer.sync()
        assert set(rig.snapshot.users) == {uid("u1")}
    assert "left alone: a file manages it: 1 (key:k by file:routes.json)" in told(report)


async def test_a_name_passes_from_model_to_model(source: Source) -> None:
    """DEF-44: a composite takes a deployment's name in one append, and the deployment lives on under another."""
    await worked_example(source)
    async with importing(source) as rig:
        before = (await rig.importer.sync()).position
        await source.set("deployed_models", f"id = '{uid('C')}'", alias="d")
        await source.set("deployed_models", f"id = '{uid('D')}'", alias="d-old")
        await source.run("DELETE FROM model_traffic_rules")
        await rig.importer.sync()
        assert dict(rig.snapshot.catalogue.models) == {"d": uid("C"), "d-old": uid("D")}
        assert rig.reaches("s1", "c") == NOT_FOUND
        before = rig.snapshot.position
        await source.set("deployed_models", f"id = '{uid('C')}'", deleted=True)
        await source.set("deployed_models", f"id = '{uid('D')}'", alias="d")
        await rig.importer.sync()
        assert dict(rig.snapshot.catalogue.models) == {"d": uid("D")}
        kinds = await kinds_after(rig, before)
        assert kinds[:2] == ["CompositeRemoved", "DeploymentDefined"]


async def test_prices_come_before_grants(source: Source) -> None:
    """SYNC-5: at no position of the first sync may an unfunded user use a priced model."""
    await worked_example(source)
    await source.set("credits_transactions", amount=0)
    async with importing(source) as rig:
        await rig.importer.sync()
        assert rig.reaches("s1", "d") == UNPAID
        kinds = await kinds_after(rig, 0)
    assert kinds.index("TariffDefined") < kinds.index("GrantAdded") < kinds.index("KeyDefined")
    assert kinds.index("TrafficRuleDefined") < kinds.index("GrantAdded")


async def test_a_ledger_that_went_on_here(source: Source) -> None:
    """SYNC-6: entries booked here after the source's last one are not undone, which is told; later ones of it count."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        await rig.write(ChangeEntities((CreditsBooked(uid("u1"), 0, "usage", "3"),)), "gateway")
        report = await rig.importer.sync()
        assert rig.reaches("s1", "d") == UNPAID
        assert f"later entries here than in the source: 1 (user {uid('u1')})" in told(report)
        await source.add("credits_transactions", user_id=uid("u1"), seq=9, transaction_type="purchase", amount=2)
        await rig.importer.sync()
        assert rig.snapshot.catalogue.ledgers[uid("u1")].balance == 5


async def test_escalation(source: Source) -> None:
    """SYNC-4: the option says which; without it what the import set is taken back, and what others set stays."""
    await worked_example(source)
    async with importing(source, escalation=("c", "nosuch")) as rig:
        report = await rig.importer.sync()
        assert rig.snapshot.catalogue.escalation == {"c", "nosuch"}
        assert "that is to be an escalation model: 1 (nosuch)" in told(report)
        async with importing(source, store=rig.store) as another:
            await another.importer.sync()
            assert another.snapshot.catalogue.escalation == frozenset()
    async with importing(source, name="other", escalation=("d",)) as rig:
        await rig.importer.sync()
        async with importing(source, store=rig.store) as another:
            await another.importer.sync()
            assert another.snapshot.catalogue.escalation == {"d"}


async def test_two_sources_of_one_database(source: Source) -> None:
    """The second finds everything there and equal; when rows go, it leaves to the first what the first made."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        async with importing(source, store=rig.store, name="second") as second:
            assert not (await second.importer.sync()).changes
            await source.run("DELETE FROM user_groups")
            assert not (await second.importer.sync()).changes
        assert (await rig.importer.sync()).changes == {MemberRemoved: 2}


async def test_small_appends(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many facts are many appends, each of a bounded number, and come to the same table."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        pools = rig.snapshot.pools
    monkeypatch.setattr(writing, "BATCH", 1)
    monkeypatch.setattr(writing, "batches", lambda units: batches(units, 2))
    async with importing(source) as rig:
        await rig.importer.sync()
        # Each vault names the provider's key in its own way.
        assert set(rig.snapshot.pools) == set(pools)
        assert rig.snapshot.pools["c"].grants == pools["c"].grants
        assert rig.snapshot.pools["c"].rules == pools["c"].rules
        assert set(rig.snapshot.keys) == {uid("K1"), uid("K2")}


def test_units_stay_whole() -> None:
    """A unit is never divided between two appends."""
    units = [(GroupDefined("a"),), (GroupDefined("b"), GroupDefined("c")), (GroupDefined("d"),)]
    assert [[stream_of(one) for one in batch] for batch in batches(units, 2)] == [
        ["group:a"],
        ["group:b", "group:c"],
        ["group:d"],
    ]
    assert list(batches([])) == []
    assert [len(batch) for batch in batches([tuple(DeploymentRemoved(str(n)) for n in range(5))], 2)] == [5]


async def test_a_source_that_goes_away(source: Source) -> None:
    """SYNC-24, DEF-5: what was imported stays in force and the next sync goes on; the error says which, no password."""
    await worked_example(source)
    async with importing(source) as rig:
        before = (await rig.importer.sync()).position
        await source.server.rows(f'ALTER DATABASE "{source.database}" RENAME TO "{source.database}_away"')
        try:
            with pytest.raises(PointsmanError) as raised:
                await rig.importer.sync()
        finally:
            await source.server.rows(f'ALTER DATABASE "{source.database}_away" RENAME TO "{source.database}"')
        assert rig.snapshot.position == before
        assert rig.reaches("s1", "d") == "d"
        assert not (await rig.importer.sync()).changes
    assert source.database in str(raised.value)
    assert "hunter2" not in str(raised.value)


async def test_a_source_that_does_not_answer(source: Source) -> None:
    """A server that is away is away, not wrong input, so that a repeated sync waits for it."""
    gone = source.server.url.set(host="127.0.0.1", port=1).render_as_string(hide_password=False)
    with pytest.raises(StoreUnavailable, match=r"^The database .* on 127\.0\.0\.1:1 cannot be read: "):
        await read_tables(source_of(gone), lambda _: {})


async def test_again_and_again(autojump_clock: MockClock) -> None:  # noqa: ARG001 - it makes the waits short
    """DEF-5, DEF-7: every so often; after failures soon, then later and later up to a bound, then as before."""
    at: list[float] = []
    waits: list[float] = []
    failing = iter([None, *[StoreUnavailable("away")] * 8, StartFailed("odd"), None, None])

    async def sync() -> None:
        at.append(trio.current_time())
        outcome = next(failing, None)
        if outcome is not None:
            raise outcome
        if len(at) == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await repeat(sync, 300.0, on_failure=lambda _, wait_s: waits.append(wait_s), jitter=lambda: 1.0)
    apart = [round(later - earlier, 3) for earlier, later in pairwise(at)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert apart == [300, *waits, 300]
