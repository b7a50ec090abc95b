"""`export`, `apply`, `diff`, `verify`, `status`, `completion`: the whole of a database, without a gateway."""

import json
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.calling import Command
from tests.e2e.running import ROOT

ROUTES = {
    "auth": {"key_definitions": {"team": {"key": "sk-client-secret-0123456789", "labels": {"team": "a"}}}},
    "targets": {
        "chat": {"url": "http://127.0.0.1:9/", "keys": ["team"], "onwards_key": "sk-upstream-0123456789"},
        "embed": {"strategy": "priority", "providers": [{"url": "http://a.example/"}, {"url": "http://b.example/"}]},
    },
}


@pytest.fixture
def filled(pointsman: Command) -> Command:
    """A database with something of most kinds in it."""
    (pointsman.folder / "routes.json").write_text(json.dumps(ROUTES))
    pointsman.done("apply", "routes.json", "--yes")
    pointsman.done("set", "endpoints", "e", "url=http://127.0.0.1:9/", "api_key=env:UPSTREAM")
    pointsman.done("set", "deployments", "d", "alias=d", "model_name=m", "endpoint_id=e", "requests_per_second=0.5")
    pointsman.done("set", "composites", "c", "alias=c", 'components=[{"deployment_id": "d", "weight": 3}]')
    pointsman.done("set", "rules", "d/batch", "action=redirect", "target_id=c")
    pointsman.done("set", "users", "u", "name=[U]")
    pointsman.done("set", "groups", "g", "name=G")
    pointsman.done("set", "members", "g/u")
    pointsman.done("set", "grants", "g/d")
    pointsman.done("credits", "u", "--add", "purchase", "5.5")
    pointsman.done("set", "tariffs", "t", "model_id=d", "input_price=0.001", "output_price=0.002")
    pointsman.done("set", "escalation", 'aliases=["d"]')
    pointsman.done("set", "settings", "idle_timeout_s=30")
    pointsman.done("keys", "create", "k", "--user", "u", "--cidr", "10.0.0.0/8", "--expires", "90d")
    pointsman.done("token", "create", "ci", "--scope", "operate")
    return pointsman


def test_an_export_applied_to_an_empty_database_exports_the_same(filled: Command, tmp_path: Path) -> None:
    """In JSON and in YAML; applied again it changes nothing, and only its owner may read it."""
    whole = filled.done("export")
    assert json.loads(whole)["pointsman"] == 1
    filled.done("export", "--out", "whole.yaml")
    assert stat.S_IMODE((tmp_path / "whole.yaml").stat().st_mode) == 0o600
    assert "exists already" in filled.refused("export", "--out", "whole.yaml")
    (tmp_path / "whole.json").write_text(whole)
    for name in ("whole.json", "whole.yaml"):
        assert "is a good configuration" in filled.done("check", name)
        copy = Command(tmp_path, tmp_path / f"{name}.db")
        planned = copy.told("apply", name, "--dry-run")
        assert len(planned["diff"]) > 10
        receipt = copy.told("apply", name, "--yes")
        assert len(receipt["diff"]) == len(planned["diff"])
        assert copy.done("export") == whole
        assert "Nothing would be different." in copy.done("apply", name, "--yes")
    for secret in ("sk-client-secret", "sk-upstream"):
        assert secret not in whole


def test_an_export_without_digests_is_for_people(filled: Command) -> None:
    """It cannot be applied, and says why; one of an earlier position is as the table was then."""
    shown = filled.done("export", "--no-digests")
    assert "digest" not in shown
    (filled.folder / "shown.json").write_text(shown)
    assert "digest" in filled.refused("check", "shown.json")
    assert json.loads(filled.done("export", "--at", "0"))["pools"] == {}
    assert "whose head is" in filled.refused("export", "--at", "100000")


