"""Running a trio program as a command: how its end becomes an exit code and a sentence."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

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


def run(program: Callable[[], Awaitable[None]]) -> None:
    """Run to the end. What the program raises on purpose is printed as it is, without a traceback."""
    with sentences():
        trio.run(program)


@contextmanager
def sentences() -> Iterator[None]:
    """End the process with the sentence of what is raised on purpose inside."""
    try:
        yield
    except KeyboardInterrupt:
        return
    except PointsmanError as error:
        _leave(error)
    except BaseExceptionGroup as group:
        ours, other = group.split(PointsmanError)
        if ours is None or other is not None:
            raise
        _leave(_first(ours))


def _first(group: BaseExceptionGroup[PointsmanError]) -> PointsmanError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _leave(error: PointsmanError) -> NoReturn:
    for line in str(error).splitlines() or [type(error).__name__]:
        click.echo(f"pointsman: {line}", err=True)
    raise SystemExit(2 if isinstance(error, StartFailed) and error.wrong_input else 1)
