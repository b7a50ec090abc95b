"""Who may change what: files own what they were the last to define."""

import attrs
import pytest

from engine.commands import ApplyManifest, ChangeSettings, DefineKey, DefinePool, RemovePool
from engine.decide import decide
from engine.errors import Owned, Rejected
from engine.events import Event, Recorded, SourceClaimed, SourceReleased
from engine.snapshot import Manifest, RoutingSnapshot, Settings
from projections.routing import empty, fold
from tests.engine.tables import key, pool, provider

A = provider("a")
FIRST, SECOND, API = "file:first.json", "file:second.json", "token:ops"


def written(snapshot: RoutingSnapshot, source: str, *events: Event) -> RoutingSnapshot:
    """The table after a source's events."""
    start = snapshot.position + 1
    recorded = [Recorded(n, event, f"{n:032x}", source, n) for n, event in enumerate(events, start)]
    return fold(snapshot, recorded)[0]


def applied(snapshot: RoutingSnapshot, source: str, manifest: Manifest, *, takes_over: bool = False) -> RoutingSnapshot:
    return written(snapshot, source, *decide(snapshot, ApplyManifest(manifest, takes_over), source=source))


def of(*aliases: str, **more: object) -> Manifest:
    return Manifest({alias: pool(alias, A) for alias in aliases}, **more)  # type: ignore[arg-type]


def test_what_a_file_defines_is_its_own() -> None:
    """DEF-51: the API is told which file manages it; what it made itself is not the file's."""
    snapshot = applied(empty(), FIRST, of("chat"))
    with pytest.raises(Owned) as caught:
        decide(snapshot, DefinePool(pool("chat", A, limit=3)), source=API)
    assert (caught.value.stream, caught.value.owner) == ("pool:chat", FIRST)
    with pytest.raises(Owned):
        decide(snapshot, RemovePool("chat"), source=API)
    snapshot = written(snapshot, API, *decide(snapshot, DefinePool(pool("mine", A)), source=API))
    snapshot = written(snapshot, API, *decide(snapshot, DefineKey(key("k")), source=API))
    again = applied(snapshot, FIRST, of("mini"))
    assert set(again.pools) == {"mini", "mine"}
    assert set(again.keys) == {"k"}


def test_one_file_leaves_another_ones_part_alone() -> None:
    """DEF-46: a file that is sent is not the file that is watched; only that one takes over what files have defined."""
    snapshot = applied(empty(), FIRST, of("chat", settings=Settings(strict_mode=True)))
    beside = applied(snapshot, SECOND, of("mini"))
    assert set(beside.pools) == {"chat", "mini"}
    assert beside.settings.strict_mode
    with pytest.raises(Rejected, match=r"first\.json manages it"):
        decide(beside, ApplyManifest(of("chat", "mini")), source=SECOND)
    with pytest.raises(Rejected, match="not this file's"):
        decide(beside, ApplyManifest(of("mini", settings=Settings(max_idle_per_host=7))), source=SECOND)
    over = applied(beside, SECOND, of("mini"), takes_over=True)
    assert set(over.pools) == {"mini"}


def test_a_released_file_changes_nothing_until_it_is_claimed() -> None:
    """DEF-51: then the API may, and what it has changed stays its own."""
    snapshot = applied(empty(), FIRST, of("chat", "mini"))
    released = written(snapshot, API, SourceReleased(FIRST))
    with pytest.raises(Rejected, match="was released"):
        decide(released, ApplyManifest(of("chat"), takes_over=True), source=FIRST)
    changed = written(released, API, *decide(released, DefinePool(pool("chat", A, limit=3)), source=API))
    claimed = written(changed, API, SourceClaimed(FIRST))
    assert (claimed.owner("pool:mini"), claimed.owner("pool:chat")) == (FIRST, None)
    with pytest.raises(Rejected, match="made by the API"):
        decide(claimed, ApplyManifest(of("chat", "mini")), source=FIRST)


def test_settings_are_owned_too() -> None:
    """DEF-49: as everything that a file states."""
    snapshot = applied(empty(), FIRST, Manifest(settings=Settings(strict_mode=True)))
    with pytest.raises(Owned):
        decide(snapshot, ChangeSettings(attrs.evolve(snapshot.settings, idle_timeout_s=1.0)), source=API)
    without = empty()
    events = decide(without, ChangeSettings(Settings(strict_mode=True)), source=API)
    assert written(without, API, *events).settings.strict_mode
