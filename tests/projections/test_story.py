"""What is told of a request that runs: what was recorded of it, and nothing else."""

import attrs

from engine.caller import Enter
from engine.recording import Block, Granted
from engine.snapshot import Limits
from projections.story import story
from tests.engine.tables import key, pool, provider, table
from tests.projections.gateway import Gateway


def without_ends(block: Block) -> Block:
    """As a block is while its requests still run."""
    return attrs.evolve(block, requests=())


def test_a_running_request_has_the_key_and_the_position_that_its_key_was_asked_with() -> None:
    """The table has moved on since the pool was last changed: the pool's position alone would be another table's."""
    here = table([pool("chat", provider("a"))], [key("team", opens_all=True, limit=9), key("guest", opens_all=True)])
    gateway = Gateway(1, here)
    gateway.snapshot = later = attrs.evolve(here, position=here.position + 5)
    (block,) = gateway.blocks(200)
    entered = [entry.told for entry in block.entries if isinstance(entry.told, Enter)]
    leased = {one.ticket: one for entry in block.entries for one in entry.answers if isinstance(one, Granted)}
    of_team = next(one for one in entered if one.ticket in leased)
    assert (of_team.limits, leased[of_team.ticket].position < later.position) == (Limits(9), True)
    running = story(str(of_team.ticket), [without_ends(block)], gateway.definitions)
    assert running is not None
    assert (running.served, running.key_id, running.position, running.pool) == (None, "team", later.position, "chat")
    of_nobody = next(ticket for ticket in leased if ticket not in {one.ticket for one in entered})
    unlimited = story(str(of_nobody), [without_ends(block)], gateway.definitions)
    assert unlimited is not None
    assert (unlimited.key_id, unlimited.position, unlimited.pool) == (None, None, "chat")
    assert unlimited.decided_at == leased[of_nobody].position == here.position