def test_a_plan_is_shown_before_anything_changes(filled: Command) -> None:
    """Without --yes there has to be somebody to ask."""
    position = filled.told("status")["head"]
    (filled.folder / "routes.json").write_text(json.dumps({"targets": {"chat": {"url": "http://127.0.0.1:10/"}}}))
    plan = filled.done("apply", "routes.json", "--dry-run")
    assert "- pool embed was removed" in plan
    assert "~ pool chat: " in plan
    assert "nobody to ask" in filled.refused("apply", "routes.json")
    assert filled.told("status")["head"] == position
    filled.done("apply", "routes.json", "--yes")
    assert filled.told("status")["head"] > position
    assert [one["alias"] for one in filled.told("get", "pools")] == ["c", "chat", "d"]


def test_diff_names_what_changed_between_two_positions(filled: Command) -> None:
    """Without the second one, up to now."""
    head = filled.told("status")["head"]
    filled.done("set", "users", "u", "name=V")
    assert filled.done("diff", str(head)) == "~ user u: name [U] → V\n"
    assert filled.done("diff", str(head), str(head)) == "Nothing would be different.\n"
    told = filled.told("diff", "0", str(head))
    assert told["total"] == len(told["data"])
    assert f"Position {head + 9} is not in the log" in filled.refused("diff", str(head + 9))


def test_verify_prints_the_heads_hash_or_names_the_broken_position(filled: Command) -> None:
    """Exit 1 for a log that is not what was written."""
    told = filled.told("verify")
    assert told["intact"] is True
    assert told["head_hash"] in filled.done("verify")
    with closing(sqlite3.connect(filled.database)) as connection, connection:
        connection.execute("UPDATE events SET actor = 'nobody' WHERE position = 4")
    assert "The log is broken at position 4: the event was changed" in filled.refused("verify", code=1)
    broken = filled("verify", "--json")
    assert broken.exit_code == 1
    told = json.loads(broken.stdout)
    assert (told["intact"], told["position"], told["head_hash"]) == (False, 4, None)


@pytest.mark.parametrize(
    "words",
    [
        ("get", "users"),
        ("export",),
        ("diff", "0"),
        ("verify",),
        ("status",),
        ("keys", "list"),
        ("delete", "users", "u"),
    ],
)
def test_reading_makes_no_database(pointsman: Command, words: tuple[str, ...]) -> None:
    """What is not there is named; nothing is made beside it."""
    said = pointsman.refused(*words)
    assert "no gateway has used it" in said or "cannot be read: No such file" in said
    assert list(pointsman.folder.iterdir()) == []


def test_one_place_is_used_and_which_is_plain(pointsman: Command) -> None:
    """The command line before the environment; both on it is wrong usage; without any, both are named."""
    pointsman.done("set", "users", "u", "name=U")
    pointsman.environ["POINTSMAN_GATEWAY"] = "127.0.0.1:1"
    assert pointsman.told("get", "users", "--database", pointsman.environ["POINTSMAN_DATABASE"] or "")
    (pointsman.folder / "pointsman.admin-token").write_text("a-token-of-the-tests")
    said = pointsman.refused("get", "users", code=1)
    assert said.startswith("pointsman: The gateway at http://127.0.0.1:1 cannot be reached (connection refused)")
    both = ("get", "users", "--gateway", "127.0.0.1:1", "--database", "memory:")
    assert "not both" in pointsman.refused(*both)
    for address in ("http://host:1/path", "ftp://host:1", "http://", "http://user@host:1"):
        assert "--gateway is no address" in pointsman.refused("get", "users", "--gateway", address)
    assert "memory:" in pointsman.refused("get", "users", "--database", "memory:")


def test_shells_complete_verbs_and_kinds(tmp_path: Path) -> None:
    """The script asks the command, which answers without a gateway or a database."""
    command = Command(tmp_path)
    for shell in ("bash", "zsh", "fish"):
        assert "_POINTSMAN_COMPLETE" in command.done("completion", shell)
    code = "from adapters.cli import cli; cli(prog_name='pointsman')"
    asked = (("pointsman ex", 1, "export"), ("pointsman get comp", 2, "composites"), ("pointsman keys ro", 2, "rotate"))
    for words, count, found in asked:
        completing = {"_POINTSMAN_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(count)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), **completing},
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"plain,{found}" in done.stdout.splitlines()
