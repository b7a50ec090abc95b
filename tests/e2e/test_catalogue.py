"""Every refusal the gateway makes, in both envelopes and to the letter, and the order in which its reasons are asked.

ERR-7 has no cause in this version; whose limit it was and when to come back is in `test_refusals`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import httpx

from tests.e2e.running import client, gateway, simulators
from tests.e2e.worlds import CHAT, asked, exchange, head

NO_MODEL = (
    "Could not parse onwards model from request. 'model' parameter must be supplied in either the body or in the "
    "Model-Override header."
)
LATER = "An internal error occurred. Please try again later."
BUSY = "Too many concurrent requests. Please wait for some requests to complete before sending more."
TOO_LARGE = "Request body too large: the maximum allowed size is 33554432 bytes."
ANTHROPIC = {"anthropic-version": "2023-06-01"}


@attrs.frozen
class Row:
    status: int
    openai_type: str
    code: str
    message: str
    anthropic_type: str
    param: str | None = None


INVALID = "invalid_request_error"
BAD_MODEL = Row(400, INVALID, "bad_request", NO_MODEL, INVALID, "model")
UNAUTHENTICATED = Row(
    401,
    INVALID,
    "unauthenticated",
    "Please supply an authentication token to access this resource",
    "authentication_error",
)
FORBIDDEN = Row(403, INVALID, "forbidden", "Forbidden", "permission_error")
MISSING = Row(
    404,
    INVALID,
    "model_not_found",
    "The model `none` does not exist or you do not have access to it.",
    "not_found_error",
)
LARGE = Row(413, INVALID, "payload_too_large", TOO_LARGE, "request_too_large")
CONCURRENT = Row(429, "rate_limit_error", "concurrency_limit_exceeded", BUSY, "rate_limit_error")
FAST = Row(
    429,
    "rate_limit_error",
    "rate_limit",
    "You are sending requests too quickly. Please slow down.",
    "rate_limit_error",
)
BAD_GATEWAY = Row(502, "internal_error", "internal_error", LATER, "api_error")
UNAVAILABLE = Row(503, "internal_error", "service_unavailable", LATER, "overloaded_error")
LATE = Row(
    504,
    "internal_error",
    "gateway_timeout",
    "The upstream service took too long to respond. Please try again.",
    "timeout_error",
)


def check(row: Row, status: int, headers: Mapping[str, str], body: Any, *, anthropic: bool) -> None:
    """An answer is a row of the catalogue, in one of its two envelopes."""
    assert status == row.status
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"]
    if not anthropic:
        error = {"message": row.message, "type": row.openai_type, "param": row.param, "code": row.code}
        assert body == {"error": error}
        return
    error = {"type": row.anthropic_type, "message": row.message}
    assert body == {"type": "error", "error": error, "request_id": headers["request-id"]}
    assert headers["request-id"] == headers["x-request-id"]


async def check_both(http: httpx.AsyncClient, row: Row, body: Any, **headers: str) -> None:
    """A POST is refused with a row, to an OpenAI client and to an Anthropic one."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    for anthropic in (False, True):
        sent = named | (ANTHROPIC if anthropic else {})
        if isinstance(body, bytes):
            answer = await http.post("/v1/messages" if anthropic else CHAT, content=body, headers=sent)
        else:
            answer = await http.post("/v1/messages" if anthropic else CHAT, json=body, headers=sent)
        check(row, answer.status_code, answer.headers, answer.json(), anthropic=anthropic)


