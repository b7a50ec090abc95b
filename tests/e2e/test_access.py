"""Who may call which alias, where rules send a caller, and which models a caller is shown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.running import client, gateway, simulators
from tests.e2e.worlds import CHAT, asked, exchange, head

DENY = {"type": "deny"}


@asynccontextmanager
async def table(folder: Path, targets: dict[str, Any], auth: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway; `$one` and `$two` in a target stand for a simulator of that name."""
    async with simulators("one", "two") as (one, two):
        for target in targets.values():
            for provider in target.get("providers", [target]):
                provider["url"] = {"$one": one.url, "$two": two.url}[provider["url"]]
        async with gateway(folder, {"auth": auth, "targets": targets}) as running, client() as http:
            http.base_url = running.data
            yield http


async def status(http: httpx.AsyncClient, model: str, path: str = CHAT, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await http.post(path, json=asked(model, max_tokens=9), headers=named)).status_code


async def test_credentials(tmp_path: Path) -> None:
    """AUTH-1 to AUTH-4, AUTH-6, T2: exactly `Bearer `, or x-api-key; no token 401, a wrong one 403, open pools open."""
    definitions = {"id-k": {"key": "k"}}
    targets = {
        "keyed": {"url": "$one", "keys": ["id-k"]},
        "other": {"url": "$one", "keys": ["sk-o"]},
        "open": {"url": "$one"},
        "nobody": {"url": "$one", "keys": []},
    }
    async with table(tmp_path, targets, {"key_definitions": definitions}) as http:
        for expected, authorization in (
            (200, "Bearer k"),
            (403, "Bearer z"),
            (401, "bearer k"),
            (401, "BEARER k"),
            (403, "Bearer  k"),
            (401, "Bearer"),
            (401, "Basic azo="),
            (401, "k"),
            (403, "Bearer sk-o"),
            (403, "Bearer id-k"),
            (403, "Bearer K"),
        ):
            assert await status(http, "keyed", authorization=authorization) == expected, authorization
            assert await status(http, "open", authorization=authorization) == 200
        assert await status(http, "keyed") == 401
        assert await status(http, "keyed", x_api_key="k") == 200
        assert await status(http, "keyed", x_api_key="z") == 403
        assert await status(http, "keyed", x_api_key="k", authorization="Basic azo=") == 200
        assert await status(http, "nobody") == 401
        assert await status(http, "nobody", authorization="Bearer k") == 403


async def test_two_credentials(tmp_path: Path) -> None:
    """A07: with both headers, x-api-key decides on Anthropic's routes and for its clients, Bearer everywhere else."""
    async with table(tmp_path, {"m": {"url": "$one", "keys": ["sk-good"]}}, {}) as http:
        good_key = {"x_api_key": "sk-good", "authorization": "Bearer sk-bad"}
        good_bearer = {"x_api_key": "sk-bad", "authorization": "Bearer sk-good"}
        for path, version, expected in (
            ("/v1/messages", {}, (200, 403)),
            ("/v1/messages", {"anthropic_version": "2023-06-01"}, (200, 403)),
            (CHAT, {}, (403, 200)),
        ):
            assert await status(http, "m", path, **good_key, **version) == expected[0], path
            assert await status(http, "m", path, **good_bearer, **version) == expected[1], path


async def test_global_keys(tmp_path: Path) -> None:
    """AUTH-4, CFG-11: a global key opens every pool, and once there is one no pool is open to anyone."""
    targets = {
        "keyed": {"url": "$one", "keys": ["sk-k"]},
        "plain": {"url": "$one"},
        "none": {"url": "$one", "keys": []},
    }
    async with table(tmp_path, targets, {"global_keys": ["sk-g"]}) as http:
        for alias in targets:
            assert await status(http, alias, authorization="Bearer sk-g") == 200
            assert await status(http, alias) == 401
        assert await status(http, "keyed", authorization="Bearer sk-k") == 200
        assert await status(http, "plain", authorization="Bearer sk-k") == 403
        assert await status(http, "none", authorization="Bearer sk-k") == 403


