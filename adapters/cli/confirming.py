"""Asking whoever sits at the terminal."""

import click


def is_confirmed() -> bool:
    """Whether they want what was shown; Ctrl-C and the end of input are no."""
    try:
        return click.confirm("Change this?", err=True)
    except click.Abort:
        click.echo(err=True)
        return False
