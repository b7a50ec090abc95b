"""The table over HTTP: at any position, what differs between two, the document, and who serves it."""

from typing import Any

import pytest
import trio
import yaml

from adapters.config.native import load_native
from adapters.store.ports import Replica, Seen
from engine.commands import ApplyDocument, ChangeEntities, DefineKey, DefinePool
from engine.decide import decide
from engine.events import CreditsBooked, EndpointDefined
from projections import routing
from tests.engine.tables import key, pool, provider
from tests.http.admin.rig import NOW_US, Desk, desk
from tests.projections.worlds import FIRST, content, told


async def write(here: Desk, command: Any) -> int:
    written = await here.office.writer.write(command, actor="token:x")
    await here.office.follower.applied(written.position)
    return written.position


async def filled(here: Desk) -> list[int]:
    """The position after each change."""
    commands: list[Any] = [
        ChangeEntities(FIRST),
        DefinePool(pool("chat", provider("a"))),
        DefineKey(key("k")),
        DefinePool(pool("chat", provider("a", weight=4), provider("b"))),
        ChangeEntities((CreditsBooked("u1", 0, "purchase", "3"),)),
    ]
    return [await write(here, command) for command in commands]


async def test_the_table_at_any_position() -> None:
    """Issue 4, item 6: the present one by default, an earlier one folded from the log, in any order of asking."""
    async with desk() as here:
        assert (await here.done("GET", "/snapshot"))["position"] == 0
        positions = await filled(here)
        present = await here.done("GET", "/snapshot")
        assert present["position"] == positions[-1]
        assert set(present["pools"]) == {"chat", "both", "small"}
        assert present == await here.done("GET", f"/snapshot?at={positions[-1]}")
        weights = {}
        for position in (positions[2], positions[1], positions[3], positions[1]):
            table = await here.done("GET", f"/snapshot?at={position}")
            assert table["position"] == position
            weights[position] = [one["weight"] for one in table["pools"]["chat"]["providers"]]
        assert weights == {positions[1]: [1], positions[2]: [1], positions[3]: [4, 1]}
        assert (await here.done("GET", "/snapshot?at=0"))["pools"] == {}
        answer = await here.ask("GET", "/snapshot")
        assert answer.headers["x-pointsman-position"] == str(positions[-1])
        assert key("k").digest.hex() not in answer.text


@pytest.mark.parametrize("path", ["/snapshot?at=99", "/diff?from=99", "/diff?from=0&to=99", "/export?at=99"])
async def test_a_position_beyond_the_head_is_a_404_that_names_the_head(path: str) -> None:
    """As anything else that is not there."""
    async with desk() as here:
        positions = await filled(here)
        answer = await here.ask("GET", path)
        assert answer.status_code == 404
        head = positions[-1]
        assert answer.json()["detail"] == f"Position 99 is not in the log, whose head is {head}; valid: 0 to {head}."


@pytest.mark.parametrize("path", ["/snapshot?at=-1", "/snapshot?at=x", "/diff?from=0&limit=0", "/diff?from=1.5"])
async def test_what_is_no_position_is_refused(path: str) -> None:
    """422, with its place."""
    async with desk() as here:
        answer = await here.ask("GET", path)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["where"].startswith("?")


async def test_an_earlier_table_is_folded_while_others_are_served() -> None:
    """A question about the past takes its time in small pieces, and the next one begins where it has been."""
    async with desk() as here:
        facts = tuple(EndpointDefined(f"e{number}", "http://e.example/") for number in range(400))
        await write(here, ChangeEntities(facts))
        table = await here.done("GET", "/snapshot?at=250")
        assert len(table["endpoints"]) == 250
        reads: list[int] = []
        read = here.log.read

        async def counted(after: int, limit: int = 500) -> Any:
            reads.append(after)
            return await read(after, limit)

        here.log.read = counted
        assert len((await here.done("GET", "/snapshot?at=260"))["endpoints"]) == 260
        assert reads == [250]


