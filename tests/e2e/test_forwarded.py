"""What a provider receives of a request, and a client of an answer: address, headers, body, byte for byte."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx

from tests.e2e.running import Simulator, client, gateway, simulators
from tests.e2e.worlds import CHAT, asked, exchange, head, names, upstream_saying, values

STRIPPED = {
    "connection": "keep-alive, x-mine",
    "x-mine": "named in connection",
    "keep-alive": "timeout=5",
    "proxy-authenticate": "Basic",
    "proxy-authorization": "Basic eDp5",
    "te": "trailers",
    "trailer": "x-checksum",
    "authorization": "Bearer x",
    "x-api-key": "x",
    "api-key": "x",
    "x-goog-api-key": "x",
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "cors",
    "sec-fetch-dest": "empty",
    "sec-fetch-user": "?1",
    "sec-ch-ua": '"x"',
    "sec-ch-ua-platform": '"x"',
    "origin": "https://evil.example",
    "referer": "https://evil.example/page",
    "cookie": "c",
    "if-modified-since": "Sat, 01 Jan 2000 00:00:00 GMT",
    "if-none-match": '"x"',
    "if-match": '"x"',
    "if-unmodified-since": "Sat, 01 Jan 2000 00:00:00 GMT",
    "if-range": '"x"',
    "model-override": "m",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracestate": "a=b",
    "forwarded": "for=1.2.3.4",
    "x-forwarded-for": "1.2.3.4",
    "x-pointsman-pool": "x",
}
PASSED = {
    "user-agent": "agent/1",
    "accept": "application/json",
    "accept-encoding": "gzip, br",
    "content-type": "application/json",
    "anthropic-version": "2023-06-01",
    "openai-organization": "org-1",
    "openai-beta": "assistants=v2",
    "x-stainless-lang": "python",
    "x-custom": "caf\u00e9",
}


@attrs.frozen
class World:
    http: httpx.AsyncClient
    base: str
    one: Simulator

    async def received(self) -> dict[str, Any]:
        """What the simulator recorded last."""
        return (await self.one.requests())[-1]


@asynccontextmanager
async def world(folder: Path, **targets: Any) -> AsyncIterator[World]:
    """A gateway whose providers are all one simulator; a target's `url` is a path on it."""
    async with simulators("one") as (one,):
        for target in targets.values():
            for provider in target.get("providers", [target]):
                provider["url"] = one.url + provider.get("url", "/v1")
        async with gateway(folder, {"targets": targets}) as running, client() as http:
            http.base_url = running.data
            yield World(http, running.data, one)


async def test_what_is_stripped_and_what_passes(tmp_path: Path) -> None:
    """HDR-1, HDR-2, HDR-4, HDR-5, E01, E03, E04, T1: listed fields end here, others pass in order, framing is ours."""
    async with world(tmp_path, m={}) as w:
        body = json.dumps(asked()).encode()
        fields = [f"{name}: {value}" for name, value in (STRIPPED | PASSED).items()]
        twice = ("Anthropic-Beta: one", "anthropic-beta: two", f"Content-Length: {len(body)}")
        answer = await exchange(w.base, head(CHAT, *fields, *twice), body)
        assert answer.status == 200
        received = await w.received()
        own = ["host", "content-length", "x-forwarded-proto", "x-request-id"]
        assert names(received) == [*PASSED, "anthropic-beta", "anthropic-beta", *own]
        assert {name: values(received, name) for name in PASSED} == {name: [value] for name, value in PASSED.items()}
        assert values(received, "anthropic-beta") == ["one", "two"]
        assert values(received, "host") == [w.one.url.removeprefix("http://")]
        assert values(received, "content-length") == [str(len(received["body"]))]
        assert values(received, "x-forwarded-proto") == ["http"]
        assert json.loads(received["body"]) == asked()


async def test_a_chunked_body_arrives_with_its_length(tmp_path: Path) -> None:
    """HDR-1, HDR-2, D05: transfer-encoding and trailers end here; the provider is told the length."""
    async with world(tmp_path, m={}) as w:
        body = json.dumps(asked()).encode()
        chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:])]
        fields = ("Transfer-Encoding: chunked", "Trailer: x-checksum")
        answer = await exchange(w.base, head(CHAT, *fields), *chunks, b"0\r\nx-checksum: 1\r\n\r\n")
        assert answer.status == 200
        received = await w.received()
        assert values(received, "content-length") == [str(len(body))]
        assert not {"transfer-encoding", "trailer", "x-checksum"} & set(names(received))
        assert received["body"].encode() == body


