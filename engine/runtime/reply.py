"""A one-shot answer from an actor to the task that asked.

Law: `put` never blocks and never fails, whether the asker still waits, has not begun to, or is gone; so an asker
that dies cannot wedge an actor.
"""

from typing import Generic, TypeVar, cast

import trio

T = TypeVar("T")


class Reply(Generic[T]):
    __slots__ = ("_filled", "_task", "_value")

    def __init__(self) -> None:
        self._filled = False
        self._task: trio.lowlevel.Task | None = None
        self._value: T | None = None

    def put(self, value: T) -> None:
        """Answer. A second answer is the actor's bug and raises RuntimeError."""
        if self._filled:
            raise RuntimeError("a question was answered twice")
        self._filled, self._value = True, value
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    async def get(self) -> T:
        """Wait for the answer; one task, once. A checkpoint in every case."""
        if self._filled:
            await trio.lowlevel.checkpoint()
        else:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        return cast("T", self._value)

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
