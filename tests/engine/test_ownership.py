"""Who may change what: a file keeps what it defined, and leaves alone what others made."""

import attrs
import pytest

from engine.commands import (
    ApplyManifest,
    ChangeEntities,
    ChangeSettings,
    Command,
    DefineKey,
    DefinePool,
    RemoveKey,
    RemovePool,
)
from engine.decide import decide
from engine.errors import Owned, Rejected
from engine.events import Recorded, SourceClaimed, SourceReleased, UserDefined, UserRemoved
from engine.snapshot import RoutingSnapshot, Settings
from projections import routing
from tests.engine.tables import key, manifest, pool, provider, recorded

FILE, OTHER_FILE, API = "file:routes.json", "file:others.json", "token:ops"
A, B = provider("a"), provider("b")
STATED = manifest([pool("filed", A, keys=frozenset({"filed"}))], [key("filed")], settings=Settings(max_idle_per_host=7))


def told(snapshot: RoutingSnapshot, command: Command, source: str) -> RoutingSnapshot:
    events = decide(snapshot, command, source=source, change=routing.change)
    made: list[Recorded] = [
        attrs.evolve(recorded(number, event), actor=source)
        for number, event in enumerate(events, snapshot.position + 1)
    ]
    return routing.fold(snapshot, made)[0]


def world() -> RoutingSnapshot:
    there = told(routing.empty(), ApplyManifest(STATED), FILE)
    there = told(there, DefinePool(pool("made", B)), API)
    return told(there, DefineKey(key("made")), API)


CHANGES: list[tuple[Command, str]] = [
    (DefinePool(pool("filed", B)), "pool:filed"),
    (RemovePool("filed"), "pool:filed"),
    (DefineKey(key("filed", tier="x")), "key:filed"),
    (RemoveKey("filed"), "pool:filed"),
    (ChangeSettings(Settings(strict_mode=True)), "settings"),
]


@pytest.mark.parametrize(("command", "stream"), CHANGES)
def test_what_a_file_defined_is_the_files(command: Command, stream: str) -> None:
    """Issue 4, item 5: the API is refused, and told which file; what holds already is no change."""
    with pytest.raises(Owned) as caught:
        decide(world(), command, source=API)
    assert (caught.value.stream, caught.value.owner) == (stream, FILE)
    assert decide(world(), DefinePool(world().pools["filed"]), source=API) == ()


@pytest.mark.parametrize(("command", "stream"), CHANGES)
def test_what_a_file_gave_up_is_everybodys(command: Command, stream: str) -> None:
    """Issue 4, item 5: unless it is released; and who changes it then has it."""
    free = told(world(), ChangeEntities((SourceReleased(FILE),)), API)
    there = told(free, command, API)
    assert there.streams[stream].source == API
    assert there.owner(stream) is None
    with pytest.raises(Rejected) as caught:
        decide(free, ApplyManifest(STATED), source=FILE)
    assert "was released" in caught.value.problems[0].what


def test_a_claimed_source_owns_again() -> None:
    """Issue 4, item 5: what nobody else has touched since; the rest is whose it became."""
    free = told(world(), ChangeEntities((SourceReleased(FILE),)), API)
    touched = told(free, DefinePool(pool("filed", B)), API)
    claimed = told(touched, ChangeEntities((SourceClaimed(FILE),)), API)
    assert claimed.owner("key:filed") == FILE
    assert claimed.owner("pool:filed") is None


def test_a_file_leaves_alone_what_others_made() -> None:
    """Issue 4, item 5: what it does not name goes, if it was a file's; the API's stays, and is not taken over."""
    emptied = told(world(), ApplyManifest(attrs.evolve(STATED, pools={}, keys={})), FILE)
    assert [*emptied.pools] == ["made"]
    assert [*emptied.keys] == ["made"]
    for taking in (manifest([pool("made", A)]), manifest([], [key("made", tier="x")])):
        with pytest.raises(Rejected) as caught:
            decide(world(), ApplyManifest(taking), source=FILE)
        assert "made by the API" in caught.value.problems[0].what


def test_a_file_does_not_take_what_another_one_has() -> None:
    """Issue 4, item 5: it is told which file that is, and nothing changes hands."""
    with pytest.raises(Rejected) as caught:
        decide(world(), ApplyManifest(manifest([pool("filed", B)], settings=STATED.settings)), source=OTHER_FILE)
    assert "routes.json manages it" in caught.value.problems[0].what


def test_what_follows_from_a_change_has_to_be_allowed_too() -> None:
    """Issue 4, item 5: a user whose key a file manages is not removed by the API."""
    there = told(world(), ChangeEntities((UserDefined("u"),)), API)
    owned = manifest([], [attrs.evolve(key("filed"), user_id="u")], settings=STATED.settings)
    there = told(there, ApplyManifest(owned), FILE)
    with pytest.raises(Owned) as caught:
        decide(there, ChangeEntities((UserRemoved("u"),)), source=API, change=routing.change)
    assert caught.value.stream == "key:filed"
