"""Looking back and going back on the command line: times, filters, the plan of a rollback, and what is wrong input."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from adapters import clock
from adapters.store import open_store
from adapters.store.chain import Entry, Head, extend
from engine.definitions import define_key
from engine.events import (
    CreditsBooked,
    Draft,
    EndpointDefined,
    Event,
    FundsRestored,
    KeyRemoved,
    PoolDefined,
    ProviderDefined,
    UserDefined,
)
from tests.cli.calling import Command
from tests.contracts.event_log import an_id
from tests.engine.tables import key

HOUR = 3_600_000_000
GOOD = 5
"""The position before the incident."""
HISTORY: tuple[tuple[float, str, tuple[Event, ...]], ...] = (
    (30, "token:ops", (EndpointDefined("e1", "https://e.example/v1"), define_key(key("laptop")))),
    (20, "file:routes.json", (PoolDefined("chat", "priority", ("laptop",)),)),
    (20, "file:routes.json", (ProviderDefined("chat", "one", 0, "http://one.example/"),)),
    (3, "token:ops", (UserDefined("alice", "Alice"),)),
    (2, "file:routes.json", (ProviderDefined("chat", "one", 0, "http://one.example/", weight=9, max_concurrent=2),)),
    (1, "token:ops", (KeyRemoved("laptop"), CreditsBooked("alice", 1, "purchase", "7"), FundsRestored("alice"))),
)
"""Hours ago, by whom, what."""


@pytest.fixture
def written(pointsman: Command) -> Command:
    """A database with that log."""
    now_us = begin_us = clock.unix_us()

    async def fill() -> None:
        nonlocal now_us
        position = 0
        async with open_store(
            f"sqlite+aiosqlite:///{pointsman.database}", environ={}, clock_us=lambda: now_us
        ) as store:
            for hours, actor, events in HISTORY:
                now_us = begin_us - int(hours * HOUR)
                drafts = [Draft(an_id(position + place), event) for place, event in enumerate(events, 1)]
                await store.log.append(drafts, expected=position, actor=actor)
                position += len(events)

    trio.run(fill)
    return pointsman


def ago(hours: float, form: Callable[[datetime], str] = datetime.isoformat) -> str:
    """A time, as it is written here."""
    return form(datetime.fromtimestamp(clock.unix_s(), UTC).astimezone() - timedelta(hours=hours))


def naive(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat()


def test_a_table_is_shown_as_it_was_at_a_time(written: Command) -> None:
    """Issue 5, item 3: an age, a time with a zone and one without, and a position; with when that was."""
    for at in ("150m", "2h30m", "2.5h", ago(2.5), ago(2.5, naive), "5"):
        if at == "2.5h":
            assert "neither a position nor a time" in written.refused("show", "--at", at)
            continue
        table = written.told("show", "--at", at)
        assert (table["position"], table["pools"]["chat"]["providers"][0]["weight"]) == (GOOD, 1), at
        assert set(json.loads(written.done("export", "--at", at))["keys"]) == {"laptop"}
    (headline, *_) = written.done("show", "--at", "150m").splitlines()
    recorded = datetime.fromisoformat(headline.split()[3].removesuffix(":"))
    assert headline.startswith("position 5, of ")
    assert abs(datetime.now(UTC) - timedelta(hours=3) - recorded) < timedelta(minutes=10)


def test_a_difference_is_told_by_pools_providers_keys_and_limits(written: Command) -> None:
    """Each end a position or a time; no paths, no JSON."""
    for ends in (("150m",), ("5", "9"), ("150m", "0s"), ("5", "30m")):
        assert written.done("diff", *ends).splitlines() == [
            "~ user alice: has funds off → on",
            "+ ledger alice was added: balance 7, seq 1",
            "- key laptop was removed",
            "~ pool chat: provider one (weight 1 → 9, limit none → 2)",
        ], ends


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        (["--since", "150m"], [6, 7, 8, 9]),
        (["--since", "25h", "--until", "150m"], [3, 4, 5]),
        (["--until", "25h"], [1, 2]),
        (["--since", "9d"], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (["--until", "9d"], []),
        (["--since", "5", "--limit", "2"], [6, 7]),
        (["--actor", "file:routes.json"], [3, 4, 6]),
        (["--type", "provider.defined", "--limit", "1"], [4]),
        (["--stream", "ledger:alice", "--since", "2h"], [8, 9]),
    ],
)
def test_a_part_of_the_log(written: Command, options: list[str], positions: list[int]) -> None:
    """By time, entity, type and whoever did it, with the same sentences as the whole."""
    whole = [json.loads(line) for line in written.done("log", "--json").splitlines()]
    part = [json.loads(line) for line in written.done("log", "--json", *options).splitlines()]
    assert [one["position"] for one in part] == positions
    assert part == [one for one in whole if one["position"] in positions]


def test_a_rollback_is_shown_and_then_made(written: Command) -> None:
    """Issue 5, item 6: each event in a sentence, what would be different, what stays, the file; then all at once."""
    result = written("rollback", "150m", "--dry-run")
    assert result.exit_code == 0
    assert (
        result.stdout.splitlines()[1:]
        == [
            "  provider one of pool chat: weight 9 → 1, limit 2 → none",
            "  pool chat: keys [laptop] → []",
            "",
            "Once they are appended:",
            "~ pool chat: keys -laptop, provider one (weight 9 → 1, limit 2 → none)",
            "",
            "Not as it was then:",
            "  key laptop stays revoked",
            "  pool chat: keys -laptop",
            "  balances and funds stay as they are (1 differ)",
        ]
        or result.stdout.splitlines()[1:]
    )
    assert "warning: The file routes.json itself still says otherwise" in result.stderr
    assert len(written.done("log").splitlines()) == 9, "nothing yet"

    written.done("rollback", "150m", "--yes", "--with-revoked-keys")
    last = [json.loads(line) for line in written.done("log", "--json", "--after", "9").splitlines()]
    assert [(one["type"], one["actor"]) for one in last] == [
        ("key.defined", "token:local"),
        ("provider.defined", "token:local for file:routes.json"),
    ]
    assert written.done("diff", "5").splitlines() == [
        "~ user alice: has funds off → on",
        "+ ledger alice was added: balance 7, seq 1",
    ]
    assert "position 11 has it already" in written.done("rollback", "5", "--yes", "--with-revoked-keys")
    assert written.done("log", "--actor", "file:routes.json").splitlines()[-1].split()[0] == "11"


def test_without_a_terminal_it_has_to_be_said_beforehand(written: Command) -> None:
    """`--yes`, or `--dry-run` for the plan alone, also as JSON; at a terminal it is asked (`test_terminal`)."""
    assert "There is nobody to ask" in written.refused("rollback", "5")
    told = written.told("rollback", "4", "--dry-run")
    assert (told["dry_run"], told["to"], told["position"]) == (True, 4, 9)
    assert len(written.done("log").splitlines()) == 9


@pytest.mark.parametrize("verb", [("show", "--at"), ("diff",), ("export", "--at"), ("rollback", "--yes")])
@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("10", "Position 10 is not in the log, whose head is 9; valid: 0 to 9"),
        ("9d", "valid: a later time, or position 0."),
        ("yesterday", "'yesterday' is neither a position nor a time; valid: a position such as 42"),
        ("2099-01-01", "'2099-01-01' is still to come"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(written: Command, verb: tuple[str, ...], at: str, said: str) -> None:
    """Issue 5, must hold: beyond the head, before the first event, malformed, to come: exit 2, and the valid range."""
    assert said in written.refused(*verb, at)


def test_wrong_filters_are_wrong_usage(written: Command) -> None:
    assert "'pool.painted' is no type of events; valid: batch" in written.refused("log", "--type", "pool.painted")
    assert "give one of them" in written.refused("log", "--follow", "--until", "5")


@pytest.mark.parametrize("words", [("show",), ("log",), ("diff", "0"), ("rollback", "1", "--yes")])
def test_a_log_of_a_newer_version_says_so(written: Command, words: tuple[str, ...]) -> None:
    """Issue 5, must hold: exit 1, since nothing that was typed is wrong; an event as well as the whole database."""
    rows = change(written.database, "SELECT * FROM events WHERE position = 9")
    head, entry = Head(9, rows[0][-1]), Entry(*rows[0])._replace(position=10, stream_version=99, event_id=an_id(10).hex)
    row = extend(head, entry._replace(type="pool.painted"))
    change(written.database, "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", *row)
    change(written.database, "UPDATE log_head SET position = 10, hash = ?", row.hash)
    result = written(*words)
    assert (result.exit_code, "it was written by a newer version" in result.stderr) == (1, True), result.output
    change(written.database, "PRAGMA user_version=99")
    assert "it was written by a newer version" in written.refused(*words, code=1)


def change(database: Path, statement: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection, connection:
        return connection.execute(statement, values).fetchall()
