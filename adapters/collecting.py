"""Python's search for garbage in cycles, kept away from large tables.

Law: while a table of a million parts is made, nothing is searched, and nothing of it is ever again: its parts are
immutable and refer to each other in no circle, so they go when nobody refers to them. A search would look at each of
them, which takes longer than making them, and later would hold up every request for as long.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """What is made inside, and all that is there at the end, is left out of every later search."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
