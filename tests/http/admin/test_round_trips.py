"""What is put is what is got, for every kind of entity."""

from typing import Any

import pytest

from engine.events import NIL
from tests.http.admin.rig import Desk, desk
from tests.http.admin.samples import DEPLOYMENT, ENDPOINT, OTHER, USER, WORLD, Sample

DEPLOYMENTS = (ENDPOINT, DEPLOYMENT, OTHER)
COMPONENT = {"deployment_id": "d2", "weight": 5, "sort_order": -1, "enabled": False}
ENTITIES: list[tuple[tuple[Sample, ...], str, dict[str, Any], dict[str, Any]]] = [
    ((), "/endpoints/e", {"url": "http://a.example", "name": "n", "auth_header": "x-key", "auth_prefix": ""}, {}),
    ((), "/endpoints/e", {"url": "http://a.example", "credential": "env:UPSTREAM_KEY"}, {}),
    (
        (ENDPOINT,),
        "/deployments/org.model:7",
        {
            "alias": "org/model",
            "model_name": "m",
            "endpoint_id": "e",
            "max_concurrent": 0,
            "requests_per_second": 0.1,
            "burst": 2,
            "batch_capacity": 4,
            "sanitize_response": True,
            "trusted": True,
            "open_responses_adapter": False,
        },
        {},
    ),
    (
        DEPLOYMENTS,
        "/composites/c",
        {
            "alias": "both",
            "strategy": "least_latency",
            "fallback_on_status": [429, 5],
            "fallback_max_attempts": 2,
            "max_concurrent": 9,
            "components": [COMPONENT, {"deployment_id": "d", "weight": 1, "sort_order": 0, "enabled": True}],
        },
        {},
    ),
    ((), "/users/u@example.org", {"name": "Una"}, {"groups": [], "balance": "0", "is_funded": False}),
    ((), "/groups/g", {"name": "Staff"}, {"members": 0, "grants": 0}),
    (
        DEPLOYMENTS,
        "/tariffs/t",
        {
            "model_id": "d",
            "input_price": "0.000001",
            "output_price": "1",
            "valid_from": "2027-01-31T12:00:00.000001Z",
            "valid_until": "2028-02-29T00:00:00Z",
        },
        {"is_current": False, "has_ended": False},
    ),
    (
        (),
        "/pools/org/chat",
        {
            "strategy": "priority",
            "keys": [],
            "limits": {"max_concurrent": 3, "requests_per_second": 0.25, "burst": 2},
            "providers": [
                {"name": "one", "url": "http://one.example/v1/", "weight": 3, "priority": 1, "credential": "env:ONE"},
                {"name": "two", "url": "http://two.example/", "priority": 2, "limits": {"burst": 1}},
            ],
            "rules": [{"match_labels": {"purpose": "batch"}, "action": "deny"}],
            "fallback": {"enabled": True, "on_status": [5, 429], "backoff": {"initial_ms": 10}},
            "response_headers": {"x-served-by": "us"},
        },
        {"model_id": None, "grants": None, "faults": []},
    ),
]


def agrees(shown: Any, stated: Any) -> bool:
    """Whether what is shown has all that was stated, whatever else it has."""
    if isinstance(stated, dict):
        return all(name in shown and agrees(shown[name], value) for name, value in stated.items())
    if isinstance(stated, list):
        return len(shown) == len(stated) and all(agrees(*pair) for pair in zip(shown, stated, strict=True))
    return bool(shown == stated)


async def lay(here: Desk, samples: tuple[Sample, ...]) -> None:
    for sample in samples:
        await here.done(sample.method, sample.path, sample.body)


@pytest.mark.parametrize(("before", "path", "body", "more"), ENTITIES)
async def test_what_is_put_is_got(
    before: tuple[Sample, ...], path: str, body: dict[str, Any], more: dict[str, Any]
) -> None:
    """PUT, GET, the list, the merge patch of nothing, PUT of what was got, DELETE, and DELETE once more (DELTA-7)."""
    collection = "/pools" if path.startswith("/pools") else path.rpartition("/")[0]
    async with desk() as here:
        await lay(here, before)
        assert (await here.ask("GET", path)).status_code == 404
        assert (await here.ask("DELETE", path)).status_code == 404, "it never was there"
        assert (await here.ask("PATCH", path, {})).status_code == 404
        made = await here.ask("PUT", path, body)
        assert made.status_code == 200, made.text
        got = await here.ask("GET", path)
        shown = got.json()
        assert agrees(shown, {**body, **more}), shown
        assert (got.headers["etag"], got.headers["x-pointsman-position"]) == (
            made.headers["etag"],
            str(made.json()["position"]),
        )
        listed = await here.done("GET", collection)
        assert shown in listed["data"]
        assert (listed["next"], listed["position"]) == (None, made.json()["position"])

        position = made.json()["position"]
        again = {name: value for name, value in shown.items() if name not in {"id", "alias", *more} or name in body}
        for method, change in (("PATCH", {}), ("PUT", body), ("PUT", again)):
            answer = await here.ask(method, path, change)
            assert answer.is_success, (method, change, answer.text)
            assert answer.json()["position"] == position == await here.head()
            assert answer.headers["etag"] == made.headers["etag"]

        gone = await here.done("DELETE", path)
        assert gone["position"] > position
        assert (await here.ask("GET", path)).status_code == 404
        assert (await here.done("DELETE", path))["position"] == gone["position"] == await here.head()


