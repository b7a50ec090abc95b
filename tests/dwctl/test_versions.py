"""Databases of other versions of dwctl: columns and tables that are not there."""

from collections.abc import Iterator

import pytest

from adapters.dwctl.findings import Findings
from adapters.dwctl.queries import queries_of
from adapters.dwctl.tables import TABLES
from adapters.store.foreign import read_tables, source_of
from engine.errors import StartFailed
from tests.dwctl.source import Source, importing, uid
from tests.dwctl.test_bad_rows import told
from tests.dwctl.test_worked_example import worked_example


async def test_an_old_version(source: Source) -> None:
    """SYNC-1: without composites, rules, tariffs, credits, users and optional columns there is still a table."""
    await worked_example(source)
    await source.run(
        *(
            f"DROP TABLE {table}"
            for table in (
                "users",
                "groups",
                "model_tariffs",
                "model_traffic_rules",
                "deployed_model_components",
                "credits_transactions",
                "user_balance_checkpoints",
            )
        ),
        "DELETE FROM deployed_models WHERE is_composite",
        *(f"ALTER TABLE deployed_models DROP COLUMN {column}" for column in TABLES["models"].optional),
        *(f"ALTER TABLE api_keys DROP COLUMN {column}" for column in TABLES["keys"].optional),
        *(f"ALTER TABLE inference_endpoints DROP COLUMN {column}" for column in TABLES["endpoints"].optional),
    )
    async with importing(source) as rig:
        said = told(await rig.importer.sync())
        assert rig.reaches("s1", "d") == "d"
        assert rig.snapshot.keys[uid("K2")].purpose == "realtime"
        assert not (await rig.importer.sync()).changes
    assert "the source has no table model_tariffs: every model is free: 1" in said
    assert "the source has no column deployed_models.capacity: no such limit: 1" in said
    assert "the source has no column inference_endpoints.api_key: no keys are sent: 1" in said


async def test_no_dwctl_database(source: Source) -> None:
    """What is essential and missing is one error that lists all of it, and nothing is written."""
    await worked_example(source)
    await source.run("DROP TABLE user_groups", "ALTER TABLE api_keys DROP COLUMN secret")
    async with importing(source) as rig:
        with pytest.raises(StartFailed) as raised:
            await rig.importer.sync()
        assert rig.snapshot.position == 0
    assert raised.value.wrong_input
    assert "it lacks api_keys.secret, user_groups (user_id, group_id); give" in str(raised.value)


@pytest.mark.parametrize(("drop", "balance"), [("credits_transactions", "10"), ("user_balance_checkpoints", "3")])
async def test_half_a_ledger(source: Source, drop: str, balance: str) -> None:
    """SYNC-6: the checkpoints alone, or the sums of all transactions."""
    await worked_example(source)
    await source.add("user_balance_checkpoints", user_id=uid("u1"), balance=10, checkpoint_seq=5)
    await source.run(f"DROP TABLE {drop}")
    async with importing(source) as rig:
        await rig.importer.sync()
        assert str(rig.snapshot.catalogue.ledgers[uid("u1")].balance) == balance


async def test_another_schema(source: Source) -> None:
    """`?search_path=` in the URL names the schema of the tables."""
    await worked_example(source)
    await source.run("ALTER SCHEMA public RENAME TO dwctl", "CREATE SCHEMA public")
    with pytest.raises(StartFailed):
        await read_tables(source_of(source.url), lambda columns: queries_of(columns, Findings()))
    rows = await read_tables(
        source_of(f"{source.url}?search_path=dwctl"), lambda columns: queries_of(columns, Findings())
    )
    assert [row["alias"] for row in rows["models"]] == ["c", "d"]


async def test_one_moment_and_read_only(source: Source) -> None:
    """DEF-11: what is committed between two queries is not seen, and nothing can be written."""
    await worked_example(source)

    def queries() -> Iterator[tuple[str, str]]:
        yield "before", "SELECT count(*) AS n FROM users"
        # The statement after runs in the same transaction as the one above.
        yield "mode", "SHOW transaction_read_only"
        yield "isolation", "SHOW transaction_isolation"

    rows = await read_tables(source_of(source.url), lambda _: dict(queries()))
    assert rows["before"] == [{"n": 2}]
    assert rows["mode"] == [{"transaction_read_only": "on"}]
    assert rows["isolation"] == [{"transaction_isolation": "repeatable read"}]
    with pytest.raises(StartFailed, match="read-only transaction"):
        await read_tables(source_of(source.url), lambda _: {"write": "DELETE FROM users RETURNING id"})


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://u:secret@h/db", "postgresql://u:secret@h:x/db", "postgresql://u:secret@h"]
)
def test_urls_that_name_no_source(url: str) -> None:
    """A wrong URL is wrong input, and is not repeated."""
    with pytest.raises(StartFailed) as raised:
        source_of(url)
    assert raised.value.wrong_input
    assert "secret" not in str(raised.value)


async def test_a_wrong_password(source: Source) -> None:
    """It is said that it is wrong, not what it was."""
    wrong = source.server.url.set(database=source.database, password="wr0ng")
    with pytest.raises(StartFailed, match="does not let this user in") as raised:
        await read_tables(source_of(wrong.render_as_string(hide_password=False)), lambda _: {})
    assert "wr0ng" not in str(raised.value)
