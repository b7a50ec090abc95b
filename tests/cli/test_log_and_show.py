"""`pointsman log` and `pointsman show` on real databases."""

import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner, Result

from adapters.cli.log import log
from adapters.cli.show import show
from adapters.store import open_store
from engine.events import (
    Draft,
    Event,
    KeyDefined,
    KeyRemoved,
    PoolDefined,
    ProviderDefined,
    RuleDefined,
    SettingsChanged,
    TokenDefined,
)
from tests.contracts.event_log import an_id

DIGEST = "9f" * 32
EVENTS: tuple[Event, ...] = (
    SettingsChanged(True, 100, 30.5),
    KeyDefined("team-a", DIGEST, False, {"team": "[red]a"}, 4),
    PoolDefined("chat", "weighted_random", ("team-a",), fallback_enabled=True, fallback_on_status=(429, 5)),
    ProviderDefined("chat", "one", 0, "http://one.example/", model="m", credential="env:UPSTREAM"),
    RuleDefined("chat", 0, {"team": "b"}, "deny"),
    ProviderDefined("chat", "one", 0, "http://one.example/", model="m", credential="env:UPSTREAM", weight=5),
    KeyRemoved("team-\x1b[31m"),
)
FIRST_US = 1_763_726_460_000_000


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A log of the events above, made as the gateway makes it, without the vault's key left beside it."""
    path = tmp_path / "pointsman.db"
    now_us = FIRST_US

    async def fill() -> None:
        nonlocal now_us
        async with open_store(url(path), environ={}, clock_us=lambda: now_us) as store:
            for number, event in enumerate(EVENTS):
                now_us = FIRST_US + number * 1_500_000
                await store.log.append([Draft(an_id(number), event)], expected=number, actor="file:routes.json")

    trio.run(fill)
    (tmp_path / "pointsman.db.key").unlink()
    return path


def url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def called(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, env={"COLUMNS": "200"})


def documents(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def refusal(result: Result, code: int = 2) -> str:
    """The one line on stderr."""
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def test_the_log_is_a_line_an_event(database: Path) -> None:
    """Position, time in UTC, actor, and what the event changed; nothing in it can move the cursor."""
    result = called(log, "--database", url(database))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == len(EVENTS)
    assert lines[0].split(maxsplit=3) == [
        "1", "2025-11-21T12:01:00.000Z", "file:routes.json", "settings: strict mode off → on, idle seconds 90 → 30.5",
    ]  # fmt: skip
    assert "2025-11-21T12:01:01.500Z  file:routes.json  key team-a was created" in lines[1]
    assert lines[5].endswith("provider one of pool chat: weight 1 → 5")
    assert "\x1b" not in result.stdout


def test_the_log_as_json(database: Path) -> None:
    """One object a line, with the event's fields but without any digest."""
    result = called(log, "--database", url(database), "--json")
    found = documents(result)
    assert [one["position"] for one in found] == [1, 2, 3, 4, 5, 6, 7]
    assert found[1] == {
        "position": 2,
        "type": "key.defined",
        "stream": "key:team-a",
        "event_id": an_id(1).hex,
        "correlation": an_id(1).hex,
        "recorded_at": "2025-11-21T12:01:01.500000Z",
        "actor": "file:routes.json",
        "sentence": "key team-a was created: labels [team=[red]a], limit 4",
        "event": {
            "key_id": "team-a", "opens_all_pools": False, "labels": {"team": "[red]a"},
            "max_concurrent": 4, "requests_per_second": None, "burst": None,
            "user_id": None, "purpose": None, "aliases": [], "expires_at": None, "cidrs": [], "previous_until": None,
        },
    }  # fmt: skip
    assert "9f9f" not in result.stdout


def test_no_digest_is_printed_for_people_or_for_programs(tmp_path: Path) -> None:
    """Neither the present secret's nor the one's before, of keys and of admin tokens, in any form."""
    path, before = tmp_path / "secrets.db", "a0" * 32
    rotated = KeyDefined("k", DIGEST, False, {}, expires_at=1_796_000_000, previous_digest=before, previous_until=10**9)
    entered: list[Event] = [KeyDefined("k", before, False, {}), rotated, TokenDefined("ops", DIGEST, "admin")]

    async def fill() -> None:
        async with open_store(url(path), environ={}, clock_us=lambda: 1) as store:
            drafts = [Draft(an_id(number), event) for number, event in enumerate(entered)]
            await store.log.append(drafts, expected=0, actor="test")

    trio.run(fill)
    lines, found = called(log, "--database", url(path)), called(log, "--database", url(path), "--json")
    assert lines.stdout.splitlines()[1].endswith(
        "key k: a new secret by rotation, the secret before is good until 2001-09-09T01:46:40Z, "
        "expires never → 2026-11-30T00:53:20Z"
    )
    assert documents(found)[2]["event"] == {"token_id": "ops", "scope": "admin", "name": "", "expires_at": None}
    assert documents(found)[1]["event"]["previous_until"] == 10**9
    shown = called(show, "--database", url(path)), called(show, "--database", url(path), "--json")
    for result in (lines, found, *shown):
        assert result.exit_code == 0
        assert "digest" not in result.output
        for secret in (DIGEST, before):
            assert secret[:4] not in result.output
            assert b64encode(bytes.fromhex(secret)).decode() not in result.output


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        (["--after", "5"], [6, 7]),
        (["--limit", "2"], [1, 2]),
        (["--after", "2", "--limit", "3"], [3, 4, 5]),
        (["--after", "7"], []),
    ],
)
def test_a_part_of_the_log_has_the_same_sentences(database: Path, options: list[str], positions: list[int]) -> None:
    """What came before is folded, though not printed."""
    whole = {one["position"]: one for one in documents(called(log, "--database", url(database), "--json"))}
    part = documents(called(log, "--database", url(database), "--json", *options))
    assert part == [whole[position] for position in positions]