async def test_a_composite_and_its_components() -> None:
    """SYNC-11: stated with the composite they are all there are; by themselves, one at a time."""
    async with desk() as here:
        await lay(here, DEPLOYMENTS)
        await here.done("PUT", "/composites/c", {"alias": "both", "components": [COMPONENT]})
        one = "/composites/c/components/d2"
        assert await here.done("GET", one) == COMPONENT
        await here.done("PUT", "/composites/c/components/d", {"weight": 7})
        await here.done("PUT", "/composites/c", {"alias": "renamed"})
        listed = await here.done("GET", "/composites/c/components")
        assert [(part["deployment_id"], part["weight"]) for part in listed["data"]] == [("d", 7), ("d2", 5)]
        assert [part["deployment_id"] for part in (await here.done("GET", "/composites/c"))["components"]] == [
            "d2",
            "d",
        ]
        assert [provider.weight for provider in here.snapshot.pools["renamed"].providers] == [7], "one is not enabled"

        position = (await here.done("PATCH", "/composites/c", {"components": [{"deployment_id": "d"}]}))["position"]
        assert [part["deployment_id"] for part in (await here.done("GET", "/composites/c"))["components"]] == ["d"]
        assert (await here.ask("GET", one)).status_code == 404
        assert (await here.done("DELETE", one))["position"] == position
        for path in ("/composites/x/components", "/composites/x/components/d", "/composites/d/components"):
            assert (await here.ask("GET", path)).status_code == 404
        assert (await here.ask("PUT", "/composites/x/components/d", {})).status_code == 404
        assert (await here.ask("DELETE", "/composites/d")).status_code == 404, "a deployment is no composite"


async def test_groups_their_members_and_what_they_may_use() -> None:
    """SYNC-2, SYNC-4: the public group is there by itself, and everybody is in it."""
    async with desk() as here:
        await lay(here, WORLD)
        assert (await here.done("GET", "/groups/g/members"))["data"] == [{"id": "u"}]
        assert (await here.done("GET", "/groups/g/grants"))["data"] == [{"id": "c"}]
        assert (await here.done("GET", "/users/u"))["groups"] == ["g"]
        await here.done("PUT", f"/groups/{NIL}/grants/d")
        assert (await here.done("GET", f"/groups/{NIL}"))["grants"] == 1
        assert (await here.done("GET", "/pools/chat"))["grants"]["groups"] == [NIL]
        for method, path in (
            ("PUT", f"/groups/{NIL}"),
            ("DELETE", f"/groups/{NIL}"),
            ("PUT", f"/groups/{NIL}/members/u"),
        ):
            assert (await here.ask(method, path, {})).status_code == 422
        assert (await here.ask("PUT", "/groups/x/members/u")).status_code == 404
        refused = await here.ask("PUT", "/groups/g/members/nobody")
        assert refused.json()["errors"] == [
            {"where": "user_id", "what": "no user has the id 'nobody'", "valid": "the id of a user"}
        ]


async def test_credits() -> None:
    """SYNC-5, SYNC-6: entries are numbered one by one, and funds are there while the balance is above zero."""
    async with desk() as here:
        await lay(here, (USER,))
        path = "/users/u/credits"
        assert await here.done("GET", path) == {"balance": "0", "seq": 0, "is_funded": False}
        booked = await here.done("POST", path, {"kind": "purchase", "amount": "10"})
        assert booked == {"position": 3, "seq": 1}, "funds were restored by an event of their own"
        await here.done("POST", path, {"kind": "usage", "amount": "2.5"})
        assert await here.done("GET", path) == {"balance": "7.5", "seq": 2, "is_funded": True}
        late = await here.ask("POST", path, {"kind": "usage", "amount": "1", "seq": 2})
        assert (late.status_code, late.json()["errors"][0]["where"]) == (422, "seq")
        await here.done("POST", path + "/checkpoint", {"balance": "-1", "seq": 9})
        assert await here.done("GET", path) == {"balance": "-1", "seq": 9, "is_funded": False}
        assert (await here.ask("GET", "/users/x/credits")).status_code == 404
        assert (await here.ask("POST", "/users/x/credits", {"kind": "k", "amount": "1"})).status_code == 404


