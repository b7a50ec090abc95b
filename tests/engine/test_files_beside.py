"""A file's part of the table beside what others made: nothing of theirs is left without what it needs."""

import pytest

from engine.commands import ApplyDocument, ApplyManifest, ChangeEntities, Command, DefinePool
from engine.decide import decide
from engine.document import Document
from engine.errors import Owned, Rejected
from engine.events import SourceReleased
from engine.snapshot import RoutingSnapshot
from projections import routing
from tests.engine.tables import key, manifest, pool, provider, redirect
from tests.projections.worlds import told

WATCHED, SENT, API = "file:routes.json", "sent:more.json", "token:ops"
A = provider("a")
KEYS = frozenset({"filed"})


def after(snapshot: RoutingSnapshot, command: Command, source: str) -> RoutingSnapshot:
    return told(snapshot, decide(snapshot, command, source=source, change=routing.change), source)


def world(source: str = WATCHED) -> RoutingSnapshot:
    return after(routing.empty(), ApplyManifest(manifest([pool("filed", A)], [key("filed")])), source)


def test_a_pool_that_others_lead_to_stays() -> None:
    """RULE-10: the file is refused as a whole, with the pool that needs what it drops."""
    table = after(world(), DefinePool(pool("made", A, rules=(redirect("filed"),))), API)
    without = ApplyManifest(manifest([pool("other", A)], [key("filed")]), takes_over=True)
    with pytest.raises(Rejected) as caught:
        decide(table, without, source=WATCHED)
    (problem,) = {one.where: one for one in caught.value.problems}.values()
    assert problem.where == ("pools", "made", "rules", 0, "target")
    assert "pool 'made' has a rule that leads to 'filed'" in problem.what
    assert set(after(world(), without, WATCHED).pools) == {"other"}


@pytest.mark.parametrize("released", [False, True])
def test_a_key_that_goes_leaves_the_lists_of_others(released: bool) -> None:
    """DEF-3: the list stays a list, and the pool stays the API's: the file does not drop it the next time."""
    table = world()
    if released:
        another = "sent:another.json"
        table = after(table, ApplyManifest(manifest([pool("made", A, keys=KEYS)])), another)
        table = after(table, ChangeEntities((SourceReleased(another),)), API)
    else:
        table = after(table, DefinePool(pool("made", A, keys=KEYS)), API)
    source = table.streams["pool:made"].source
    keyless = ApplyManifest(manifest([pool("filed", A)]), takes_over=True)
    table = after(table, keyless, WATCHED)
    assert (table.pools["made"].keys, set(table.keys)) == (frozenset(), set())
    assert (table.streams["pool:made"].source, table.owner("pool:made")) == (source, None)
    assert set(after(table, ApplyManifest(manifest(), takes_over=True), WATCHED).pools) == {"made"}


def test_a_key_in_the_list_of_another_file_stays() -> None:
    """DEF-51: that file's pool is not this one's to change."""
    table = after(world(SENT), ApplyManifest(manifest([pool("watched", A, keys=KEYS)])), WATCHED)
    with pytest.raises(Rejected, match=r"the watched file routes\.json manages it"):
        decide(table, ApplyManifest(manifest([pool("filed", A)])), source=SENT)


def test_what_a_sent_file_defines_is_its_own() -> None:
    """DEF-51: as of a watched one; each leaves the other's part alone, but that the watched one may take over."""
    with pytest.raises(Owned):
        decide(world(SENT), DefinePool(pool("filed", A, limit=1)), source=API)
    same_name = "file:more.json"
    beside = after(world(SENT), ApplyManifest(manifest([pool("mine", A)])), same_name)
    assert set(beside.pools) == {"filed", "mine"}
    with pytest.raises(Rejected, match="the sent file"):
        decide(beside, ApplyManifest(manifest([pool("filed", A)])), source=same_name)
    over = after(beside, ApplyManifest(manifest([pool("filed", A)]), takes_over=True), same_name)
    assert set(over.pools) == {"filed"}


@pytest.mark.parametrize("alias", ["..", ".", "a/../b", "/a", "a/", "a//b"])
def test_a_pool_that_could_not_be_asked_for_is_not_made(alias: str) -> None:
    """DEF-31: clients resolve such paths. What a file has made may be called so, and stays."""
    made = pool(alias, A)
    for command in (DefinePool(made), ApplyDocument(Document(pools={alias: made}))):
        with pytest.raises(Rejected, match="no address leads to it"):
            decide(routing.empty(), command, source=API, change=routing.change)
    table = after(routing.empty(), ApplyManifest(manifest([made])), WATCHED)
    table = after(table, ChangeEntities((SourceReleased(WATCHED),)), API)
    assert set(after(table, ApplyDocument(Document(pools={alias: made})), API).pools) == {alias}