async def test_rules(tmp_path: Path) -> None:
    """RULE-1 to RULE-5, RULE-7: the first rule whose every pair a presented key has decides; no token skips them."""
    redirect = {"type": "redirect", "target": "closed", "opens_target": True}
    targets = {
        "ruled": {
            "providers": [{"url": "$one"}],
            "routing_rules": [
                {"match_labels": {"purpose": "batch", "tier": "free"}, "action": redirect},
                {"match_labels": {"purpose": "batch"}, "action": DENY},
                {"match_labels": {"tier": "free"}, "action": redirect},
            ],
        },
        "authenticated": {"providers": [{"url": "$one"}], "routing_rules": [{"match_labels": {}, "action": DENY}]},
        "onward": {
            "providers": [{"url": "$one"}],
            "routing_rules": [{"match_labels": {}, "action": {"type": "redirect", "target": "empty"}}],
        },
        "closed": {"providers": [{"url": "$two"}], "keys": []},
        "empty": {"providers": []},
    }
    labels = {
        "sk-batch": {"purpose": "batch"},
        "sk-both": {"purpose": "batch", "tier": "free"},
        "sk-free": {"tier": "free", "more": "x"},
        "sk-people": {"purpose": "realtime"},
        "sk-plain": {},
    }
    definitions = {f"id-{secret}": {"key": secret, "labels": own} for secret, own in labels.items()}
    async with table(tmp_path, targets, {"key_definitions": definitions}) as http:
        served = {}
        for secret in (*labels, "sk-unknown"):
            answer = await http.post(CHAT, json=asked("ruled"), headers={"authorization": f"Bearer {secret}"})
            served[secret] = answer.headers.get("x-pointsman-pool", answer.status_code)
        assert served == {
            "sk-batch": 403,
            "sk-both": "closed",
            "sk-free": "closed",
            "sk-people": "ruled",
            "sk-plain": "ruled",
            "sk-unknown": "ruled",
        }
        assert await status(http, "ruled") == 200
        assert await status(http, "authenticated") == 200
        assert await status(http, "authenticated", authorization="Basic x") == 200
        assert await status(http, "authenticated", authorization="Bearer anything") == 403
        assert await status(http, "authenticated", x_api_key="anything") == 403
        assert await status(http, "onward", authorization="Bearer anything") == 503


async def test_a_redirect_asks_the_targets_keys(tmp_path: Path) -> None:
    """RULE-7, DEF-26: a caller gets where it could have gone itself, and further only where the rule says so."""

    def leading(target: str, **action: Any) -> dict[str, Any]:
        rule = {"match_labels": {}, "action": {"type": "redirect", "target": target, **action}}
        return {"providers": [{"url": "$one"}], "routing_rules": [rule]}

    targets = {
        "checked": leading("keyed"),
        "said-so": leading("keyed", opens_target=False),
        "opening": leading("keyed", opens_target=True),
        "onward": leading("open"),
        "keyed": {"url": "$two", "keys": ["sk-k"]},
        "open": {"url": "$two"},
    }
    async with table(tmp_path, targets, {}) as http:
        served: dict[str, list[Any]] = {}
        for alias in targets:
            served[alias] = []
            for secret in ("sk-k", "sk-other"):
                answer = await http.post(CHAT, json=asked(alias), headers={"authorization": f"Bearer {secret}"})
                served[alias].append(answer.headers.get("x-pointsman-pool", answer.status_code))
        assert served == {
            "checked": ["keyed", 403],
            "said-so": ["keyed", 403],
            "opening": ["keyed", "keyed"],
            "onward": ["open", "open"],
            "keyed": ["keyed", 403],
            "open": ["open", "open"],
        }
        refused = await http.post(CHAT, json=asked("checked"), headers={"authorization": "Bearer sk-other"})
        assert refused.json()["error"]["code"] == "forbidden"
        # Rules need a credential (RULE-3), so nobody is served where it asked.
        assert await status(http, "checked") == 200


async def test_a_global_key_is_redirected_anywhere(tmp_path: Path) -> None:
    """RULE-7, AUTH-4: it opens every pool; with one defined, a target without a list is closed to all other keys."""
    rule = {"match_labels": {}, "action": {"type": "redirect", "target": "plain"}}
    targets = {
        "ruled": {"providers": [{"url": "$one"}], "keys": ["sk-k"], "routing_rules": [rule]},
        "plain": {"url": "$two"},
    }
    async with table(tmp_path, targets, {"global_keys": ["sk-g"]}) as http:
        assert await status(http, "ruled", authorization="Bearer sk-g") == 200
        assert await status(http, "ruled", authorization="Bearer sk-k") == 403


