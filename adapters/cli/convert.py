"""`pointsman convert`: another gateway's configuration as one of Pointsman's.

Law: what could not be carried over is said on stderr, so that stdout is the document alone; a file that exists stays
unless it may go. The document may hold secrets, so a new file is readable by its owner alone.
"""

import os
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec
import yaml

from adapters.cli.reading import json_option
from adapters.config.findings import ConfigError
from adapters.config.litellm import convert as convert_litellm

_YAML = {".yaml", ".yml"}


@click.group()
def convert() -> None:
    """Make another gateway's configuration one of Pointsman's."""


@convert.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write the document here: .json, .yaml or .yml.")
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
@json_option
def litellm(*, config: Path, out: Path | None, force: bool, as_json: bool) -> None:
    """Convert a LiteLLM proxy's config.yaml.

    Prints the document, and on stderr what could not be carried over. Secrets written as os.environ/NAME become
    env:NAME; where an address or a number is written so, its value is taken from the environment now.
    """
    if out is not None and out.suffix.lower() not in {".json", *_YAML}:
        raise click.UsageError("--out names no format; valid: a file whose name ends in .json, .yaml or .yml.")
    try:
        converted = convert_litellm(config, os.environ)
    except ConfigError as error:
        _leave(error.problems, 2)
    if out is not None:
        _write(out, _text(converted.document, as_yaml=out.suffix.lower() in _YAML), force=force)
    if as_json:
        click.echo(_json({"document": converted.document, "findings": converted.findings}))
    elif out is None:
        click.echo(_text(converted.document, as_yaml=False))
    if not as_json:
        for line in converted.findings:
            click.echo(line, err=True)


class _Plain(yaml.SafeDumper):
    """Without anchors: what two pools share is written twice, for people."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(document: dict[str, Any], *, as_yaml: bool) -> str:
    if as_yaml:
        text: str = yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
        return text.removesuffix("\n")
    return _json(document)


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _write(out: Path, text: str, *, force: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        with os.fdopen(os.open(out, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except FileExistsError:
        _leave((f"{out} exists already; give another name, or --force to replace it.",), 2)
    except OSError as error:
        _leave((f"{out} cannot be written: {error.strerror}.",), 1)


def _leave(problems: tuple[str, ...], code: int) -> NoReturn:
    for problem in problems:
        click.echo(f"pointsman: {problem}", err=True)
    raise SystemExit(code)