async def test_the_credential_goes_where_it_is_configured(tmp_path: Path) -> None:
    """HDR-3, E04: the provider's own credential, under its header and prefix, even one stripped from clients."""
    async with world(
        tmp_path,
        plain={"onwards_key": "k"},
        named={"onwards_key": "k", "upstream_auth_header_name": "X-API-Key", "upstream_auth_header_prefix": ""},
        token={"onwards_key": "k", "upstream_auth_header_prefix": "Token "},
        custom={"onwards_key": "k", "upstream_auth_header_name": "x-custom"},
        none={"upstream_auth_header_name": "x-custom"},
    ) as w:
        for alias, name, expected in (
            ("plain", "authorization", ["Bearer k"]),
            ("named", "x-api-key", ["k"]),
            ("token", "authorization", ["Token k"]),
            ("custom", "x-custom", ["Bearer k"]),
            ("none", "x-custom", ["mine"]),
        ):
            sent = {"authorization": "Bearer mine", "x-api-key": "mine", "x-custom": "mine"}
            assert (await w.http.post(CHAT, json=asked(alias), headers=sent)).status_code == 200
            received = await w.received()
            assert values(received, name) == expected, alias
            others = {"authorization", "x-api-key"} - {name}
            assert all(values(received, other) == [] for other in others), alias


async def test_trace_context_goes_to_the_trusted(tmp_path: Path) -> None:
    """HDR-5: a client's trace context is passed on where the provider is trusted with it, else not."""
    async with world(tmp_path, m={}, own={"trusted": True}, asked={"propagate_trace_context": True}) as w:
        for alias, expected in (("m", []), ("own", [STRIPPED["traceparent"]]), ("asked", [STRIPPED["traceparent"]])):
            await w.http.post(CHAT, json=asked(alias), headers={"traceparent": STRIPPED["traceparent"]})
            assert values(await w.received(), "traceparent") == expected, alias


async def test_addresses_are_joined(tmp_path: Path) -> None:
    """URL-1 to URL-3, MODEL-4, MODEL-8: each row of the table, over every method's own way to name the alias."""
    rows = (
        ("/v1", "/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions", "/v1/chat/completions"),
        ("/v1", "/v1x/y", "/v1/v1x/y"),
        ("/v2", "/v1/y", "/v2/v1/y"),
        ("/", "/v1/y?a=b", "/v1/y?a=b"),
        ("", "/v1/y?a=b", "/v1/y?a=b"),
        ("/api/v1", "/api/v1/models", "/api/v1/models"),
        ("/v1", "/v1", "/v1/"),
        ("/v1", "/v1?x=1", "/v1/?x=1"),
        ("/v1", "/v1/models", "/v1/models"),
        ("/v1", "/v1/files/a%2Fb%3A?q=%2e%2e&r=//", "/v1/files/a%2Fb%3A?q=%2e%2e&r=//"),
        ("/v1", "/health", "/v1/health"),
    )
    targets = {f"m{place}": {"url": base} for place, (base, _, _) in enumerate(rows)}
    async with world(tmp_path, **targets) as w:
        for place, (_, target, expected) in enumerate(rows):
            for method in ("GET", "DELETE"):
                await exchange(w.base, head(target, f"Model-Override: m{place}", method=method))
                received = await w.received()
                assert (received["method"], received["target"]) == (method, expected)
                assert values(received, "content-length") == []


VALUES = (
    b'"temperature":1.10,"top_p":1e5,"seed":123456789012345678901234567890,"user":"\\u00e9\\/\\ud83d\\ude00",'
    b'"stop":[ "\xc3\xa9" ,  1.0E-2],"metadata":{"model":"inner","a":-0.0}'
)


async def test_only_the_model_is_rewritten(tmp_path: Path) -> None:
    """MODEL-5, E02: with onwards_model the top-level model changes and every other value keeps its bytes."""
    async with world(tmp_path, m={"onwards_model": 'up/"stream"'}, same={}) as w:
        body = b'{ "model" : "%b" , ' + VALUES + b',\n"messages":[ {"role":"user","content":"h\\u0069"} ] }  '
        await w.http.post(CHAT, content=body.replace(b"%b", b"same"))
        assert (await w.received())["body"].encode() == body.replace(b"%b", b"same")
        await w.http.post(CHAT, content=body.replace(b"%b", b"m"))
        received = await w.received()
        messages = b'"messages":[ {"role":"user","content":"h\\u0069"} ]'
        assert received["body"].encode() == b'{"model":"up/\\"stream\\"",' + VALUES + b"," + messages + b"}"
        assert values(received, "content-length") == [str(len(received["body"].encode()))]


