"""`pointsman check`: what is wrong with a configuration file, without a gateway and without its secrets.

Law: everything that a gateway would refuse the file for is told at once, with its place and line; nothing is changed.
"""

import os
from hashlib import sha256
from pathlib import Path

import attrs
import click

from adapters.cli.file_lines import Find, line_finder, path_in
from adapters.cli.reading import json_option
from adapters.cli.tables import print_json
from adapters.config import ConfigError
from adapters.config.readers import read
from adapters.submitted import Unusable
from adapters.submitting import loader
from engine.decide import decide
from engine.errors import Rejected
from projections import routing
from projections.phrases import printable


@attrs.frozen
class Told:
    """A problem or a warning."""

    line: int | None
    path: str | None
    "JSONPath (RFC 9535); None where it is of the file as a whole."
    what: str


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--strict-config", is_flag=True, envvar="POINTSMAN_STRICT_CONFIG", help="Unknown keys are errors.")
@json_option
def check(*, file: Path, strict_config: bool, as_json: bool) -> None:
    """Say what is wrong with a configuration FILE, without a gateway: exit 2 where there is anything."""
    problems, warnings = _looked_at(file, strict=strict_config)
    find = _finder(file) if problems or warnings else None
    told = {
        "problems": [_told(file, one, find) for one in problems],
        "warnings": [_told(file, one, find) for one in warnings],
    }
    if as_json:
        print_json({"file": str(file), "ok": not problems, **told})
    else:
        for kind, lines in told.items():
            for one in lines:
                click.echo(_line(file, one, "warning: " if kind == "warnings" else ""), err=True)
        if not problems:
            click.echo(f"{file} is a good configuration.")
    if problems:
        raise SystemExit(2)


def _looked_at(file: Path, *, strict: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The problems and the warnings, as complete lines."""
    load = loader(strict=strict, credential_id=_name_of, environ=os.environ)
    try:
        submitted = load(str(file), read(file))
    except (ConfigError, Unusable) as error:
        return error.problems, ()
    try:
        decide(routing.empty(), submitted.command, source=f"file:{file.name}", change=routing.change)
    except Rejected as rejected:
        return submitted.told(rejected), submitted.warnings
    return (), submitted.warnings


def _name_of(secret: str) -> str:
    """A name for a credential, as the vault would make one that is not here."""
    return f"cred-{sha256(secret.encode()).hexdigest()[:16]}"


def _finder(file: Path) -> Find | None:
    try:
        return line_finder(file, file.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return None


def _told(file: Path, problem: str, find: Find | None) -> Told:
    text = problem.removeprefix(f"{file}: ")
    place = path_in(text)
    if place is None:
        return Told(None, None, text)
    path, parts = place
    return Told(None if find is None else find(parts), path, text.removeprefix(path).removeprefix(": "))


def _line(file: Path, told: Told, kind: str) -> str:
    line = "" if told.line is None else f"line {told.line}: "
    path = "" if told.path is None else f"{told.path}: "
    return printable(f"{file}: {line}{kind}{path}{told.what}")
