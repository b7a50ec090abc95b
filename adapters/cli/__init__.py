"""The `pointsman` command.

Exit codes: 0 done, 1 failed, 2 wrong usage or wrong input. What a deployment sets is also an environment variable.
Verbs are imported when they run, so that `--help` and `log` do not pay for the server.
"""

from importlib import import_module, metadata
from keyword import iskeyword

import click

_SECTIONS = {
    "Gateway": {
        "serve": "Run the gateway.",
        "demo": "Run the gateway with three simulated providers.",
        "simulate": "Run a simulated LLM provider.",
        "status": "Print how a gateway stands: position, log, replicas, faults.",
        "watch": "Watch the live routing state of a running gateway.",
    },
    "Configuration": {
        "check": "Say what is wrong with a configuration file.",
        "plan": "Print what a configuration file would change, and for which requests.",
        "apply": "Make a configuration file hold, after showing what changes.",
        "export": "Write everything that is defined to a file.",
        "get": "Print entities: endpoints, users, tariffs, pools...",
        "set": "Define an entity, or change some of its fields.",
        "delete": "Remove an entity.",
        "sources": "List, release and claim the files that manage something.",
        "convert": "Convert another gateway's configuration.",
        "import": "Import another system's entities into the event log.",
    },
    "Access": {
        "keys": "Make, rotate, revoke and list client keys.",
        "credits": "Print or book what a user has to pay with.",
        "token": "Make, list and revoke admin tokens.",
    },
    "Event log": {
        "log": "Print the event log, one sentence per event.",
        "show": "Print the routing table, as it is or as it was.",
        "diff": "Print what differs between two positions or times.",
        "rollback": "Make an earlier table hold again; nothing is cut.",
        "verify": "Recompute the log's hash chain.",
    },
    "Recorded traffic": {
        "requests": "Print how recorded requests went.",
        "explain": "Print why a request went as it did, computed again.",
        "state": "Print what was believed of each provider at a moment.",
        "bisect": "Find the position at which something began.",
        "journal": "Save recorded traffic to a file, or look at what there is.",
    },
    "Upkeep": {
        "backup": "Copy the database while the gateway writes it.",
        "vault": "Replace the key that seals upstream credentials.",
        "completion": "Print what makes a shell complete this command.",
    },
}
_VERBS = {name: text for verbs in _SECTIONS.values() for name, text in verbs.items()}
_BUILT_IN = {"set"}


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _VERBS:
            return None
        name = f"{cmd_name}_" if iskeyword(cmd_name) or cmd_name in _BUILT_IN else cmd_name
        command: click.Command = getattr(import_module(f"adapters.cli.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        for title, verbs in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()), col_max=12)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("pointsman"), prog_name="pointsman")
def cli() -> None:
    """Pointsman: a self-hosted inference gateway whose every routing decision can be proved afterwards."""
