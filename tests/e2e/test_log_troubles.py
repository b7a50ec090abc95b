"""A log that this version cannot follow: a gateway says so, and serves no guess."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapters.store.chain import Entry, Head, extend
from tests.e2e.running import Gateway, client, gateway, simulators, until


def routes(url: str) -> dict[str, Any]:
    return {"targets": {"m": {"name": "one", "url": f"{url}/v1"}}}


async def asks(running: Gateway) -> int:
    async with client() as http:
        body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        return (await http.post(f"{running.data}/v1/chat/completions", json=body)).status_code


def append(database: Path, event_type: str, payload: str) -> int:
    """As another version would, with its place in the chain; its position."""
    with closing(sqlite3.connect(database)) as connection, connection:
        head = Head(*connection.execute("SELECT position, hash FROM log_head").fetchone())
        event_id = f"{head.position + 1:032x}"
        bare = Entry(head.position + 1, "pool:x", 1, event_id, event_type, 1, payload, "later", event_id, None, 1, b"")
        entry = extend(head, bare)
        connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", entry)
        connection.execute("UPDATE log_head SET position = ?, hash = ?", (entry.position, entry.hash))
        return entry.position


def damage(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


async def stuck(running: Gateway) -> dict[str, Any]:
    """What it tells of itself once it cannot go on."""

    async def is_so() -> bool:
        return bool((await running.status())["status"] == "stuck")

    await until(is_so)
    return await running.status()


async def test_an_event_of_a_newer_version_holds_the_table(tmp_path: Path) -> None:
    """SYNC-29, DEF-51: the last good table serves, the gateway is not ready and says why, and changes are refused."""
    async with simulators("one") as (one,), gateway(tmp_path, routes(one.url)) as running, client() as http:
        position = (await running.status())["position"]
        newer = append(tmp_path / "pointsman.db", "pool.rerouted", "{}")
        told = await stuck(running)
        assert told["position"] == position
        assert f"event {newer}" in told["log"]
        assert "newer version" in told["log"]
        assert (await http.get(f"{running.control}/health/ready")).status_code == 503
        assert await asks(running) == 200
        headers = {"authorization": f"Bearer {running.token}"}
        answer = await http.put(f"{running.control}/admin/v1/users/u", json={}, headers=headers)
        assert answer.status_code == 503
        assert "newer version" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE events SET payload = replace(payload, 'true', 'false') WHERE position = 2", "event 2"),
        ("UPDATE events SET actor = 'somebody' WHERE position = 1", "event 1"),
        ("DELETE FROM events WHERE position = 2", "event 2"),
        ("UPDATE log_head SET position = 1", "event 2"),
    ],
)
async def test_a_damaged_log_is_not_started_from(tmp_path: Path, statement: str, said: str) -> None:
    """SYNC-18: a gap, a changed event, a head that was set back: one sentence that names the place, and exit code 1."""
    async with gateway(tmp_path, {"targets": {"m": {"url": "http://127.0.0.1:9/v1", "trusted": True}}}) as running:
        assert await running.stop() == 0
    damage(tmp_path / "pointsman.db", statement)
    with pytest.raises(AssertionError, match=rf"the gateway ended with 1: (.|\n)*pointsman: {said}"):
        async with gateway(tmp_path):
            pytest.fail("it started")


async def test_a_log_of_a_newer_version_is_not_started_from(tmp_path: Path) -> None:
    """SYNC-18: which is told from damage."""
    async with gateway(tmp_path, {"targets": {"m": {"url": "http://127.0.0.1:9/v1"}}}) as running:
        assert await running.stop() == 0
    append(tmp_path / "pointsman.db", "pool.rerouted", "{}")
    with pytest.raises(AssertionError, match=r"newer version"):
        async with gateway(tmp_path):
            pytest.fail("it started")