def test_a_log_longer_than_a_page(tmp_path: Path) -> None:
    """All of it is printed, and shown."""
    path, count = tmp_path / "long.db", 1001

    async def fill() -> None:
        async with open_store(url(path), environ={}, clock_us=lambda: 1) as store:
            drafts = [Draft(an_id(number), PoolDefined(f"p{number}", "priority", None)) for number in range(count)]
            await store.log.append(drafts, expected=0, actor="test")

    trio.run(fill)
    assert len(documents(called(log, "--database", url(path), "--json"))) == count
    (table,) = documents(called(show, "--database", url(path), "--json"))
    assert len(table["pools"]) == count
    (table,) = documents(called(show, "--database", url(path), "--json", "--at", "501"))
    assert (table["position"], len(table["pools"])) == (501, 501)


def test_show_prints_the_table_for_people(database: Path) -> None:
    """Pools with their providers and rules, keys by id, settings; markup in a name is only a name."""
    result = called(show, "--database", url(database))
    assert result.exit_code == 0
    for part in (
        "position 7: 1 pool(s), 1 key(s)",
        "strict mode on, 100 idle connections per host, each for 30.5 s",
        "chat: weighted_random, 1 key(s), fallback on 429, 5xx, connect error, timeout, maybe executed",
        "keys: team-a",
        "rule 0: deny callers with team=b",
        "http://one.example/",
        "model m, credential env:UPSTREAM",
        "team=[red]a",
        "limit 4",
    ):
        assert part in result.stdout
    assert "9f9f" not in result.stdout


def test_show_as_json_is_one_document_without_digests(database: Path) -> None:
    """The whole snapshot, as programs want it."""
    result = called(show, "--database", url(database), "--json")
    (table,) = documents(result)
    assert table["position"] == 7
    assert table["settings"] == {"strict_mode": True, "max_idle_per_host": 100, "idle_timeout_s": 30.5}
    assert table["keys"] == {
        "team-a": {
            "key_id": "team-a", "opens_all_pools": False, "labels": {"team": "[red]a"},
            "limits": {"max_concurrent": 4, "requests_per_second": None, "burst": None},
            "user_id": None, "purpose": None, "aliases": [], "expires_at": None, "cidrs": [], "previous_until": None,
        }
    }  # fmt: skip
    chat = table["pools"]["chat"]
    assert chat["keys"] == ["team-a"]
    assert chat["rules"] == [{"match_labels": {"team": "b"}, "action": "deny", "target": None, "opens_target": False}]
    assert [(one["name"], one["weight"], one["credential"]) for one in chat["providers"]] == [
        ("one", 5, "env:UPSTREAM")
    ]
    assert "digest" not in result.stdout


@pytest.mark.parametrize(("at", "weight"), [(4, 1), (5, 1), (6, 5)])
def test_show_at_an_earlier_position(database: Path, at: int, weight: int) -> None:
    """The table is as it was then."""
    (table,) = documents(called(show, "--database", url(database), "--json", "--at", str(at)))
    assert table["position"] == at
    assert table["pools"]["chat"]["providers"][0]["weight"] == weight


def test_show_at_0_is_the_empty_table(database: Path) -> None:
    """Where every log begins."""
    (table,) = documents(called(show, "--database", url(database), "--json", "--at", "0"))
    assert (table["position"], table["pools"], table["keys"]) == (0, {}, {})
    assert "0 pool(s)" in called(show, "--database", url(database), "--at", "0").stdout


