"""The `pointsman` command.

Exit codes: 0 done, 1 failed, 2 wrong usage or wrong input. Every option is also an environment variable.
Verbs are imported when they run, so that `--help` and `log` do not pay for the server.
"""

from importlib import import_module, metadata
from keyword import iskeyword

import click

_VERBS = {
    "serve": "Run the gateway.",
    "demo": "Run the gateway with three simulated providers.",
    "simulate": "Run a simulated LLM provider.",
    "watch": "Watch the live routing state of a running gateway.",
    "log": "Print the event log, one sentence per event.",
    "convert": "Convert another gateway's configuration.",
    "import": "Import another system's entities into the event log.",
    "show": "Print the routing table at a position of the log.",
    "backup": "Copy the database while the gateway writes it.",
    "vault": "Replace the key that seals upstream credentials.",
}


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _VERBS:
            return None
        name = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(import_module(f"adapters.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        with formatter.section("Commands"):
            formatter.write_dl(list(_VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("pointsman"), prog_name="pointsman")
def cli() -> None:
    """Pointsman: a self-hosted inference gateway whose every routing decision can be proved afterwards."""
