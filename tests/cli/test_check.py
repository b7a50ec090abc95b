"""`pointsman check`: all that is wrong with a file, where and in which line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Command

GOOD: dict[str, Any] = {
    "auth": {"key_definitions": {"team": {"key": "sk-client-secret-0123456789"}}},
    "targets": {"chat": {"url": "http://127.0.0.1:9/", "keys": ["team"], "onwards_key": "sk-upstream-secret"}},
}
JSON = """{
  "targets": {
    "chat": {
      "providers": [
        {"url": "http://a.example/"},
        {
          "url": "no address", "weight": 1
        }
      ]
    },
    "it's [1]": {
      "url": "http://b.example/",
      "rate_limit": {"requests_per_second": -1}
    }
  }
}
"""
YAML = """\
targets:
  chat:
    providers:
      - url: http://a.example/
      - url: no address
        weight: 1
  "it's [1]":
    url: http://b.example/
    rate_limit: {requests_per_second: -1}
"""
TOML = """\
[targets.chat]
strategy = "priority"
[[targets.chat.providers]]
url = "http://a.example/"
[[targets.chat.providers]]
weight = 1
url = "no address"
[targets."it's [1]"]
url = "http://b.example/"
rate_limit.requests_per_second = -1
"""


def test_a_good_file_is_said_to_be_one_and_its_secrets_are_not_told(pointsman: Command) -> None:
    """Exit 0; neither a database nor a key is made."""
    (pointsman.folder / "routes.json").write_text(json.dumps(GOOD))
    said = pointsman.done("check", "routes.json")
    assert "routes.json is a good configuration" in said
    assert pointsman.told("check", "routes.json") == {
        "file": "routes.json",
        "ok": True,
        "problems": [],
        "warnings": [],
    }
    assert "secret" not in said
    assert [path.name for path in pointsman.folder.iterdir()] == ["routes.json"]


@pytest.mark.parametrize(
    ("name", "text", "lines"), [("a.json", JSON, (7, 13)), ("a.yaml", YAML, (5, 9)), ("a.toml", TOML, (7, 10))]
)
def test_each_problem_has_its_path_and_line(pointsman: Command, name: str, text: str, lines: tuple[int, int]) -> None:
    """All of them at once, in every format; exit 2."""
    (pointsman.folder / name).write_text(text)
    said = pointsman.refused("check", name).splitlines()
    assert len(said) == 2
    assert said[0].startswith(f"{name}: line {lines[0]}: $.targets.chat.providers[1].url: ")
    assert said[1].startswith(f"{name}: line {lines[1]}: $.targets['it\\'s [1]'].rate_limit.requests_per_second: ")
    result = pointsman("check", name, "--json")
    assert result.exit_code == 2
    found = json.loads(result.stdout)
    assert found["ok"] is False
    assert [one["line"] for one in found["problems"]] == list(lines)
    assert found["problems"][0]["path"] == "$.targets.chat.providers[1].url"


def test_a_field_that_is_missing_has_the_line_of_what_it_is_missing_in(pointsman: Command) -> None:
    """The nearest place that is written in the file."""
    (pointsman.folder / "a.json").write_text('{\n"targets": {\n  "chat": {"weight": 3}\n}}')
    assert "a.json: line 3: $.targets.chat" in pointsman.refused("check", "a.json")


def test_warnings_are_told_and_are_no_problem_unless_strict(pointsman: Command) -> None:
    """CFG-1: an unknown key is a warning, or with --strict-config a problem."""
    document = {"targets": {"chat": {"url": "http://a.example/"}}, "colour": "red"}
    (pointsman.folder / "a.json").write_text(json.dumps(document, indent=1))
    result = pointsman("check", "a.json")
    assert result.exit_code == 0
    assert "a.json: line 7: warning: $.colour: " in result.stderr
    assert "a.json: line 7: $.colour: " in pointsman.refused("check", "a.json", "--strict-config")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{"targets": {', "a.json: line 1, column "),
        ("a.json", "", "a.json: the file is empty"),
        ("a.ini", "x", "a.ini: the ending '.ini' names no format"),
        ("a.yaml", "a: [", "a.yaml: line 1, column "),
        ("none.json", None, "none.json: there is no such file"),
    ],
)
def test_what_cannot_be_read_is_said_so(pointsman: Command, name: str, text: str | None, said: str) -> None:
    """One line without a traceback; exit 2."""
    if text is not None:
        (pointsman.folder / name).write_text(text)
    line = pointsman.refused("check", name)
    assert line.startswith(said)
    assert line.count("\n") == 1


def test_a_secret_in_the_wrong_place_is_not_told(pointsman: Command) -> None:
    """Neither for people nor for programs."""
    document = {"targets": {"chat": {"url": "sk-very-secret", "weight": "sk-very-secret"}}}
    (pointsman.folder / "a.json").write_text(json.dumps(document))
    for words in (("check", "a.json"), ("check", "a.json", "--json")):
        result = pointsman(*words)
        assert result.exit_code == 2
        assert "sk-very" not in result.output


def test_terminal_commands_in_a_file_are_not_obeyed(pointsman: Command, tmp_path: Path) -> None:
    """A name with an escape sequence in it is told escaped."""
    (tmp_path / "a.json").write_text(json.dumps({"targets": {"\x1b[31mred": {"url": "no address"}}}))
    said = pointsman.refused("check", "a.json")
    assert "\x1b" not in said
    assert "red" in said
