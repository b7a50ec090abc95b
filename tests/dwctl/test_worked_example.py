"""The worked example of SYNC-31 and what hangs together with it, from a real database to who may call what."""

import pytest

from engine.access import digest
from engine.errors import Reason
from engine.snapshot import Action, Fallback, Grants, Limits, Pool, Provider, Rule, Strategy
from tests.dwctl.source import NIL, Source, importing, uid

FORBIDDEN, UNPAID = Reason.FORBIDDEN.value, Reason.PAYMENT_REQUIRED.value
UNAVAILABLE = Reason.UNAVAILABLE.value


async def worked_example(source: Source) -> None:
    """The rows of SYNC-31: K1 may use both models, K2's user shares C's group only."""
    await source.add("users", id=uid("u1"), username="ada")
    await source.add("users", id=uid("u2"), username="ben")
    await source.add("groups", id=uid("g"), name="team")
    await source.add("groups", id=uid("h"), name="batch team")
    await source.add("inference_endpoints", id=uid("E"), name="e", url="https://e.example/v1", api_key="ek")
    await source.add(
        "deployed_models",
        id=uid("D"),
        alias="d",
        model_name="real/d",
        hosted_on=uid("E"),
        requests_per_second=2.9,
        capacity=8,
        trusted=True,
    )
    await source.add("deployed_models", id=uid("C"), alias="c", model_name="c", is_composite=True, capacity=20)
    await source.add("deployed_model_components", composite_model_id=uid("C"), deployed_model_id=uid("D"), weight=0)
    await source.add("api_keys", id=uid("K1"), user_id=uid("u1"), secret="s1", requests_per_second=0.5)
    await source.add("api_keys", id=uid("K2"), user_id=uid("u2"), secret="s2", purpose="batch")
    await source.add("user_groups", user_id=uid("u1"), group_id=uid("g"))
    await source.add("user_groups", user_id=uid("u2"), group_id=uid("h"))
    for model, group in (("D", "g"), ("C", "g"), ("C", "h")):
        await source.add("deployment_groups", deployment_id=uid(model), group_id=uid(group))
    await source.add("credits_transactions", user_id=uid("u1"), seq=1, transaction_type="purchase", amount=3)
    await source.add(
        "model_tariffs",
        id=uid("T"),
        deployed_model_id=uid("D"),
        input_price_per_token=0.000001,
        output_price_per_token=0.000002,
    )
    await source.add(
        "model_traffic_rules",
        deployed_model_id=uid("C"),
        api_key_purpose="batch",
        action="redirect",
        redirect_target_id=uid("D"),
    )


async def test_the_worked_example(source: Source) -> None:
    """SYNC-31, SYNC-9 to SYNC-11, SYNC-14, SYNC-15, DEF-9: pools and keys as stated, with fractions kept."""
    await worked_example(source)
    async with importing(source) as rig:
        report = await rig.importer.sync()
        pools, keys = rig.snapshot.pools, rig.snapshot.keys
        credential = rig.store.vault.credential_id("ek")
        assert rig.store.vault.resolve(credential) == "ek"
    provider = Provider(
        "d",
        "https://e.example/v1/",
        "real/d",
        credential,
        limits=Limits(8, 2.9, None),
        deployment=uid("D"),
        trusted=True,
        open_responses_adapter=True,
    )
    assert pools["d"] == Pool("d", (provider,), grants=Grants(frozenset({uid("g")}), is_free=False))
    assert pools["c"] == Pool(
        "c",
        (provider,),
        grants=Grants(frozenset({uid("g"), uid("h")}), is_free=True),
        strategy=Strategy.WEIGHTED_RANDOM,
        limits=Limits(20),
        fallback=Fallback(True, (429, 500, 502, 503, 504), on_rate_limit=True),
        rules=(Rule({"purpose": "batch"}, Action.REDIRECT, "d"),),
        open_responses_adapter=True,
    )
    assert set(pools) == {"c", "d"}
    assert set(keys) == {uid("K1"), uid("K2")}
    first, second = keys[uid("K1")], keys[uid("K2")]
    assert (first.digest, first.limits, first.all_labels) == (digest(b"s1"), Limits(None, 0.5), {"purpose": "realtime"})
    assert (second.digest, second.limits, second.all_labels) == (digest(b"s2"), Limits(), {"purpose": "batch"})
    assert not any(key.opens_all_pools for key in keys.values())
    found = {finding.what: finding.count for finding in report.findings}
    assert found == {
        "the weight of a component is outside 1 to 100: the nearest of these counts": 1,
        "a redirect admits only callers that may use its target too, unlike in dwctl (DEF-26)": 1,
    }