async def test_every_row_in_both_envelopes(tmp_path: Path) -> None:
    """ERR-1 to ERR-6, ERR-8, ERR-9, ERR-11 to ERR-13: status, type, code, param and text, each caused for real."""
    async with simulators("one") as (one,), simulators("gone") as (gone,):
        gone.end()
        url = f"{one.url}/v1"
        document = {
            "targets": {
                "open": {"url": url},
                "closed": {"url": url, "keys": ["sk-insider"]},
                "full": {"providers": [{"url": url}], "concurrency_limit": {"max_concurrent_requests": 0}},
                "busy": {"url": url, "concurrency_limit": {"max_concurrent_requests": 0}},
                "rare": {"url": url, "rate_limit": {"requests_per_second": 0.001}},
                "empty": [],
                "dead": {"url": gone.url},
                "slow": {"url": url, "request_timeout_secs": 0.05},
            }
        }
        async with gateway(tmp_path, document) as running, client() as http:
            http.base_url = running.data
            await check_both(http, BAD_MODEL, {"messages": []})
            await check_both(http, BAD_MODEL, b"")
            await check_both(http, UNAUTHENTICATED, asked("closed"))
            await check_both(http, FORBIDDEN, asked("closed"), authorization="Bearer sk-outsider")
            await check_both(http, MISSING, asked("none"))
            await check_both(http, CONCURRENT, asked("full"))
            await check_both(http, CONCURRENT, asked("busy"))
            assert (await http.post(CHAT, json=asked("rare"))).status_code == 200
            await check_both(http, FAST, asked("rare"))
            await check_both(http, BAD_GATEWAY, asked("open"), x_simulate_refuse="true")
            await check_both(http, UNAVAILABLE, asked("empty"))
            await check_both(http, UNAVAILABLE, asked("dead"))
            await check_both(http, LATE, asked("slow"), x_simulate_hang="true")
            for fields, anthropic in (((), False), (("anthropic-version: 2023-06-01",), True)):
                large = await exchange(running.data, head(CHAT, "Content-Length: 33554433", *fields))
                check(LARGE, large.status, large.headers, large.json(), anthropic=anthropic)
            assert not [line for line in running.lines() if line["level"] == "error"]


async def test_a_credential_that_is_gone_passes_to_the_next_provider(tmp_path: Path) -> None:
    """ERR-12: started from the log without the variable its table names, a provider cannot be asked; another can."""
    async with simulators("one") as (one,):
        locked = {"name": "locked", "url": f"{one.url}/v1", "onwards_key": "env:UPSTREAM_SECRET"}
        document = {
            "targets": {
                "m": locked,
                "pair": {
                    "strategy": "priority",
                    "fallback": {"enabled": True},
                    "providers": [locked, {"name": "open", "url": f"{one.url}/v1"}],
                },
            }
        }
        async with gateway(tmp_path, document, environ={"UPSTREAM_SECRET": "sk-upstream"}) as running:
            assert await running.stop() == 0
        async with gateway(tmp_path) as running, client() as http:
            http.base_url = running.data
            (warning, _) = await running.logged("a provider has no credential", 2)
            assert warning["provider"] == "locked"
            assert "UPSTREAM_SECRET is not set" in warning["problem"]
            await check_both(http, UNAVAILABLE, asked())
            (refused, _) = await running.logged("refused", 2)
            assert refused["tried"] == [
                (
                    "locked: credential: credential 'env:UPSTREAM_SECRET': "
                    "the environment variable UPSTREAM_SECRET is not set or empty"
                )
            ]
            answer = await http.post(CHAT, json=asked("pair"))
            assert (answer.status_code, answer.headers["x-pointsman-provider"]) == (200, "open")


async def test_a_body_that_names_no_model_is_told_why(tmp_path: Path) -> None:
    """MODEL-2, F01, F02, F03: what is no JSON object with a string as `model` is a 400 that says what it is instead."""
    async with gateway(tmp_path, {"targets": {}}) as running, client() as http:
        http.base_url = running.data
        for body, reason in (
            (b"{", "not valid JSON"),
            (b'{"model": "m"} {}', "not valid JSON"),
            (b"{'model': 'm'}", "not valid JSON"),
            (b'{"model": NaN}', "not valid JSON"),
            (b'{"model": "m", "user": "\xff"}', "not valid JSON"),
            (b"\xef\xbb\xbf{}", "not valid JSON"),
            (b"[" * 100_000, "body"),
            (b'["m"]', "must be a JSON object"),
            (b'"m"', "must be a JSON object"),
            (b"null", "must be a JSON object"),
            (b'{"model": null}', ""),
            (b'{"model": 7}', ""),
            (b'{"model": ["m"]}', ""),
        ):
            answer = await http.post(CHAT, content=body)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["param"]) == (400, "bad_request", "model"), body
            assert error["message"].startswith(NO_MODEL)
            assert reason in error["message"].removeprefix(NO_MODEL)
        twice = await http.post(CHAT, content=b'{"model": "m", "x": {"model": 1}, "model": "m"}')
        assert twice.status_code == 400
        assert twice.json()["error"]["message"] == "The body gives 'model' more than once."
        nested = await http.post(CHAT, content=b'{"model": "m", "x": {"model": 1}}')
        assert nested.status_code == 404
        for model in ("", "a" * 300, "../m", "m\r\nx: y", "\u043c"):
            answer = await http.post(CHAT, json=asked(model))
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
            assert len(answer.json()["error"]["message"]) < 200


