"""A sync again and again.

Law: each is as a sync by itself. One that fails is told and tried again soon, then after longer and longer pauses, with
jitter (DEF-5, DEF-7); no error's text decides anything (DEF-13). A source
that fails leaves everything as it was.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from engine.errors import PointsmanError

_PAUSE_S: Final = (1.0, 60.0)
"""The first and the longest pause after a failure; the time between syncs is another bound."""


async def repeat(
    sync: Callable[[], Awaitable[None]],
    every_s: float,
    *,
    on_failure: Callable[[PointsmanError, float], None],
    jitter: Callable[[], float],
) -> None:
    """Sync for ever. `on_failure` gets what was wrong and the seconds to the next attempt; `jitter` is from 0 to 1."""
    shortest, longest = _PAUSE_S
    pause = shortest
    while True:
        try:
            await sync()
        except PointsmanError as error:
            wait_s = min(pause, max(every_s, shortest)) * (0.5 + jitter() / 2)
            pause = min(pause * 2, longest)
            on_failure(error, wait_s)
        else:
            wait_s, pause = every_s, shortest
        await trio.sleep(wait_s)
