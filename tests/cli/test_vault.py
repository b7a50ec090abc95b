"""`pointsman vault rotate` and `pointsman backup` on real databases."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner, Result

from adapters.cli import cli
from adapters.store import open_store
from adapters.store.vault_key import read_key
from tests.contracts.event_log import draft
from tests.postgres import PASSWORD, Server

SECRET = "sk-live-0123456789-very-secret"
KEY = base64.b64encode(bytes(range(32))).decode()
NEW_KEY = base64.b64encode(bytes(range(1, 33))).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    fill(f"sqlite+aiosqlite:///{tmp_path}/a.db")
    return tmp_path / "a.db"


def fill(url: str, key_file: Path | None = None, **environ: str) -> None:
    async def fill_() -> None:
        async with open_store(url, environ=environ, clock_us=lambda: 1, key_file=key_file) as store:
            await store.log.append([draft(1), draft(2)], expected=0, actor="a")
            await store.vault.keep({store.vault.credential_id(SECRET): SECRET})

    trio.run(fill_)


def called(*arguments: object, **environ: str) -> Result:
    """What the command says; no secret, whatever that is."""
    result = CliRunner().invoke(cli, [str(one) for one in arguments], env={"COLUMNS": "200", **environ})
    for secret in (SECRET, KEY, NEW_KEY, PASSWORD):
        assert secret not in result.output
    assert "Traceback" not in result.output
    return result


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def document(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_rotating_says_what_to_do_next(path: Path) -> None:
    """Where the new key is, where the old one, and that the gateways want a restart."""
    result = called("vault", "rotate", "--database", url_of(path))
    assert result.exit_code == 0, result.output
    assert "1 credentials are sealed with key " + read_key(Path(f"{path}.key")).key_id in result.stdout
    assert f"{path}.key; give it to every gateway" in result.stdout
    assert f"{path}.key.old: remove that" in result.stdout
    again = called("vault", "rotate", "--database", url_of(path))
    assert again.exit_code == 1
    assert again.stderr.startswith("pointsman: The key of an earlier rotation")
    assert again.stderr.count("\n") == 1


def test_rotating_for_programs(path: Path) -> None:
    """One JSON document, without any key."""
    found = document(called("vault", "rotate", "--json", "--database", url_of(path)))
    assert found == {
        "key_id": read_key(Path(f"{path}.key")).key_id,
        "entries": 1,
        "key_file": f"{path}.key",
    }


def test_rotating_a_key_in_the_environment(tmp_path: Path) -> None:
    """The new one is given there too, or in a file; never as an argument."""
    url = url_of(tmp_path / "b.db")
    fill(url, POINTSMAN_VAULT_KEY=KEY)
    refused = called("vault", "rotate", "--database", url, POINTSMAN_VAULT_KEY=KEY)
    assert refused.exit_code == 2
    result = called("vault", "rotate", "--database", url, POINTSMAN_VAULT_KEY=KEY, POINTSMAN_VAULT_KEY_NEW=NEW_KEY)
    assert result.exit_code == 0, result.output
    assert "Set POINTSMAN_VAULT_KEY to the new key" in result.stdout
    finished = called("vault", "rotate", "--database", url, POINTSMAN_VAULT_KEY=KEY, POINTSMAN_VAULT_KEY_NEW=NEW_KEY)
    assert "already" in finished.stdout


def test_rotating_on_a_server(postgres: Server, log_database: str, tmp_path: Path) -> None:
    """With the key file that is named; another one that is missing is said."""
    url, key_file = postgres.url_of(log_database), tmp_path / "key"
    fill(url, key_file)
    missing = called("vault", "rotate", "--database", url, "--vault-key-file", tmp_path / "none")
    assert missing.exit_code == 1
    assert str(tmp_path / "none") in missing.stderr
    found = document(called("vault", "rotate", "--json", "--database", url, "--vault-key-file", key_file))
    assert found["key_id"] == read_key(key_file).key_id


def test_a_backup_says_what_it_holds(path: Path, tmp_path: Path) -> None:
    """Its last event's hash, to be compared after a restore, and that the key is not in it."""
    result = called("backup", tmp_path / "copy.db", "--database", url_of(path))
    assert result.exit_code == 0, result.output
    assert "2 events, all verified" in result.stdout
    assert "key is not in it" in result.stderr
    found = document(called("backup", tmp_path / "again.db", "--json", "--database", url_of(path)))
    assert found["position"] == 2
    assert found["head_hash"] in result.stdout
    taken = called("backup", tmp_path / "copy.db", "--database", url_of(path))
    assert taken.exit_code == 2
    assert "is there already" in taken.stderr


def test_a_backup_of_a_server_names_the_tool(postgres: Server, log_database: str, tmp_path: Path) -> None:
    """Without the password that the URL has."""
    refused = called("backup", tmp_path / "a.dump", "--database", postgres.url_of(log_database))
    assert refused.exit_code == 2
    assert "pg_dump --format=custom" in refused.stderr
