"""The reference of the command line names what there is, and nothing else."""

import re
from pathlib import Path

import click

from adapters.cli import cli
from adapters.cli.kinds import KINDS

_TEXT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def _verbs() -> set[str]:
    context = click.Context(cli)
    found = set()
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        parts = command.list_commands(context) if isinstance(command, click.Group) else []
        found |= {f"{name} {part}" for part in parts} or {name}
    return found


def test_every_verb_has_a_row_and_every_row_a_verb() -> None:
    """docs/cli.md's table is what `pointsman --help` leads to."""
    rows = re.findall(r"^\| `pointsman ([a-z ]*[a-z])", _TEXT, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == _verbs()


def test_every_kind_of_entity_is_named() -> None:
    """In the singular or the plural, as `get`, `set` and `delete` take both."""
    named = set(re.findall(r"`([a-z-]+)`", _TEXT.partition("## Kinds")[2]))
    assert not {kind for kind in KINDS if not {kind, kind.removesuffix("s")} & named}
