"""What follows from a change has to be allowed too: a file's things are in nobody else's way, and in nobody's hands."""

import attrs
import pytest

from engine.commands import ApplyManifest, ChangeEntities, ChangeSettings, Command, DefineKey, DefinePool, RemoveKey
from engine.decide import decide
from engine.errors import Owned
from engine.events import SourceReleased, UserDefined, UserRemoved
from engine.snapshot import RoutingSnapshot, Settings
from projections import routing
from tests.engine.tables import key, manifest, pool, provider
from tests.projections.worlds import told

FILE, API = "file:routes.json", "token:ops"
A, B = provider("a"), provider("b")


def after(snapshot: RoutingSnapshot, command: Command, source: str) -> RoutingSnapshot:
    return told(snapshot, decide(snapshot, command, source=source, change=routing.change), source)


def world() -> RoutingSnapshot:
    stated = manifest(
        [pool("filed", A, keys=frozenset({"made", "filed"}))],
        [attrs.evolve(key("filed"), user_id="u")],
        settings=Settings(max_idle_per_host=7),
    )
    there = after(routing.empty(), ChangeEntities((UserDefined("u"),)), API)
    there = after(there, DefineKey(key("made")), API)
    return after(there, ApplyManifest(stated), FILE)


@pytest.mark.parametrize(
    ("command", "stream"),
    [
        (ChangeEntities((UserRemoved("u"),)), "pool:filed"),
        (RemoveKey("made"), "pool:filed"),
        (RemoveKey("filed"), "pool:filed"),
        (DefineKey(key("filed")), "key:filed"),
        (DefinePool(pool("filed", B)), "pool:filed"),
        (ChangeSettings(Settings()), "settings"),
    ],
)
def test_a_change_stops_at_what_a_file_manages(command: Command, stream: str) -> None:
    """DEF-51: refused whole, the file named, although only a consequence is the file's; allowed once it is released."""
    with pytest.raises(Owned) as caught:
        decide(world(), command, source=API, change=routing.change)
    assert (caught.value.stream, caught.value.owner) == (stream, FILE)
    free = after(world(), ChangeEntities((SourceReleased(FILE),)), API)
    there = after(free, command, API)
    assert there.streams[stream].source == API
    assert there.owner(stream) is None
