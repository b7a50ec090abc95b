"""What the store's parts ask of a database, whichever it is: one transaction a call.

Law: work that was written either is committed when `write` returns, or the error says whether it may be. A trio cancel
never reaches work that has begun.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.errors import StoreError

T = TypeVar("T")
Work: TypeAlias = Callable[[AsyncConnection], Awaitable[T]]
"""Runs in the asyncio thread, inside a transaction that it neither begins nor ends."""


class DatabaseDamaged(StoreError):
    """The database cannot make sense of what it holds, or its rows contradict each other."""


class ConstraintBroken(DatabaseDamaged):
    """A row would have contradicted another; nothing was applied."""


class Readable(Protocol):
    """Consistent states for trio tasks."""

    async def read(self, work: Work[T]) -> T:
        """Run the work on one consistent state, changing nothing.

        Raises: what it raises, StoreUnavailable, DatabaseDamaged.
        """
        ...


class Database(Readable, Protocol):
    """Transactions, too."""

    async def write(self, work: Work[T]) -> T:
        """Run the work and commit. Raises: what it raises, StoreUnavailable, OutcomeUnknown, DatabaseDamaged."""
        ...
