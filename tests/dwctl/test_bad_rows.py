"""Rows that mean nothing here, or something else: each costs what needs it, and is told."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from adapters.dwctl.findings import Findings
from adapters.dwctl.rows import Row
from adapters.dwctl.sync import Report
from adapters.dwctl.translate import translate
from engine.errors import Reason
from engine.events import TrafficRuleDefined
from engine.snapshot import Action, Limits, Rule
from tests.dwctl.source import NIL, Source, importing, uid
from tests.dwctl.test_worked_example import worked_example

UNAVAILABLE, FORBIDDEN = Reason.UNAVAILABLE.value, Reason.FORBIDDEN.value


def told(report: Report) -> str:
    return "\n".join(map(str, report.findings))


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("1234567890123.000000000000123456700", "1234567890123.0000000000001234567"),
        ("-0.50", "-0.5"),
        ("100", "100"),
        ("1e3", "1000"),
        ("0.000", "0"),
        ("0e999999999", "0"),
        ("1e999999999999999", "0"),
        (None, "0"),
    ],
)
def test_an_amount_keeps_all_its_digits(stated: str | None, kept: str) -> None:
    """BILL-9: nothing is rounded on the way, however long it is."""
    row = Row({"amount": None if stated is None else Decimal(stated)}, "a row", Findings())
    assert row.amount("amount") == kept


@pytest.mark.parametrize(
    ("stated", "kept", "is_told"),
    [
        ({}, Limits(), False),
        ({"requests_per_second": "2.9"}, Limits(None, 2.9), False),
        ({"requests_per_second": "0.5", "burst_size": "3"}, Limits(None, 0.5, 3), False),
        ({"requests_per_second": "0"}, Limits(), True),
        ({"requests_per_second": "-3", "burst_size": "3"}, Limits(), True),
        ({"requests_per_second": "NaN"}, Limits(), True),
        ({"requests_per_second": "Infinity"}, Limits(), True),
        ({"burst_size": "7"}, Limits(), False),
        ({"requests_per_second": "2", "burst_size": "0"}, Limits(None, 2.0, 1), True),
        ({"requests_per_second": "2", "burst_size": "-1"}, Limits(None, 2.0, 1), True),
        ({"capacity": "8"}, Limits(8), False),
        ({"capacity": "0"}, Limits(0), True),
        ({"capacity": "-1"}, Limits(), True),
        ({"capacity": "99999999999"}, Limits(), True),
    ],
)
def test_limits(stated: Mapping[str, Any], kept: Limits, is_told: bool) -> None:
    """RL-2, CL-7, DEF-9, DEF-10: fractions stay; what limits nothing, or everything, is never taken silently."""
    findings = Findings()
    assert Row(stated, "it", findings).limits() == kept
    assert any(findings) is is_told


async def test_an_unusable_url(source: Source) -> None:
    """SYNC-13, DEF-2: the deployment's alias answers 503 and says why, its composite skips it, all else is served."""
    await worked_example(source)
    await source.add("inference_endpoints", id=uid("F"), url="not a url")
    await source.add("deployed_models", id=uid("B"), alias="b", model_name="b", hosted_on=uid("F"))
    await source.add("deployed_model_components", composite_model_id=uid("C"), deployed_model_id=uid("B"))
    await source.add("deployment_groups", deployment_id=uid("B"), group_id=uid("g"))
    async with importing(source) as rig:
        report = await rig.importer.sync()
        assert (rig.reaches("s1", "b"), rig.reaches("s1", "c"), rig.reaches("s1", "d")) == (UNAVAILABLE, "c", "d")
        assert [one.name for one in rig.snapshot.pools["c"].providers] == ["d"]
        assert "URL" in rig.snapshot.faults["b"][0]
        assert f"serve nobody until it is mended: 1 (endpoint {uid('F')})" in told(report)
        await source.set("inference_endpoints", f"id = '{uid('F')}'", url="https://f.example")
        await rig.importer.sync()
        assert rig.reaches("s1", "b") == "b"
        assert "b" not in rig.snapshot.faults