async def test_who_may_call_what(source: Source) -> None:
    """SYNC-31, DEF-26, RULE-7: K2 on c is led to d, which it may not use unless redirects open."""
    await worked_example(source)
    async with importing(source) as rig:
        await rig.importer.sync()
        reached = {(secret, alias): rig.reaches(secret, alias) for secret in ("s1", "s2") for alias in ("d", "c")}
        assert rig.reaches("nobody's", "d") == FORBIDDEN
    assert reached == {("s1", "d"): "d", ("s1", "c"): "c", ("s2", "d"): FORBIDDEN, ("s2", "c"): FORBIDDEN}
    async with importing(source, opens_redirects=True) as rig:
        await rig.importer.sync()
        assert rig.reaches("s2", "c") == "d"
        assert rig.reaches("s2", "d") == FORBIDDEN


async def test_funds(source: Source) -> None:
    """SYNC-5, SYNC-6, T15: checkpoint 10 at 5, usage 4, admin_grant 1 is 7; 0 pays for free models alone."""
    await worked_example(source)
    await source.add("user_balance_checkpoints", user_id=uid("u1"), balance=10, checkpoint_seq=5)
    await source.add("credits_transactions", user_id=uid("u1"), seq=6, transaction_type="usage", amount=4)
    await source.add("credits_transactions", user_id=uid("u1"), seq=7, transaction_type="admin_grant", amount=1)
    async with importing(source) as rig:
        await rig.importer.sync()
        ledger = rig.snapshot.catalogue.ledgers[uid("u1")]
        assert (str(ledger.balance), ledger.seq) == ("7", 7)
        assert rig.reaches("s1", "d") == "d"
        await source.add("credits_transactions", user_id=uid("u1"), seq=8, transaction_type="usage", amount=7)
        await rig.importer.sync()
        assert not rig.snapshot.catalogue.ledgers[uid("u1")].balance
        assert (rig.reaches("s1", "d"), rig.reaches("s1", "c")) == (UNPAID, "c")


async def test_membership(source: Source) -> None:
    """SYNC-2, SYNC-4: the system user's keys, the public group, a shared group, and batch keys on escalation models."""
    await worked_example(source)
    await source.add("users", id=NIL, username="system")
    await source.add("groups", id=NIL, name="everyone")
    await source.add("users", id=uid("u3"), username="cy")
    await source.add("api_keys", id=uid("K0"), user_id=NIL, secret="system's")
    await source.add("api_keys", id=uid("K3"), user_id=uid("u3"), secret="s3")
    await source.add("api_keys", id=uid("K4"), user_id=uid("u3"), secret="s4", purpose="batch")
    await source.add(
        "deployed_models", id=uid("P"), alias="p", model_name="p", hosted_on=uid("E"), requests_per_second=0
    )
    await source.add("deployment_groups", deployment_id=uid("P"), group_id=NIL)
    async with importing(source, escalation=("c",)) as rig:
        await rig.importer.sync()
        assert [rig.reaches("system's", alias) for alias in ("d", "c", "p")] == ["d", "c", "p"]
        assert [rig.reaches("s3", alias) for alias in ("d", "c", "p")] == [FORBIDDEN, FORBIDDEN, "p"]
        # Escalation opens c, and its rule leads batch keys to d, which stays closed.
        assert rig.snapshot.pools["c"].grants == Grants(frozenset({uid("g"), uid("h")}), is_escalation=True)
        await source.run("DELETE FROM model_traffic_rules")
        await rig.importer.sync()
        assert [rig.reaches("s4", alias) for alias in ("d", "c", "p")] == [FORBIDDEN, "c", "p"]