async def test_what_differs_between_two_positions() -> None:
    """Entity by entity, in either direction; nothing between a position and itself."""
    async with desk() as here:
        positions = await filled(here)
        diff = await here.done("GET", f"/diff?from={positions[1]}&to={positions[3]}")
        assert (diff["before"], diff["after"], diff["total"]) == (positions[1], positions[3], 2)
        added, changed = diff["data"]
        assert (added["kind"], added["name"], added["change"]) == ("key", "k", "added")
        assert {"field": "providers[a].weight", "before": 1, "after": 4} in changed["fields"]
        assert changed["sentence"].startswith("pool chat: ")
        back = await here.done("GET", f"/diff?from={positions[3]}&to={positions[1]}")
        assert [one["change"] for one in back["data"]] == ["removed", "changed"]
        assert (await here.done("GET", f"/diff?from={positions[1]}&to={positions[1]}"))["data"] == []
        whole = await here.done("GET", "/diff?from=0")
        first = await here.done("GET", "/diff?from=0&limit=2")
        assert (whole["after"], first["data"], first["total"]) == (positions[-1], whole["data"][:2], len(whole["data"]))


@pytest.mark.parametrize(("accept", "name"), [("application/json", "a.json"), ("application/yaml", "a.yaml")])
async def test_an_export_makes_the_same_table_of_an_empty_log(accept: str, name: str) -> None:
    """Issue 4, item 7: whichever way it is written."""
    async with desk() as here:
        await filled(here)
        await here.token("read", "reader")
        answer = await here.ask("GET", "/export", accept=accept)
        assert answer.headers["content-type"].startswith(accept)
        document = load_native(answer.content, name)
        copy = told(routing.empty(), decide(routing.empty(), ApplyDocument(document), change=routing.change))
        assert content(copy) == content(here.snapshot)
        without = await here.ask("GET", "/export?digests=false", accept=accept)
        assert key("k").digest.hex() in answer.text
        assert key("k").digest.hex() not in without.text
        assert "digest" not in without.text
        assert yaml.safe_load(without.text)["pools"] == yaml.safe_load(answer.text)["pools"]


async def test_digests_are_for_admins() -> None:
    """They are no secrets, but enough to try guesses on; all the rest is for whoever may read."""
    async with desk() as here:
        await filled(here)
        reader = await here.token("read", "reader")
        assert (await here.ask("GET", "/export", token=reader)).status_code == 403
        for path in (
            "/export?digests=false",
            "/snapshot",
            "/diff?from=0",
            "/events",
            "/verify",
            "/replicas",
            "/status",
        ):
            assert (await here.ask("GET", path, token=reader)).status_code == 200
            assert (await here.ask("GET", path, token=None)).status_code == 401


async def test_the_replicas_of_a_log() -> None:
    """Issue 4, item 5: what each has applied, how far that is behind, and since when nothing was heard of it."""

    async def replicas() -> list[Seen]:
        await trio.lowlevel.checkpoint()
        return [
            Seen(Replica("a", "10.0.0.1:8081", "0.4", 3), 2_500_000),
            Seen(Replica("me", "old:1", "0.3", 1), 9_000_000),
        ]

    async with desk(replicas=replicas, replica_id="me", address="127.0.0.1:8081", version="0.4") as here:
        positions = await filled(here)
        told = await here.done("GET", "/replicas")
        head = positions[-1]
        assert told["head"] == head
        assert told["data"] == [
            {
                "replica_id": "a", "address": "10.0.0.1:8081", "version": "0.4", "position": 3,
                "behind": head - 3, "age_s": 2.5, "is_answering": False,
            },
            {
                "replica_id": "me", "address": "127.0.0.1:8081", "version": "0.4", "position": head,
                "behind": 0, "age_s": 0.0, "is_answering": True,
            },
        ]  # fmt: skip


async def test_the_status_of_the_gateway_that_answers() -> None:
    """What it serves, since when, and what it says of itself elsewhere."""
    detail = {"status": "ready", "log": "readable", "sync": "connected", "file": {"state": "loaded"}}
    async with desk(
        report=lambda: (True, detail), replica_id="me", version="0.4", started_us=NOW_US - 61_000_000
    ) as here:
        await write(here, ChangeEntities((*FIRST,)))
        await write(here, ChangeEntities((EndpointDefined("e1", "no-url"),), may_be_faulty=True))
        assert await here.done("GET", "/status") == {
            "replica_id": "me",
            "version": "0.4",
            "uptime_s": 61.0,
            "is_ready": True,
            "position": here.snapshot.position,
            "faults": 2,
            "detail": detail,
        }
        faults = (await here.done("GET", "/snapshot"))["faults"]
        assert set(faults) == {"both", "small"}
