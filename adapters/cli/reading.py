"""Options that many verbs have."""

from collections.abc import Callable
from typing import Any

import click

from adapters.settings import DEFAULT_DATABASE

Command = Callable[..., Any]


def database_option(command: Command) -> Command:
    return click.option(
        "--database",
        default=DEFAULT_DATABASE,
        envvar="POINTSMAN_DATABASE",
        show_default=True,
        help="The gateway's database.",
    )(command)


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="JSON for programs instead of text for people.")(
        command
    )
