"""Running a trio program as a command: how its end becomes an exit code and a sentence."""

import errno
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click
import trio

from adapters.settings import Address, parse_address
from engine.errors import PointsmanError, StartFailed


class AddressType(click.ParamType[Address]):
    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        try:
            return parse_address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def run(program: Callable[[], Awaitable[None]], *, interrupted: int = 0) -> None:
    """Run to the end. What the program raises on purpose is printed as it is, without a traceback. `interrupted` is
    the exit code after Ctrl-C.
    """
    with sentences():
        try:
            trio.run(program)
        except BaseException as error:
            if not _is_only(error, KeyboardInterrupt):
                raise
            if interrupted:
                raise SystemExit(interrupted) from None


@contextmanager
def sentences() -> Iterator[None]:
    """End the process with the sentence of what is raised on purpose inside."""
    try:
        yield
    except PointsmanError as error:
        _leave(error)
    except BaseExceptionGroup as group:
        if _is_only(group, BrokenPipeError):
            # Whoever has read the output needs no more of it; click ends the process quietly.
            raise BrokenPipeError(errno.EPIPE, "") from None
        if _is_only(group, SystemExit):
            # As rich ends where that is so, inside somebody's nursery.
            raise SystemExit(_first(group).code) from None
        ours, other = group.split(PointsmanError)
        if ours is None or other is not None:
            raise
        _leave(_first(ours))


def _is_only(error: BaseException, kind: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_only(one, kind) for one in error.exceptions)
    return isinstance(error, kind)


def _first(group: BaseExceptionGroup[Any]) -> Any:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _leave(error: PointsmanError) -> NoReturn:
    for line in str(error).splitlines() or [type(error).__name__]:
        click.echo(f"pointsman: {line}", err=True)
    raise SystemExit(2 if isinstance(error, StartFailed) and error.wrong_input else 1)