async def test_the_alias_is_found(tmp_path: Path) -> None:
    """MODEL-1 to MODEL-3, DEF-42: escapes are decoded; the header wins, and the body then names its alias."""
    targets = {"org/name": {}, "café": {}, "renamed": {"onwards_model": "real"}}
    async with world(tmp_path, **targets) as w:
        for model in (b"org\\/name", b"org\\u002fname", b"\\u006frg/name"):
            body = b'{"model":"%b","messages":[{"role":"user","content":"x"}]}' % model
            answer = await w.http.post(CHAT, content=body)
            assert answer.headers["x-pointsman-pool"] == "org/name"
            assert (await w.received())["body"].encode() == body
        answer = await w.http.post(CHAT, json=asked("café"))
        assert answer.headers["x-pointsman-pool"] == "caf%C3%A9"
        for override, expected in (("org/name", "org/name"), ("renamed", "real"), ("café", "café")):
            answer = await w.http.post(CHAT, json=asked("other"), headers={b"model-override": override.encode()})
            assert answer.status_code == 200
            assert json.loads((await w.received())["body"])["model"] == expected
        unreadable = await w.http.post(CHAT, json=asked("renamed"), headers={b"model-override": b"\xff"})
        assert (unreadable.status_code, unreadable.json()["error"]["param"]) == (400, "model")
        renamed = {"model-override": "renamed"}
        for body in (b'["model"]', b'{"messages":[]}', b"text"):
            refused = await w.http.post(CHAT, content=body, headers=renamed)
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, "model")
        assert (await w.http.post(CHAT, content=b"text", headers={"model-override": "org/name"})).status_code == 400
        assert (await w.received())["body"] == "text"


async def test_each_attempt_begins_with_the_clients_body(tmp_path: Path) -> None:
    """MODEL-6: a fallback's attempts have each their provider's model in the client's own body."""
    pool = {
        "strategy": "priority",
        "fallback": {"enabled": True, "on_status": [5]},
        "providers": [{"onwards_model": "first"}, {"onwards_model": "second"}, {"url": "/v1/"}],
    }
    async with world(tmp_path, m=pool) as w:
        await w.one.change(error_status=500)
        answer = await w.http.post(CHAT, json=asked(user="u"))
        assert (answer.status_code, answer.headers["x-pointsman-attempts"]) == (500, "3")
        bodies = [json.loads(each["body"]) for each in await w.one.requests()]
        assert bodies == [asked(model, user="u") for model in ("first", "second", "m")]


async def test_response_headers_are_set(tmp_path: Path) -> None:
    """HDR-6, DEF-25: the pool's are defaults, the provider's win, over upstream's too; our own errors have none."""
    pool = {
        "providers": [{"response_headers": {"X-Both": "provider", "X-Simulator": "hidden"}}],
        "response_headers": {"x-both": "pool", "Input-Price": "0.1"},
    }
    async with world(tmp_path, m=pool, empty={**pool, "providers": []}) as w:
        for status in ("200", "418"):
            failing = {} if status == "200" else {"x-simulate-error-status": status}
            answer = await w.http.post(CHAT, json=asked(), headers=failing)
            assert str(answer.status_code) == status
            for name, value in (("x-both", "provider"), ("x-simulator", "hidden"), ("input-price", "0.1")):
                assert answer.headers.get_list(name) == [value]
        refused = await w.http.post(CHAT, json=asked("empty"))
        assert refused.status_code == 503
        assert not {"x-both", "input-price"} & set(refused.headers)


async def test_upstream_headers_pass(tmp_path: Path) -> None:
    """HDR-7, E01, E11: an answer's headers pass as they are, less hop-by-hop ones; its id is kept beside ours.

    Its Retry-After is said again in the gateway's own words (RL-4).
    """
    body = b"\x1f\x8bnot really gzip"
    raw = (
        b"HTTP/1.1 429 Whatever\r\ncontent-type: application/x-thing\r\ncontent-encoding: gzip\r\nretry-after: 7\r\n"
        b"x-ratelimit-remaining: 0\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx-request-id: req_up\r\n"
        b"x-pointsman-provider: forged\r\nconnection: close, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n"
        b"proxy-authenticate: Basic\r\ntrailer: x-sum\r\nupgrade: h2c\r\ncontent-length: %d\r\n\r\n%b"
        % (len(body), body)
    )
    async with upstream_saying(raw) as url:
        document = {"targets": {"m": {"name": "p", "url": url}}}
        async with gateway(tmp_path, document) as running, client() as http:
            async with http.stream("POST", f"{running.data}{CHAT}", json=asked()) as answer:
                received = b"".join([chunk async for chunk in answer.aiter_raw()])
            assert (answer.status_code, received) == (429, body)
            passed = [(name, value) for name, value in answer.headers.multi_items() if not name.startswith("x-p")]
            own = answer.headers["x-request-id"]
            assert passed == [
                ("content-type", "application/x-thing"),
                ("content-encoding", "gzip"),
                ("x-ratelimit-remaining", "0"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
                ("x-upstream-request-id", "req_up"),
                ("retry-after", "7"),
                ("retry-after-ms", "7000"),
                ("x-request-id", own),
                ("content-length", str(len(body))),
            ]
            assert own != "req_up"
            assert answer.headers.get_list("x-pointsman-provider") == ["p"]
