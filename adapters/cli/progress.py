"""How far long work has come, on standard error, where a person is looking."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

Step: TypeAlias = Callable[[int, int | None], None]
"""Told how much is done, and of how much: None where that is not known."""


@contextmanager
def progress(what: str) -> Iterator[Step]:
    """Shows nothing where standard error is no terminal."""
    from rich.console import Console  # noqa: PLC0415 - what needs no progress does not pay for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield _silent
        return
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(what, total=None)

        def step(done: int, total: int | None) -> None:
            bars.update(task, completed=done, total=total)

        yield step


def _silent(_done: int, _total: int | None) -> None:
    """Nobody is looking."""
