"""What closes wins: whoever closed it, here or in the source, and whoever has touched it since."""

import attrs

from engine.commands import ChangeEntities, DefineKey, RemoveKey
from engine.errors import Reason
from engine.events import DeploymentRemoved, GroupDefined, GroupRemoved, UserDefined, UserRemoved
from engine.snapshot import Action
from tests.dwctl.source import Rig, Source, importing, uid
from tests.dwctl.test_bad_rows import told
from tests.dwctl.test_worked_example import FORBIDDEN, worked_example

NOT_FOUND = Reason.MODEL_NOT_FOUND.value
OPERATOR = "token:ada"
KEPT_OUT = "not carried over again: it was removed here"
GONE = "removed, since the source does not have it any more, though another changed it"


async def test_a_key_revoked_here_stays_revoked(source: Source) -> None:
    """Issue 4, DELTA-7: no later sync brings it back, in this process or another, and each tells of it."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        await rig.write(RemoveKey(uid("K1")), OPERATOR)
        before = rig.snapshot.position
        for _ in range(2):
            report = await rig.importer.sync()
            assert not report.changes
            assert f"{KEPT_OUT}: 1 (key:{uid('K1')} by {OPERATOR})" in told(report)
        async with importing(source, store=rig.store) as another:
            assert (await another.importer.sync()).position == before
            assert another.reaches("s1", "d") == FORBIDDEN
        await source.set("api_keys", f"id = '{uid('K1')}'", is_deleted=True)
        assert KEPT_OUT not in told(await rig.importer.sync())


async def test_a_key_defined_here_again_is_its_definers(source: Source) -> None:
    """Issue 4: who removed it may take it back, and the source says no more what it is."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        key = rig.snapshot.keys[uid("K1")]
        await rig.write(RemoveKey(key.key_id), OPERATOR)
        await rig.write(DefineKey(key), OPERATOR)
        assert not (await rig.importer.sync()).changes
        assert rig.reaches("s1", "d") == "d"
        await source.set("api_keys", f"id = '{uid('K1')}'", is_deleted=True)
        await rig.importer.sync()
        assert rig.reaches("s1", "d") == "d"


async def test_a_user_removed_here_stays_away_with_its_keys(source: Source) -> None:
    """Issue 4: neither the user, its memberships and balance, nor its keys come again; everybody else stays."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        await rig.write(ChangeEntities((UserRemoved(uid("u1")),)), OPERATOR)
        report = await rig.importer.sync()
        assert not report.changes
        assert f"{KEPT_OUT}: 2 (user:{uid('u1')} by {OPERATOR}, key:{uid('K1')} by {OPERATOR})" in told(report)
        assert set(rig.snapshot.users) == {uid("u2")}


async def test_a_group_removed_here_stays_away(source: Source) -> None:
    """Issue 4: nor does it come again as what its members and grants name."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        await rig.write(ChangeEntities((GroupRemoved(uid("g")),)), OPERATOR)
        report = await rig.importer.sync()
        assert not report.changes
        assert f"{KEPT_OUT}: 1 (group:{uid('g')}" in told(report)
        assert rig.reaches("s1", "d") == FORBIDDEN


async def test_a_model_removed_here_stays_away(source: Source) -> None:
    """Issue 4, DEF-4: a redirect to it denies, lest it end as a way in."""
    await worked_example(source)
    async with importing(source) as rig:
        await source.add("deployed_models", id=uid("B"), alias="b", model_name="b", hosted_on=uid("E"))
        await rig.importer.sync()
        await rig.write(ChangeEntities((DeploymentRemoved(uid("D")),)), OPERATOR)
        rule = {"deployed_model_id": uid("B"), "api_key_purpose": "batch", "redirect_target_id": uid("D")}
        await source.add("model_traffic_rules", action="redirect", **rule)
        report = await rig.importer.sync()
        assert f"{KEPT_OUT}: 1 (model:{uid('D')} by {OPERATOR})" in told(report)
        assert rig.reaches("s1", "d") == NOT_FOUND
        assert [one.action for one in rig.snapshot.pools["b"].rules] == [Action.DENY]
        assert not (await rig.importer.sync()).changes


async def relabel(rig: Rig) -> None:
    """What an operator may do to imported entities without taking them over."""
    key = rig.snapshot.keys[uid("K1")]
    await rig.write(DefineKey(attrs.evolve(key, labels={"team": "x"})), OPERATOR)
    model = attrs.evolve(rig.snapshot.catalogue.deployments[uid("D")], trusted=False)
    facts = (UserDefined(uid("u2"), "renamed"), GroupDefined(uid("g"), "renamed"), model)
    await rig.write(ChangeEntities(facts), OPERATOR)


async def test_what_the_source_closes_is_closed_whoever_touched_it(source: Source) -> None:
    """DELTA-3: keys, users, groups and models that the importer made go with the source's, which is told."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        await relabel(rig)
        await source.set("api_keys", f"id = '{uid('K1')}'", is_deleted=True)
        report = await rig.importer.sync()
        assert rig.reaches("s1", "d") == FORBIDDEN
        assert f"{GONE}: 1 (key:{uid('K1')} by {OPERATOR})" in told(report)
        await source.run(
            "DELETE FROM users",
            "DELETE FROM groups",
            "DELETE FROM deployed_models",
            "DELETE FROM user_groups",
            "DELETE FROM deployment_groups",
        )
        report = await rig.importer.sync()
        snapshot, catalogue = rig.snapshot, rig.snapshot.catalogue
        assert [len(one) for one in (snapshot.users, snapshot.keys, catalogue.groups, catalogue.models)] == [0] * 4
        assert f"{GONE}: 3 (" in told(report)
        assert not (await rig.importer.sync()).changes