async def test_rules_that_cannot_be_followed(source: Source) -> None:
    """DEF-4, RULE-10: an unknown action, a deleted target, none, and the model itself all deny."""
    await worked_example(source)
    await source.run("DELETE FROM model_traffic_rules")
    await source.add("deployed_models", id=uid("X"), alias="x", model_name="x", hosted_on=uid("E"), deleted=True)
    for purpose, action, target in (
        ("a", "throttle", None),
        ("b", "redirect", uid("X")),
        ("c", "redirect", None),
        ("d", "redirect", uid("C")),
        ("e", "deny", uid("D")),
        ("f", "redirect", uid("D")),
    ):
        await source.add(
            "model_traffic_rules",
            deployed_model_id=uid("C"),
            api_key_purpose=purpose,
            action=action,
            redirect_target_id=target,
        )
    async with importing(source) as rig:
        report = await rig.importer.sync()
        rules = rig.snapshot.pools["c"].rules
        assert "c" not in rig.snapshot.faults
    denied = tuple(Rule({"purpose": purpose}, Action.DENY) for purpose in "abcde")
    assert rules == (*denied, Rule({"purpose": "f"}, Action.REDIRECT, "d"))
    assert "neither deny nor redirect: it denies (DEF-4): 1 (model c, purpose a)" in told(report)
    assert "or its own: it denies (DEF-4): 3 (model c, purpose b, model c, purpose c" in told(report)


async def test_a_target_that_goes(source: Source) -> None:
    """SYNC-3, DEF-4: when a redirect's target is deleted, the rule denies from then on and at no moment is gone."""
    await worked_example(source)
    async with importing(source, opens_redirects=True) as rig:
        await rig.importer.sync()
        before = rig.snapshot.position
        await source.set("deployed_models", "NOT is_composite", deleted=True)
        await rig.importer.sync()
        assert rig.reaches("s2", "c") == FORBIDDEN
        kinds = [type(one.event).__name__ for one in await rig.store.log.read(before, 100)]
    assert kinds[0] == TrafficRuleDefined.__name__
    assert "TrafficRuleRemoved" not in kinds


async def test_one_alias_of_two_models(source: Source) -> None:
    """SYNC-16, DEF-19: the composite has it, and the other is told, whatever the order of the rows."""
    await worked_example(source)
    for name, composite in (("A", False), ("Z", True)):
        endpoint = None if composite else uid("E")
        await source.add(
            "deployed_models", id=uid(name), alias="two", model_name="m", hosted_on=endpoint, is_composite=composite
        )
    async with importing(source) as rig:
        report = await rig.importer.sync()
        assert rig.snapshot.catalogue.models["two"] == uid("Z")
    assert f"(DEF-19): 1 ({uid('A')}: two is model {uid('Z')})" in told(report)


async def test_what_the_table_does_not_accept(source: Source) -> None:
    """DEF-2: an unusable header name costs the endpoint and its model, and neither the others nor the sync."""
    await worked_example(source)
    await source.add("inference_endpoints", id=uid("F"), url="https://f.example", auth_header_name="no header")
    await source.add("deployed_models", id=uid("B"), alias="b", model_name="b", hosted_on=uid("F"))
    await source.add("deployed_models", id=uid("G"), alias="g\x01", model_name="g", hosted_on=uid("E"))
    async with importing(source) as rig:
        report = await rig.importer.sync()
        assert set(rig.snapshot.pools) == {"c", "d"}
        assert rig.reaches("s1", "d") == "d"
        again = await rig.importer.sync()
        assert not again.changes
    assert f"does not accept: 3 (endpoint:{uid('F')} auth_header: 'no header' cannot carry it" in told(report)


async def test_keys_that_open_nothing(source: Source) -> None:
    """SYNC-15: deleted ones, those of deleted users, without a secret, or with another's, do not come."""
    await worked_example(source)
    await source.add("users", id=uid("gone"), username="gone", is_deleted=True)
    for name, user, secret in (("k3", "gone", "s3"), ("k4", "u1", None), ("k5", "u1", ""), ("k6", "u1", "s1")):
        await source.add("api_keys", id=uid(name), user_id=uid(user), secret=secret)
    await source.add("api_keys", id=uid("k7"), user_id=uid("u1"), secret="s7", is_deleted=True)
    async with importing(source) as rig:
        report = await rig.importer.sync()
        assert set(rig.snapshot.keys) <= {uid("K1"), uid("K2"), uid("k6")}
        assert len(rig.snapshot.keys) == 2
        assert uid("gone") not in rig.snapshot.users
    assert "a key without a secret: 2" in told(report)
    assert "user is deleted or not there: 1" in told(report)
    assert "the secret of another: 1" in told(report)


