"""Who may come in: every route, with every kind of token that is not good enough."""

import re
from hashlib import sha256
from typing import Any

import pytest
from litestar import get

from adapters.http.admin.app import all_routes
from adapters.http.admin.entrance import check_scopes
from engine.commands import ChangeEntities
from engine.events import TokenRemoved
from tests.http.admin.rig import NOW_US, TOKEN, Desk, desk
from tests.http.admin.samples import WORLD
from tests.http.admin.test_every_change import routes

METHODS = ("GET", "PUT", "PATCH", "POST", "DELETE")
SMALLER = {"read": (), "operate": ("read",), "admin": ("read", "operate")}


def filled(path: str, names: str) -> str:
    """A path with something in its places."""
    return re.sub(r"\{\w+:\w+\}", names, path)


async def asked(here: Desk, token: str | None) -> dict[tuple[str, str], Any]:
    """What each route answers to a token, for what is there and for what is not."""
    return {
        (method, path): await here.ask(method, path, b"{", token=token)
        for method, template, _ in routes(*METHODS)
        for path in (filled(template, "u"), filled(template, "nothing-there"))
    }


async def test_without_a_good_token_nothing_is_told() -> None:
    """None, an unknown one, a revoked one, an expired one: one answer, whatever is asked for, also for what is not
    there; nothing is changed.
    """
    async with desk() as here:
        for sample in WORLD:
            await here.done(sample.method, sample.path, sample.body)
        revoked = await here.token("admin", "revoked")
        expired = await here.token("admin", "expired", expires_at=NOW_US // 1_000_000)
        removed = ChangeEntities((TokenRemoved("revoked"),))
        await here.office.follower.applied((await here.office.writer.write(removed, actor="test")).position)
        head = await here.head()
        answers = set()
        for token in (None, "unknown", revoked, expired, sha256(TOKEN.encode()).hexdigest()):
            for (method, path), answer in (await asked(here, token)).items():
                assert answer.status_code == 401, (method, path)
                answers.add((answer.text, answer.headers["www-authenticate"], answer.headers["content-type"]))
            for path in ("/nothing/at/all", "/users/u/credits/", "/users/../../../schema/openapi.json"):
                answer = await here.ask("GET", path.replace("..", "%2e%2e"), token=token)
                assert answer.status_code == 401, path
        assert len(answers) == 1
        assert "u" not in re.findall(r"\w+", next(iter(answers))[0])
        assert await here.head() == head


async def test_a_scope_that_is_too_small_is_told_which_one_is_needed() -> None:
    """403 before the body, or what there is, is looked at; each scope includes the smaller ones."""
    async with desk() as here:
        tokens = {scope: await here.token(scope, scope) for scope in SMALLER}
        head = await here.head()
        for method, template, needed in routes(*METHODS):
            for scope in SMALLER[needed]:
                texts = set()
                for name in ("u", "nothing-there"):
                    answer = await here.ask(method, filled(template, name), b"{", token=tokens[scope])
                    assert answer.status_code == 403, (method, template, scope)
                    texts.add(answer.json()["detail"])
                assert texts == {f"This address asks for a token of scope {needed}; this one has {scope}."}
            if method == "GET" and "stream" not in template and "verify" not in template:
                assert (await here.ask(method, filled(template, "u"), token=tokens["admin"])).status_code != 403
        assert await here.head() == head
        assert (await here.ask("PUT", "/users/u", {}, token=tokens["operate"])).status_code == 200


async def test_a_token_is_good_until_the_moment_it_expires() -> None:
    """By this gateway's clock."""
    async with desk() as here:
        token = await here.token("read", "brief", expires_at=NOW_US // 1_000_000 + 60)
        assert (await here.ask("GET", "/users", token=token)).status_code == 200
        here.now_us += 60_000_000 - 1
        assert (await here.ask("GET", "/users", token=token)).status_code == 200
        here.now_us += 1
        assert (await here.ask("GET", "/users", token=token)).status_code == 401


async def test_how_a_token_is_presented() -> None:
    """AUTH-9: as a bearer, or as x-admin-key; the process' own token is admin, and is called local."""
    async with desk() as here:
        token = await here.token("read", "reader")
        for headers, status in (
            ({"authorization": f"Bearer {token}"}, 200),
            ({"authorization": f"bearer  {token}"}, 200),
            ({"x_admin_key": token}, 200),
            ({"x_admin_key": TOKEN}, 200),
            ({"authorization": "Basic dTpw", "x_admin_key": token}, 200),
            ({"authorization": f"Basic {token}"}, 401),
            ({"authorization": "Bearer unknown", "x_admin_key": token}, 401),
            ({"authorization": token}, 401),
            ({"x_api_key": token}, 401),
            ({"authorization": "Bearer"}, 401),
        ):
            answer = await here.ask("GET", "/users", token=None, **headers)
            assert answer.status_code == status, headers
        await here.done("PUT", "/users/u", {})
        assert [one.actor for one in await here.log.read(1)] == ["token:local"]


async def test_the_description_is_public_and_nothing_else_is() -> None:
    """It is the same everywhere, and tells of no entity."""
    async with desk() as here:
        described = await here.ask("GET", "/schema/openapi.json", token=None)
        assert described.status_code == 200
        assert described.json()["openapi"] == "3.1.0"
        for path in ("/schema/", "/schema/swagger", "/schema/openapi.yaml", "/schema/openapi.json/"):
            assert (await here.ask("GET", path, token=None)).status_code == 401, path
        for path in ("/", "/admin", "/admin/v1", "/metrics"):
            assert (await here.client.get(path)).status_code == 401, path


def test_a_route_without_a_scope_does_not_build() -> None:
    """Nobody can forget to say who may use it."""

    @get("/open", opt={}, sync_to_thread=False)
    def open_to_all() -> None:
        return None

    with pytest.raises(ValueError, match=r"/open.*states no scope"):
        check_scopes([open_to_all])
    check_scopes(all_routes())


async def test_a_credential_goes_where_it_went_before() -> None:
    """Whoever could send one elsewhere could read it there: that asks for scope admin, and nothing else here does."""
    async with desk() as here:
        operator = await here.token("operate", "operator")
        endpoint = {"url": "https://a.example/v1", "api_key": "sk-upstream"}
        provider = {"name": "one", "url": "https://a.example/v1", "credential": "env:UPSTREAM"}
        for method, path, body in (
            ("PUT", "/endpoints/e", endpoint),
            ("PUT", "/endpoints/e", {"url": "https://a.example/v1", "credential": "env:HOME"}),
            ("PUT", "/pools/chat", {"providers": [provider]}),
        ):
            refused = await here.ask(method, path, body, token=operator)
            assert (refused.status_code, "of scope admin" in refused.text) == (403, True)
        await here.done("PUT", "/endpoints/e", endpoint)
        await here.done("PUT", "/pools/chat", {"providers": [provider]})
        for method, path, body in (
            ("PATCH", "/endpoints/e", {"url": "https://mine.example/v1"}),
            ("PATCH", "/endpoints/e", {"api_key": "file:/etc/passwd"}),
            ("PATCH", "/pools/chat", {"providers": [{**provider, "url": "https://mine.example"}]}),
        ):
            assert (await here.ask(method, path, body, token=operator)).status_code == 403
        for method, path, body in (
            ("PATCH", "/endpoints/e", {"name": "renamed", "url": "https://a.example/v1/"}),
            ("PATCH", "/pools/chat", {"strategy": "priority"}),
            ("PUT", "/pools/other", {"providers": [{"name": "one", "url": "https://a.example"}]}),
            ("PATCH", "/endpoints/e", {"api_key": None}),
        ):
            assert (await here.ask(method, path, body, token=operator)).status_code == 200, (path, body)
