"""`pointsman completion`: what makes a shell complete verbs, options and kinds."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

_NAME = "pointsman"
_SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
_WHERE = {
    "bash": 'eval "$(pointsman completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(pointsman completion zsh)" in ~/.zshrc',
    "fish": "pointsman completion fish > ~/.config/fish/completions/pointsman.fish",
}


@click.command(epilog="To have it for good: " + "; ".join(_WHERE.values()) + ".")
@click.argument("shell", type=click.Choice(list(_SHELLS)))
def completion(*, shell: str) -> None:
    """Print the completion script of a SHELL."""
    root = click.get_current_context().find_root().command
    made = _SHELLS[shell](root, {}, _NAME, "_POINTSMAN_COMPLETE")
    # Not `source()`, which starts bash to learn its version.
    click.echo(made.source_template % made.source_vars())