async def test_what_has_no_counterpart(source: Source) -> None:
    """Spend caps, organisations and modalities are told with how many there are, columns unknown to us too."""
    await worked_example(source)
    await source.add("users", id=uid("org"), username="org", user_type="organization")
    await source.run("ALTER TABLE deployed_models ADD COLUMN hue integer, ADD COLUMN backoff_enabled boolean")
    await source.set("deployed_models", capabilities=["vision"], hue=3, backoff_enabled=True)
    await source.set("api_keys", f"id = '{uid('K1')}'", spend_cap=5)
    async with importing(source) as rig:
        said = told(await rig.importer.sync())
    assert "api_keys.spend_cap, caps on spending are not known here: 1" in said
    assert "organisations: carried over as users with keys and funds; who belongs to them is not: 1" in said
    assert "deployed_models.capabilities, modalities and capabilities route nothing here: 2" in said
    assert "deployed_models.hue, the importer does not know this column: 2" in said
    assert "deployed_models.backoff_enabled, pauses between attempts" in said
    assert "created_at" not in said


async def test_statuses_and_strategies(source: Source) -> None:
    """DEF-10: 66036 is no 500; an unknown strategy is weighted_random; attempts below 1 are no bound (FB-14)."""
    await worked_example(source)
    await source.set(
        "deployed_models",
        "is_composite",
        fallback_on_status=[66036, 503, 0],
        lb_strategy="roulette",
        fallback_max_attempts=0,
    )
    async with importing(source) as rig:
        said = told(await rig.importer.sync())
        fallback = rig.snapshot.pools["c"].fallback
    assert (fallback.on_status, fallback.max_attempts) == ((503,), None)
    assert "fallback_on_status has statuses outside 1 to 599, which are left out: 1 (model c)" in said
    assert "lb_strategy" in said
    assert "fallback_max_attempts" in said


async def test_tariffs(source: Source) -> None:
    """SYNC-5: without an end, current; with one, until then, which is told; one that is over does not come."""
    await worked_example(source)
    for name, end in (("t1", "2020-01-01"), ("t2", "2100-01-01"), ("t3", None), ("t4", "infinity")):
        await source.add(
            "model_tariffs",
            id=uid(name),
            deployed_model_id=uid("C"),
            input_price_per_token=-1 if name == "t3" else 1,
            output_price_per_token=0,
            valid_until=end,
        )
    async with importing(source) as rig:
        said = told(await rig.importer.sync())
        tariffs = rig.snapshot.catalogue.tariffs
        assert {one for one in tariffs if tariffs[one].is_current} == {uid(name) for name in ("T", "t2", "t3", "t4")}
        assert tariffs[uid("t2")].defined.valid_until == 4_102_444_800_000_000
        assert tariffs[uid("t3")].is_free
        await source.set("model_tariffs", f"id IN ('{uid('t2')}', '{uid('t4')}')", valid_until="2021-01-01")
        await rig.importer.sync()
        assert set(rig.snapshot.catalogue.tariffs) == {uid("T"), uid("t3")}
        assert not (await rig.importer.sync()).changes
    assert "a tariff that ended in the past: 1" in said
    assert "a tariff with an end is current until then, unlike in dwctl" in said
    assert "input_price_per_token is negative" in said


def test_translation_is_pure() -> None:
    """SYNC-30: the same rows are the same wishes; the nil ids are nobody's to define (SYNC-2)."""
    rows = {
        "endpoints": [{"id": "e", "url": "https://e.example", "api_key": "secret"}],
        "models": [{"id": "m", "alias": "m", "model_name": "m", "hosted_on": "e"}],
        "keys": [{"id": "k", "user_id": NIL, "secret": "s"}],
        "members": [{"user_id": NIL, "group_id": "g"}, {"user_id": "u", "group_id": NIL}],
        "grants": [{"deployment_id": "m", "group_id": NIL}],
    }
    first, second = (translate(rows, credential_id=str.upper, findings=Findings()) for _ in range(2))
    assert first == second
    assert set(first.access.users) == {"u"}
    assert set(first.access.groups) == {"g"}
    assert first.access.members == frozenset()
    assert first.access.grants == {(NIL, "m")}
    assert first.models.credentials == {"SECRET": "secret"}
    assert "secret" not in repr(first)
