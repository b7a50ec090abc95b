"""Who may say where an upstream credential is sent: the scope admin, by whatever route."""

from typing import Any

import pytest

from tests.http.admin.rig import Desk
from tests.http.admin.test_apply import at, sent

__all__ = ["at"]

EVIL = "http://evil.example/v1/"


async def made(at: Desk) -> str:
    """A pool and an endpoint with credentials; a token that may operate."""
    provider = {"name": "a", "url": "http://a.example/v1", "api_key": "sk-the-secret-of-a"}
    await at.done("PUT", "/pools/chat", {"providers": [provider]})
    await at.done("PUT", "/endpoints/e", {"url": "http://b.example/v1", "api_key": "sk-the-secret-of-b"})
    return await at.token("operate", "o")


def elsewhere(credential: str) -> list[tuple[str, str, Any]]:
    native = {"pools": {"mine": {"providers": [{"name": "x", "url": EVIL, "credential": credential}]}}}
    endpoints = {"endpoints": {"mine": {"url": EVIL, "credential": credential}}}
    provider = {"name": "x", "url": EVIL, "credential": credential}
    return [
        ("PUT", "/pools/mine", {"providers": [provider]}),
        ("PUT", "/endpoints/mine", {"url": EVIL, "credential": credential}),
        ("PATCH", "/endpoints/e", {"url": EVIL}),
        ("PATCH", "/endpoints/e", {"auth_header": "x-api-key"}),
        ("POST", "/apply", sent({"pointsman": 1, **native}, "x.json")),
        ("POST", "/apply?dry_run=true", sent({"pointsman": 1, **native}, "x.json")),
        ("POST", "/apply", sent({"pointsman": 1, **endpoints}, "x.json")),
        ("POST", "/apply", sent({"targets": {"mine": {"url": EVIL, "onwards_key": "sk-literal"}}}, "x.json")),
        ("POST", "/apply", sent({"targets": {"mine": {"url": EVIL, "onwards_key": "file:/dev/null"}}}, "x.json")),
    ]


async def test_a_token_that_operates_sends_no_credential_elsewhere(at: Desk) -> None:
    """KEY-1: neither by an entity's own route nor by a file of either format; the answer names what asks for more."""
    operate = await made(at)
    credential = at.snapshot.pools["chat"].providers[0].credential
    head = await at.head()
    for name in (credential, "env:HOME", "file:/etc/hostname"):
        for method, path, body in elsewhere(name or ""):
            kind = {"content_type": "application/merge-patch+json"} if method == "PATCH" else {}
            answer = await at.ask(method, path, body, token=operate, **kind)
            if "/dev/null" in str(body):
                assert answer.status_code in {403, 422}
                continue
            assert answer.status_code == 403, (path, body, answer.text)
            detail = answer.json()["detail"]
            assert "scope admin" in detail
            assert "pool:mine" in detail or "endpoint:" in detail
    assert await at.head() == head


async def test_what_goes_where_it_went_is_for_whoever_operates(at: Desk) -> None:
    """The same table by an export, and other changes beside the credential."""
    operate = await made(at)
    credential = at.snapshot.pools["chat"].providers[0].credential
    stated = {"name": "a", "url": "http://a.example/v1/", "credential": credential, "weight": 3}
    document = {"pointsman": 1, "pools": {"chat": {"providers": [stated]}}}
    answer = await at.ask("POST", "/apply", sent(document, "x.json"), token=operate)
    assert (answer.status_code, at.snapshot.pools["chat"].providers[0].weight) == (200, 3), answer.text
    renamed = await at.ask(
        "PATCH", "/endpoints/e", {"name": "E"}, token=operate, content_type="application/merge-patch+json"
    )
    assert renamed.status_code == 200, renamed.text
    wrong = {"pointsman": 1, "pools": {"chat": {"providers": [{**stated, "url": "no url"}]}}}
    assert (await at.ask("POST", "/apply", sent(wrong, "x.json"), token=operate)).status_code == 422
    refused = await at.ask("PUT", "/pools/mine", {"limits": {"burst": -1}}, token=operate)
    assert [one["where"] for one in refused.json()["errors"]] == ["limits.burst"]


@pytest.mark.parametrize("text", ["sk live with spaces", "", "a\nb", "env:", "file:", "ü", "x" * 200])
async def test_a_text_that_names_no_credential_is_refused(at: Desk, text: str) -> None:
    """KEY-2: it may be the secret itself, so it is neither taken nor repeated."""
    for document, place in (
        ({"endpoints": {"e": {"url": "http://a.example", "credential": text}}}, "$.endpoints.e.credential"),
        (
            {"pools": {"p": {"providers": [{"name": "a", "url": "http://a.example/", "credential": text}]}}},
            "$.pools.p.providers[0].credential",
        ),
    ):
        answer = await at.ask("POST", "/apply", sent({"pointsman": 1, **document}, "x.json"))
        (error,) = answer.json()["errors"]
        assert (answer.status_code, f"{place}: no name of a credential" in error["what"]) == (422, True), answer.text
        assert len(text) < 10 or text not in answer.text
    assert await at.head() == 0