async def test_what_there_is_one_of() -> None:
    """CAP-1, SYNC-4: settings, escalation models, capacities and the faults of models."""
    async with desk() as here:
        await lay(here, (*WORLD, Sample("PATCH", "/composites/c", {"components": []})))
        await here.done("PATCH", "/settings", {"max_idle_per_host": 7})
        settings = await here.done("GET", "/settings")
        assert settings == {"strict_mode": False, "max_idle_per_host": 7, "idle_timeout_s": 90.0}
        await here.done("PUT", "/escalation", {"aliases": ["other", "chat", "chat"]})
        assert (await here.done("GET", "/escalation")) == {"aliases": ["chat", "other"]}
        await here.done("PATCH", "/deployments/d", {"batch_capacity": 2})
        await here.done("PUT", "/capacities/default", {"batch_capacity": 3})
        assert await here.done("GET", "/capacities/default") == {"batch_capacity": 3}
        capacities = (await here.done("GET", "/capacities"))["data"]
        assert capacities == [
            {"alias": alias, "batch_capacity": capacity} for alias, capacity in (("both", 3), ("chat", 2), ("other", 3))
        ]
        faults = (await here.done("GET", "/faults"))["data"]
        assert faults == [
            {"alias": "both", "model_id": "c", "faults": ["no component can serve it: enable or add one"]}
        ]
        assert (await here.done("GET", "/pools/both"))["faults"] == faults[0]["faults"]


async def test_pools_of_models_are_shown_and_not_changed() -> None:
    """DEF-19: a model's pool is changed by changing the model; an alias may contain slashes."""
    async with desk() as here:
        await lay(here, WORLD)
        listed = await here.done("GET", "/pools")
        assert [(pool["alias"], pool["model_id"]) for pool in listed["data"]] == [
            ("both", "c"),
            ("chat", "d"),
            ("other", "d2"),
            ("team/chat", None),
        ]
        got = await here.ask("GET", "/pools/team%2Fchat")
        assert got.json()["providers"][0]["url"] == "http://127.0.0.1:9/v1/", "normalised (URL-1)"
        assert (await here.ask("GET", "/pools/chat")).headers["etag"] == '"1"', "the model's"
        for method in ("PUT", "PATCH", "DELETE"):
            refused = await here.ask(method, "/pools/chat", None if method == "DELETE" else {})
            assert (refused.status_code, refused.json()["errors"][0]["what"]) == (422, "is the name of model d")
        for path in ("/pools/team//chat", "/pools/team/chat/", "/pools/team%2F%2Fchat", "/pools//team/chat"):
            assert (await here.ask("DELETE", path)).status_code == 404, "no part of a path is empty"
        assert "team/chat" in here.snapshot.pools


async def test_pages() -> None:
    """Each once, in the order of ids, whatever comes and goes between two pages."""
    async with desk() as here:
        names = [f"u{number:02d}" for number in range(25)]
        await lay(here, tuple(Sample("PUT", f"/users/{name}", {}) for name in names))
        seen, path = [], "/users?limit=10"
        while path:
            page = await here.done("GET", path)
            seen.append([user["id"] for user in page["data"]])
            if len(seen) == 1:
                await here.done("DELETE", f"/users/{page['next']}")
                await here.done("PUT", "/users/a-first", {})
                await here.done("PUT", "/users/u105", {})
            path = f"/users?limit=10&after={page['next']}" if page["next"] else ""
        assert seen == [names[:10], [names[10], "u105", *names[11:19]], names[19:]]
        assert (await here.done("GET", "/users?after=zzz"))["data"] == []
        for query in ("limit=0", "limit=1001", "limit=x", "after=" + "x" * 1025):
            refused = await here.ask("GET", f"/users?{query}")
            assert (refused.status_code, refused.json()["errors"][0]["where"][0]) == (422, "?")


async def test_every_answer_names_its_position() -> None:
    """Errors too; and no cache keeps any."""
    async with desk() as here:
        await here.done("PUT", "/users/u", {})
        for method, path, status in (
            ("GET", "/users/u", 200),
            ("GET", "/users/x", 404),
            ("GET", "/nothing", 404),
            ("POST", "/users", 405),
            ("PUT", "/users/u", 422),
            ("PUT", "/endpoints/e", 422),
        ):
            answer = await here.ask(method, path)
            assert answer.status_code == status, (method, path)
            assert answer.headers.get_list("x-pointsman-position") == ["1"]
            assert answer.headers.get_list("cache-control") == ["no-store"]
            assert status != 405 or set(answer.headers["allow"].replace(" ", "").split(",")) >= {"GET"}


async def test_a_tariff_costs_from_its_answer_on() -> None:
    """SYNC-5, DEF-16: one with a start in the past is current at once, and stays so under another price."""
    begun = {"model_id": "d", "input_price": "1", "output_price": "1", "valid_from": "2020-01-01T00:00:00Z"}
    async with desk() as here:
        for sample in DEPLOYMENTS:
            await here.done(sample.method, sample.path, sample.body)
        await here.done("PUT", "/tariffs/t", begun)
        for body in ({"input_price": "2"}, {"valid_from": "2021-01-01T00:00:00Z"}, {"valid_from": None}):
            await here.done("PATCH", "/tariffs/t", body)
            shown = await here.done("GET", "/tariffs/t")
            assert (shown["is_current"], shown["has_ended"]) == (True, False)
        await here.done("PATCH", "/tariffs/t", {"valid_until": "2022-01-01T00:00:00Z"})
        shown = await here.done("GET", "/tariffs/t")
        assert (shown["is_current"], shown["has_ended"]) == (False, True)