async def test_a_redirect_is_one_hop(tmp_path: Path) -> None:
    """RULE-6, T5: A to B and B to A does not loop; B's provider serves A's caller under B's model name."""

    def to(target: str) -> list[dict[str, Any]]:
        return [{"match_labels": {}, "action": {"type": "redirect", "target": target}}]

    targets = {
        "a": {"providers": [{"name": "p-a", "url": "$one", "onwards_model": "for-a"}], "routing_rules": to("b")},
        "b": {"providers": [{"name": "p-b", "url": "$two", "onwards_model": "for-b"}], "routing_rules": to("a")},
    }
    async with table(tmp_path, targets, {}) as http:
        for asked_for, serving in (("a", "b"), ("b", "a")):
            answer = await http.post(CHAT, json=asked(asked_for), headers={"authorization": "Bearer any"})
            assert answer.json()["model"] == f"for-{serving}"
            assert answer.headers["x-pointsman-pool"] == serving
            assert answer.headers["x-pointsman-provider"] == f"p-{serving}"


@pytest.fixture
def models() -> dict[str, Any]:
    return {
        "open": {"url": "$one"},
        "org/name:tag": {"url": "$one", "keys": ["sk-k"]},
        "empty": {"providers": []},
        "denied": {
            "providers": [{"url": "$one"}],
            "keys": ["sk-k"],
            "routing_rules": [{"match_labels": {}, "action": DENY}],
        },
        "other": {"url": "$one", "keys": ["sk-o"]},
    }


async def test_the_list_of_models(tmp_path: Path, models: dict[str, Any]) -> None:
    """MODELS-1 to MODELS-4: sorted, shortened to what the bearer opens, never an error, untouched by rules."""
    async with table(tmp_path, models, {}) as http:
        for headers, expected in (
            ({}, ["empty", "open"]),
            ({"authorization": "Bearer wrong"}, ["empty", "open"]),
            ({"authorization": "Bearer sk-k"}, ["denied", "empty", "open", "org/name:tag"]),
            ({"x-api-key": "sk-o"}, ["empty", "open", "other"]),
        ):
            for path in ("/v1/models", "/models", "/v1/models?limit=20"):
                answer = await http.get(path, headers=headers)
                assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
                body = answer.json()
                assert body.keys() == {"object", "data"}
                assert [model["id"] for model in body["data"]] == expected
        assert body["data"][0] == {"id": "empty", "created": body["data"][0]["created"], "object": "model"} | {
            "owned_by": "None"
        }
        assert body["data"][0]["created"] > 1_750_000_000
        version = {"anthropic-version": "2023-06-01", "x-api-key": "sk-o"}
        listed = (await http.get("/v1/models", headers=version)).json()
        assert [model["id"] for model in listed.pop("data")] == ["empty", "open", "other"]
        assert listed == {"has_more": False, "first_id": "empty", "last_id": "other"}


async def test_one_model(tmp_path: Path, models: dict[str, Any]) -> None:
    """A09, D07, MODELS-1: a model is found by its name, percent-encoded or not; HEAD is GET without the body."""
    async with table(tmp_path, models, {}) as http:
        base, auth = str(http.base_url).rstrip("/"), "Authorization: Bearer sk-k"
        for target in ("/v1/models/org%2Fname%3Atag", "/v1/models/org/name:tag", "/models/org%2fname:tag"):
            found = await exchange(base, head(target, auth, method="GET"))
            assert (found.status, found.json()["id"], found.json()["object"]) == (200, "org/name:tag", "model")
            unseen = await exchange(base, head(target, method="GET"))
            assert (unseen.status, unseen.json()["error"]["code"]) == (404, "model_not_found")
        twice = await exchange(base, head("/v1/models/org%252Fname%253Atag", auth, method="GET"))
        assert twice.status == 404
        got, headed = await http.get("/v1/models"), await http.head("/v1/models")
        assert (headed.status_code, headed.content) == (200, b"")
        assert headed.headers["content-length"] == str(len(got.content))
