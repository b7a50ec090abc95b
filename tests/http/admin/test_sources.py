"""Sources over the admin API: who manages what, and letting go."""

from collections.abc import AsyncIterator

import pytest

from engine.commands import ApplyManifest
from engine.errors import Rejected
from tests.engine.tables import key, manifest, pool, provider
from tests.http.admin.rig import Desk, desk

FILE = "file:routes.json"
PATH = "/sources/file:routes.json"


async def applied(at: Desk, *pools: str) -> None:
    wished = manifest([pool(one, provider("a")) for one in pools], [key("k")])
    written = await at.office.writer.write(ApplyManifest(wished), actor=FILE)
    await at.office.follower.applied(written.position)


@pytest.fixture
async def at() -> AsyncIterator[Desk]:
    async with desk() as opened:
        await applied(opened, "chat", "code")
        yield opened


async def test_a_source_is_shown_with_what_it_manages(at: Desk) -> None:
    """By kind, of what is there; what was made through the API is no source's."""
    await at.done("POST", "/keys", {"key_id": "mine"})
    await applied(at, "chat")
    expected = {
        "source": FILE,
        "is_released": False,
        "released_at": None,
        "entities": {"key": 1, "pool": 1},
        "position": await at.head(),
        "version": 0,
    }
    assert (await at.done("GET", "/sources"))["data"] == [expected]
    assert await at.done("GET", PATH) == expected
    assert (await at.ask("GET", "/sources/file:other")).status_code == 404


async def test_what_is_released_is_the_apis(at: Desk) -> None:
    """Issue item 5: 409 naming the file before, done after; the file is refused until it is claimed again."""
    refused = await at.ask("DELETE", "/keys/k")
    assert (refused.status_code, "routes.json" in refused.json()["detail"]) == (409, True)
    released = await at.done("POST", f"{PATH}/release")
    assert "is not read any more" in released["detail"]
    shown = await at.done("GET", PATH)
    assert (shown["is_released"], shown["released_at"], shown["version"]) == (True, released["position"], 1)
    assert (await at.done("GET", "/keys/k"))["owner"] is None
    await at.done("PATCH", "/keys/k", {"purpose": "batch"})
    with pytest.raises(Rejected) as caught:
        await applied(at, "chat")
    assert "released" in caught.value.problems[0].what
    assert set(at.snapshot.pools) == {"chat", "code"}

    await at.done("POST", f"{PATH}/claim")
    shown = await at.done("GET", PATH)
    assert (shown["is_released"], shown["entities"]) == (False, {"pool": 2}), "the key was changed, and is not its own"
    assert (await at.done("GET", "/keys/k"))["owner"] is None


async def test_what_holds_already_changes_nothing(at: Desk) -> None:
    """DELTA-7; what is planned changes nothing either; a source that nobody knows is not found."""
    head = await at.head()
    assert (await at.done("POST", f"{PATH}/claim"))["position"] == head
    planned = await at.done("POST", f"{PATH}/release?dry_run=true")
    assert [one["type"] for one in planned["events"]] == ["source.released"]
    assert await at.head() == head
    for path in ("/sources/file:other", "/sources/token:local", "/sources/routes.json", "/sources/%0A"):
        for verb in ("release", "claim"):
            assert (await at.ask("POST", f"{path}/{verb}")).status_code == 404
    assert await at.head() == head
    position = (await at.done("POST", f"{PATH}/release"))["position"]
    assert (await at.done("POST", f"{PATH}/release"))["position"] == position
    stale = await at.ask("POST", f"{PATH}/claim", If_Match='"0"')
    assert (stale.status_code, stale.headers["etag"]) == (412, '"1"')


async def test_letting_go_is_the_scope_admins(at: Desk) -> None:
    """Whoever operates may look."""
    token = await at.token("operate", "op")
    head = await at.head()
    assert (await at.ask("GET", PATH, token=token)).status_code == 200
    for verb in ("release", "claim"):
        assert (await at.ask("POST", f"{PATH}/{verb}", token=token)).status_code == 403
        assert (await at.ask("POST", f"{PATH}/{verb}", token=None)).status_code == 401
    assert await at.head() == head