async def test_nobody_is_eligible(source: Source) -> None:
    """DEF-3: a model without an eligible key is closed, not open."""
    await worked_example(source)
    await source.run("DELETE FROM deployment_groups", "UPDATE api_keys SET is_deleted = true")
    async with importing(source) as rig:
        await rig.importer.sync()
        assert not rig.snapshot.keys
        assert (rig.reaches("s1", "d"), rig.reaches("anything", "c")) == (FORBIDDEN, FORBIDDEN)


async def test_a_composite_without_components(source: Source) -> None:
    """SYNC-12, T17: it is there; realtime keys are led on by its rule, others get 503."""
    await worked_example(source)
    await source.run(
        "UPDATE deployed_model_components SET enabled = false",
        "UPDATE model_traffic_rules SET api_key_purpose = 'realtime'",
    )
    async with importing(source) as rig:
        await rig.importer.sync()
        assert rig.snapshot.pools["c"].providers == ()
        assert rig.snapshot.faults["c"]
        assert (rig.reaches("s1", "c"), rig.reaches("s2", "c")) == ("d", UNAVAILABLE)


async def test_a_composites_own_access_counts(source: Source) -> None:
    """SYNC-7: neither the groups nor the tariffs of its components do."""
    await worked_example(source)
    await source.run("DELETE FROM model_traffic_rules")
    async with importing(source) as rig:
        await rig.importer.sync()
        assert (rig.reaches("s2", "c"), rig.reaches("s2", "d")) == ("c", FORBIDDEN)


async def test_components_in_order(source: Source) -> None:
    """SYNC-10, SYNC-11, SYNC-17, DEF-18, DEF-20: sort_order, then weight; limits of the deployment, by its id."""
    await worked_example(source)
    for name, order, weight in (("a", 2, 5), ("b", 1, 5), ("x", 1, 50)):
        await source.add(
            "deployed_models",
            id=uid(name),
            alias=name,
            model_name=f"real/{name}",
            hosted_on=uid("E"),
            requests_per_second=1.5,
            sanitize_responses=True,
            open_responses_adapter=False,
        )
        await source.add(
            "deployed_model_components",
            composite_model_id=uid("C"),
            deployed_model_id=uid(name),
            weight=weight,
            sort_order=order,
        )
    await source.set("deployed_models", "is_composite", lb_strategy="priority", fallback_enabled=False)
    async with importing(source) as rig:
        await rig.importer.sync()
        pools = rig.snapshot.pools
    composite = pools["c"]
    assert [(one.name, one.weight) for one in composite.providers] == [("d", 1), ("x", 50), ("b", 5), ("a", 5)]
    assert composite.strategy is Strategy.PRIORITY
    assert composite.fallback == Fallback()
    inside = composite.providers[1]
    assert (inside.limits, inside.deployment, inside.sanitize_response) == (Limits(None, 1.5), uid("x"), False)
    assert (inside.open_responses_adapter, inside.trusted) == (False, False)
    assert pools["x"].providers[0].limits == inside.limits
    assert pools["x"].sanitize_response
    assert pools["x"].providers[0].sanitize_response


@pytest.mark.parametrize(("stated", "kept"), [(None, 10), (0, 10), (-4, 10), (25, 25)])
async def test_batch_capacity(source: Source, stated: int | None, kept: int) -> None:
    """CAP-1: what is 0 or below takes the default, as NULL does, and is told."""
    await worked_example(source)
    await source.set("deployed_models", batch_capacity=stated)
    async with importing(source) as rig:
        report = await rig.importer.sync()
        assert dict(rig.snapshot.capacities) == {"c": kept, "d": kept}
    is_told = any("batch_capacity" in finding.what for finding in report.findings)
    assert is_told == (stated is not None and stated < 1)


async def test_no_secret_leaves(source: Source) -> None:
    """House rule on secrets: neither clients' nor providers' are in an event or a finding."""
    await worked_example(source)
    await source.run(
        "UPDATE api_keys SET secret = 'client-secret-' || secret",
        "UPDATE inference_endpoints SET api_key = 'provider-secret'",
    )
    async with importing(source) as rig:
        report = await rig.importer.sync()
        events = await rig.store.log.read(0, 500)
        assert rig.reaches("client-secret-s1", "d") == "d"
    assert len(events) == report.position
    assert "client-secret" not in repr((events, report))
    assert "provider-secret" not in repr((events, report))
