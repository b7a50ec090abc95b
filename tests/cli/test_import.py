"""`pointsman import dwctl` as a command: a real PostgreSQL into a SQLite file."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner, Result

from adapters.cli import cli
from tests.dwctl.conftest import source  # noqa: F401 - a fixture
from tests.dwctl.source import Source, uid
from tests.dwctl.test_worked_example import worked_example
from tests.postgres import PASSWORD

SECRETS = (PASSWORD, "hunter2", "provider-secret", "client-secret")


@pytest.fixture
def filled(source: Source) -> Source:  # noqa: F811 - the fixture above
    async def fill() -> None:
        await worked_example(source)
        await source.set("inference_endpoints", api_key="provider-secret")
        await source.set("api_keys", f"id = '{uid('K1')}'", secret="client-secret")

    trio.run(fill)
    return source


def run(filled: Source, tmp_path: Path, *options: str, by_variable: bool = False) -> Result:
    command = ["import", "dwctl", "--database", f"sqlite+aiosqlite:///{tmp_path / 'pointsman.db'}", *options]
    environ = {"POINTSMAN_DWCTL_URL": filled.url} if by_variable else {}
    result = CliRunner().invoke(cli, command if by_variable else [*command, "--from", filled.url], env=environ)
    assert not any(secret in result.output for secret in SECRETS)
    return result


def aliases(tmp_path: Path) -> set[str]:
    shown = CliRunner().invoke(
        cli, ["show", "--json", "--database", f"sqlite+aiosqlite:///{tmp_path / 'pointsman.db'}"]
    )
    assert shown.exit_code == 0, shown.output
    return {line for line in ("c", "d") if f'"{line}"' in shown.output}


def test_once(filled: Source, tmp_path: Path) -> None:
    """One JSON document: what was appended, at which position it holds, what could not be carried over."""
    first = run(filled, tmp_path, "--yes", "--json", by_variable=True)
    assert first.exit_code == 0, first.output
    document: dict[str, Any] = json.loads(first.stdout)
    assert document["source"].startswith("dwctl:pointsman_test_")
    assert document["position"] == sum(document["changes"].values())
    assert document["changes"]["endpoint defined"] == 1
    assert {finding["count"] for finding in document["findings"]} == {1}
    assert aliases(tmp_path) == {"c", "d"}
    again = json.loads(run(filled, tmp_path, "--yes", "--json").stdout)
    assert (again["changes"], again["position"]) == ({}, document["position"])


def test_for_people(filled: Source, tmp_path: Path) -> None:
    """Findings go to stderr, what was done to stdout; the name is as it was given."""
    result = run(filled, tmp_path, "--yes", "--name", "prod")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("dwctl:prod: done: ")
    assert "2 key defined" in result.stdout
    assert "(DEF-26): 1 (model c, purpose batch)" in result.stderr
    assert run(filled, tmp_path, "--yes", "--name", "prod").stdout.startswith("dwctl:prod: done: nothing; position ")


def test_a_dry_run(filled: Source, tmp_path: Path) -> None:
    """It says what would be done and makes no database."""
    result = run(filled, tmp_path, "--dry-run", "--name", "prod")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("dwctl:prod: to do: ")
    assert list(tmp_path.iterdir()) == []
    assert json.loads(run(filled, tmp_path, "--dry-run", "--json").stdout)["dry_run"] is True


def test_nobody_agrees(filled: Source, tmp_path: Path) -> None:
    """Without --yes and without a terminal the plan is shown and nothing is written."""
    result = run(filled, tmp_path, "--name", "prod")
    assert result.exit_code == 2
    assert result.stdout.startswith("dwctl:prod: to do: ")
    assert "there is nobody to ask; give --yes" in result.stderr
    assert "done: nothing" not in result.stdout
    assert json.loads(run(filled, tmp_path, "--yes", "--json", "--name", "prod").stdout)["changes"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--name", "a b"], "cannot be the source's name"),
        (["--dry-run", "--every", "5"], "give it without --every"),
        (["--every", "0"], "0.0 is not in the range"),
    ],
)
def test_wrong_options(filled: Source, tmp_path: Path, options: list[str], said: str) -> None:
    """They are exit code 2, and nothing is made."""
    result = run(filled, tmp_path, *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_source(filled: Source, tmp_path: Path) -> None:
    """A URL that is none, and a database that is not dwctl's, are wrong input."""
    database = f"sqlite+aiosqlite:///{tmp_path / 'pointsman.db'}"
    result = CliRunner().invoke(cli, ["import", "dwctl", "--database", database, "--from", "hunter2:/x", "--yes"])
    assert (result.exit_code, "hunter2" in result.output) == (2, False)
    url = filled.server.url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    result = CliRunner().invoke(cli, ["import", "dwctl", "--database", database, "--from", url, "--yes"])
    assert result.exit_code == 2
    assert "it lacks inference_endpoints (id, url)" in result.output


@contextmanager
def following(filled: Source, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command with --every, as a process of its own."""
    command = [sys.executable, "-m", "pointsman", "import", "dwctl", "--every", "0.1", "--yes", "--json"]
    command += ["--database", f"sqlite+aiosqlite:///{tmp_path / 'pointsman.db'}"]
    environ = {**os.environ, "POINTSMAN_DWCTL_URL": filled.url}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ, cwd=Path.cwd()
    ) as process:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


async def test_again_and_again(filled: Source, tmp_path: Path) -> None:
    """`--every`: changes of the source come over; a source that is away is waited for; SIGINT ends it."""
    with following(filled, tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = await document(process, bool)
        assert first["changes"]["key defined"] == 2
        await filled.run("DELETE FROM user_groups")
        assert await document(process, lambda changes: "member removed" in changes)
        await filled.server.rows(f'ALTER DATABASE "{filled.database}" CONNECTION LIMIT 0')
        await filled.server.rows(f'ALTER DATABASE "{filled.database}" RENAME TO "{filled.database}_away"')
        said = await trio.to_thread.run_sync(process.stderr.readline)
        assert "The next attempt is in" in said
        assert PASSWORD not in said
        await filled.server.rows(f'ALTER DATABASE "{filled.database}_away" RENAME TO "{filled.database}"')
        await filled.server.rows(f'ALTER DATABASE "{filled.database}" CONNECTION LIMIT -1')
        await filled.add("users", id=uid("late"), username="late")
        assert await document(process, lambda changes: changes == {"user defined": 1})


async def document(process: subprocess.Popen[str], is_it: Any) -> dict[str, Any]:
    """The next of its documents with such changes."""
    assert process.stdout is not None
    with trio.fail_after(30):
        while True:
            line = await trio.to_thread.run_sync(process.stdout.readline)
            assert line, "the process has ended"
            found: dict[str, Any] = json.loads(line)
            if is_it(found["changes"]):
                return found


def test_into_postgresql(filled: Source, log_database: str, tmp_path: Path) -> None:
    """A log on a server takes it as a file does; the source is another database of that server."""
    command = [sys.executable, "-m", "pointsman", "import", "dwctl", "--yes", "--json", "--from", filled.url]
    command += ["--database", filled.server.url_of(log_database)]
    environ = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    appended = filled.server.run("SELECT count(*) AS n FROM events", database=log_database)[0]["n"]
    assert json.loads(done.stdout)["position"] == appended > 0
