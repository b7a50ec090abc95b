"""Upstream credentials through the API: in, and never out (KEY-1, KEY-2, DEF-67)."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from engine.errors import StoreUnavailable
from tests.http.admin.rig import Desk, desk
from tests.http.admin.samples import DEPLOYMENT

SECRET = "sk-live-0123456789"


def credential(here: Desk) -> str | None:
    """What the pool sends, as requests would find it."""
    found: str | None = here.snapshot.pools["chat"].providers[0].credential
    return found


async def test_a_key_goes_into_the_vault_and_is_shown_no_more() -> None:
    """KEY-2, DEF-67: the next request has the new one, without a restart, and the old one is in use nowhere."""
    async with desk() as here:
        with capture_logs() as logged:
            made = await here.ask("PUT", "/endpoints/e", {"url": "http://a.example", "api_key": SECRET})
            await here.done("PUT", DEPLOYMENT.path, DEPLOYMENT.body)
            first = credential(here)
            assert first is not None
            assert here.vault.resolve(first) == SECRET
            await here.done("PATCH", "/endpoints/e", {"api_key": SECRET + "-new"})
            second = credential(here)
            assert second not in {first, None}
            assert here.vault.resolve(second or "") == SECRET + "-new"
            shown = await here.ask("GET", "/endpoints/e")
            assert (shown.json()["credential"], "api_key" in shown.json()) == (second, False)
            pools = await here.ask("GET", "/pools")
        told = made.text + shown.text + pools.text + str(logged) + str(await here.log.read(0))
        assert SECRET not in told
        assert logged == []


async def test_a_key_that_is_taken_away_is_gone() -> None:
    """KEY-1: null in a patch; and a document that does not state it."""
    async with desk() as here:
        await here.done("PUT", "/endpoints/e", {"url": "http://a.example", "api_key": SECRET})
        await here.done("PUT", DEPLOYMENT.path, DEPLOYMENT.body)
        shown = await here.done("GET", "/endpoints/e")
        await here.done("PATCH", "/endpoints/e", {"api_key": None})
        assert credential(here) is None
        await here.done("PUT", "/endpoints/e", {"url": "http://a.example", "credential": shown["credential"]})
        assert here.vault.resolve(credential(here) or "") == SECRET, "by the name that was shown"
        await here.done("PUT", "/endpoints/e", {"url": "http://a.example"})
        assert credential(here) is None


@pytest.mark.parametrize("reference", ["env:UPSTREAM_KEY", "file:/run/secrets/upstream"])
async def test_a_reference_passes_as_it_is(reference: str) -> None:
    """It is its own name; nothing is kept."""
    async with desk() as here:
        await here.done("PUT", "/endpoints/e", {"url": "http://a.example", "api_key": reference})
        assert (await here.done("GET", "/endpoints/e"))["credential"] == reference


async def test_a_provider_has_a_key_as_an_endpoint_has() -> None:
    """Of a pool that is defined by itself."""
    async with desk() as here:
        provider = {"name": "one", "url": "http://a.example"}
        await here.done("PUT", "/pools/chat", {"providers": [{**provider, "api_key": SECRET}]})
        assert here.vault.resolve(credential(here) or "") == SECRET
        shown = await here.done("GET", "/pools/chat")
        await here.done("PATCH", "/pools/chat", {"providers": shown["providers"], "trusted": True})
        assert here.vault.resolve(credential(here) or "") == SECRET
        refused = await here.ask("PUT", "/pools/chat", {"providers": [provider, {**provider, "api_key": "a\nb"}]})
        assert refused.json()["errors"][0]["where"] == "providers[1].api_key"
        assert "a\\nb" not in refused.text


async def test_no_event_without_its_secret() -> None:
    """The vault first: where it takes nothing, nothing is appended; a change that is rejected leaves nothing there."""

    class Closed:
        def __init__(self) -> None:
            self.kept: list[Any] = []

        def credential_id(self, secret: str) -> str:
            return f"cred-{len(secret)}"

        async def keep(self, credentials: Any) -> None:
            self.kept.append(credentials)
            raise StoreUnavailable("away")

    vault = Closed()
    async with desk(vault=vault) as here:
        refused = await here.ask("PUT", "/endpoints/e", {"url": "http://a.example", "api_key": SECRET})
        assert (refused.status_code, await here.head()) == (503, 0)
        vault.kept.clear()
        assert (await here.ask("PUT", "/endpoints/e", {"url": "x", "api_key": SECRET})).status_code == 422
        assert vault.kept == []
