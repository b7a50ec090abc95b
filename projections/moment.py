"""Pools as they were at a moment, from the last block that tells of each."""

from collections.abc import Collection

from engine.names import Alias
from engine.pool.view import PoolView, view
from engine.recording import Block
from projections.replay import Definitions, Mismatch, Replay


def state_at(
    block: Block, aliases: Collection[Alias], definitions: Definitions, at_us: int
) -> tuple[dict[Alias, PoolView], Mismatch | None]:
    """The views at a wall-clock time in Unix microseconds of pools that a block is the last to tell of, and what came
    out otherwise than recorded on the way.

    A pool that had no definition then is left out.
    """
    moment = block.at + (at_us - block.unix_us) * 1000
    again = Replay(definitions)
    found = again.enter(block)
    for entry in block.entries:
        if found is not None or getattr(entry.told, "at", 0) > moment:
            break
        found = again.take(entry)
    known = ((alias, view(again.pools[alias], moment)) for alias in aliases if alias in again.pools)
    return {alias: seen for alias, seen in known if seen is not None}, found