@pytest.mark.parametrize("at", ["8", "1000000"])
def test_a_position_that_is_not_in_the_log_is_refused_with_the_head(database: Path, at: str) -> None:
    """Wrong input: exit 2, one line."""
    said = refusal(called(show, "--database", url(database), "--at", at))
    assert f"Position {at} is not in the log, whose head is 7; valid: 0 to 7, or a time." in said


both = pytest.mark.parametrize("command", [log, show])


@both
def test_a_database_that_is_not_there_is_named_and_not_made(tmp_path: Path, command: Any) -> None:
    """Looking makes neither a database nor a key."""
    said = refusal(called(command, "--database", url(tmp_path / "none.db")))
    assert str(tmp_path / "none.db") in said
    assert list(tmp_path.iterdir()) == []


@both
def test_an_empty_file_stays_empty(tmp_path: Path, command: Any) -> None:
    """It is named, and gets no tables."""
    path = tmp_path / "empty.db"
    path.touch()
    assert f"{path} is empty" in refusal(called(command, "--database", url(path)))
    assert path.read_bytes() == b""


@both
def test_what_is_no_database_is_refused_in_the_stores_words(tmp_path: Path, command: Any) -> None:
    """Exit 2, one line, no traceback."""
    path = tmp_path / "list.txt"
    path.write_text("a shopping list\n" * 100)
    assert "not a database" in refusal(called(command, "--database", url(path)))


@both
def test_another_url_is_refused_without_repeating_it(command: Any) -> None:
    """It may hold a password; and `memory:` holds nothing that another process could read."""
    assert "hunter2" not in refusal(called(command, "--database", "postgresql://me:hunter2@host/db"))
    refusal(called(command, "--database", "memory:"))


@both
def test_reading_needs_no_vault_key_and_makes_none(database: Path, command: Any) -> None:
    """The log holds no secrets, so whoever may read the file may read it."""
    assert called(command, "--database", url(database)).exit_code == 0
    assert [file.name for file in database.parent.iterdir()] == [database.name]


@both
def test_a_damaged_log_ends_with_one_sentence(database: Path, command: Any) -> None:
    """Exit 1, naming the event."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE events SET payload = '{}' WHERE position = 4")
    result = called(command, "--database", url(database))
    assert result.exit_code == 1
    assert "event 4" in result.stderr
    assert result.stderr.count("\n") == 1


def test_reading_beside_a_writer(tmp_path: Path) -> None:
    """A gateway that has the database open is not in the way."""
    path = tmp_path / "busy.db"

    async def read_beside() -> Result:
        async with open_store(url(path), environ={}, clock_us=lambda: 1) as store:
            await store.log.append([Draft(an_id(1), KeyRemoved("a"))], expected=0, actor="test")
            result = await trio.to_thread.run_sync(called, log, "--database", url(path), "--json")
            await store.log.append([Draft(an_id(2), KeyRemoved("b"))], expected=1, actor="test")
            return result

    assert len(documents(trio.run(read_beside))) == 1


def test_a_database_is_followed_until_there_is_enough(tmp_path: Path) -> None:
    """Also what comes only later, whoever writes it."""
    path = tmp_path / "busy.db"

    async def follow() -> Result:
        found: list[Result] = []

        async def call() -> None:
            words = ("--database", url(path), "--json", "--follow", "--after", "1", "--limit", "2")
            found.append(await trio.to_thread.run_sync(called, log, *words))

        async with open_store(url(path), environ={}, clock_us=lambda: 1) as store:
            await store.log.append([Draft(an_id(1), KeyRemoved("a"))], expected=0, actor="test")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call)
                for position in (1, 2, 3):
                    drafts = [Draft(an_id(position + 1), KeyRemoved(f"b{position}"))]
                    await store.log.append(drafts, expected=position, actor="test")
        return found[0]

    assert [one["position"] for one in documents(trio.run(follow))] == [2, 3]


def test_the_database_may_come_from_the_environment(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """POINTSMAN_DATABASE; and without it, pointsman.db in the working directory."""
    monkeypatch.setenv("POINTSMAN_DATABASE", url(database))
    assert called(log).exit_code == 0
    monkeypatch.delenv("POINTSMAN_DATABASE")
    monkeypatch.chdir(database.parent)
    assert called(show).exit_code == 0


@pytest.mark.parametrize("options", [["--after", "-1"], ["--limit", "0"], ["--limit", "x"]])
def test_wrong_usage_is_2(database: Path, options: list[str]) -> None:
    """As click says it."""
    assert called(log, "--database", url(database), *options).exit_code == 2