async def test_reasons_are_asked_in_order(tmp_path: Path) -> None:
    """ORDER-1, ORDER-2, T3: an unknown alias before credentials, credentials before rules, rules before limits."""
    full = {"concurrency_limit": {"max_concurrent_requests": 0}}
    deny = {"match_labels": {"purpose": "batch"}, "action": {"type": "deny"}}
    document = {
        "auth": {
            "key_definitions": {
                "batch": {"key": "sk-batch", "labels": {"purpose": "batch"}, **full},
                "people": {"key": "sk-people", "labels": {"purpose": "realtime"}},
            }
        },
        "targets": {
            "m": {"providers": [], "keys": ["batch", "people"], "routing_rules": [deny]},
            "full": {"providers": [{"url": "http://127.0.0.1:9"}], "keys": ["batch", "people"], **full},
        },
    }
    batch, people = {"authorization": "Bearer sk-batch"}, {"authorization": "Bearer sk-people"}
    async with gateway(tmp_path, document) as running, client() as http:
        http.base_url = running.data
        for model, headers, row in (
            ("none", {}, MISSING),
            ("none", {"authorization": "Bearer sk-nobody"}, MISSING),
            ("m", {}, UNAUTHENTICATED),
            ("m", {"authorization": "Bearer sk-nobody"}, FORBIDDEN),
            ("m", batch, FORBIDDEN),
            ("m", people, UNAVAILABLE),
            ("full", batch, CONCURRENT),
            ("full", people, CONCURRENT),
        ):
            answer = await http.post(CHAT, json=asked(model), headers=headers)
            check(row, answer.status_code, answer.headers, answer.json(), anthropic=False)


async def test_a_refusal_spends_nothing(tmp_path: Path) -> None:
    """ORDER-2, T4: a denied caller holds no slot of its key or pool, so that the one slot there is stays free."""
    one_slot = {"concurrency_limit": {"max_concurrent_requests": 1}}
    async with simulators("one") as (one,):
        document = {
            "auth": {
                "key_definitions": {
                    "batch": {"key": "sk-batch", "labels": {"purpose": "batch"}, **one_slot},
                    "people": {"key": "sk-people", **one_slot},
                }
            },
            "targets": {
                "m": {
                    "providers": [{"url": one.url}],
                    "keys": ["batch", "people"],
                    "routing_rules": [{"match_labels": {"purpose": "batch"}, "action": {"type": "deny"}}],
                    **one_slot,
                },
                "dead": {"providers": [], "keys": ["people"], **one_slot},
            },
        }
        async with gateway(tmp_path, document) as running, client() as http:
            http.base_url = running.data
            for _ in range(2):
                denied = await http.post(CHAT, json=asked(), headers={"authorization": "Bearer sk-batch"})
                refused = await http.post(CHAT, json=asked("dead"), headers={"authorization": "Bearer sk-people"})
                assert (denied.status_code, refused.status_code) == (403, 503)
            served = await http.post(CHAT, json=asked(), headers={"authorization": "Bearer sk-people"})
            assert served.status_code == 200
            await running.at_rest()


async def test_an_escaping_path_is_refused(tmp_path: Path) -> None:
    """URL-4, D07: a path that could leave a provider's prefix is a 400 in the client's envelope, and goes nowhere."""
    async with simulators("one") as (one,):
        async with gateway(tmp_path, {"targets": {"m": {"url": f"{one.url}/v1"}}}) as running:
            for target in (
                "//evil.example/v1/x",
                "/v1/../admin",
                "/v1/%2e%2E/x",
                "/v1/./x",
                "/v1//x",
                "/..",
                "/v1/a\\b",
                "/v1/%5c..%5cx",
            ):
                answer = await exchange(running.data, head(target, "Model-Override: m", method="GET"))
                assert (answer.status, answer.json()["error"]["code"]) == (400, "bad_request"), target
                assert answer.json()["error"]["param"] == "path"
        assert await one.requests() == []
