"""The `pointsman` command as the tests call it: in this process, with nothing of the machine's environment."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapters.cli import cli


class Command:
    """The command line, with a folder for its files and a database in it."""

    def __init__(self, folder: Path, database: Path | None = None) -> None:
        self.folder = folder
        self.database = folder / "pointsman.db" if database is None else database
        self.environ: dict[str, str | None] = {"POINTSMAN_DATABASE": f"sqlite+aiosqlite:///{self.database}"}

    def __call__(self, *words: str, stdin: str | None = None) -> Result:
        """Run it to its end. What it raises and nobody has foreseen fails the test."""
        result = CliRunner(env=self.environ).invoke(cli, words, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def done(self, *words: str, stdin: str | None = None) -> str:
        """Run it, which must go well; what it has printed."""
        result = self(*words, stdin=stdin)
        assert result.exit_code == 0, (words, result.output)
        return result.stdout

    def told(self, *words: str, stdin: str | None = None) -> Any:
        """Run it with --json, which must go well; the document it has printed."""
        return json.loads(self.done(*words, "--json", stdin=stdin))

    def refused(self, *words: str, code: int = 2, stdin: str | None = None) -> str:
        """Run it, which must end with a code and without a word on standard output; what it has said."""
        result = self(*words, stdin=stdin)
        assert result.exit_code == code, (words, result.output)
        assert result.stdout == "", (words, result.stdout)
        assert "Traceback" not in result.stderr
        return result.stderr


@pytest.fixture
def pointsman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command at a database that is not there yet, in a folder of its own."""
    for name in ("GATEWAY", "DATABASE", "ADMIN_TOKEN", "ADMIN_TOKEN_FILE", "VAULT_KEY", "VAULT_KEY_FILE"):
        monkeypatch.delenv(f"POINTSMAN_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path)
