"""A snapshot taken apart and put together again."""

from collections.abc import Mapping
from enum import Enum
from typing import get_type_hints

import attrs
import immutables
import msgspec
import pytest

from adapters.store.cache_fingerprint import described
from adapters.store.cache_parts import PART, Part, assembled, fields, parts
from adapters.store.packing import form_of
from engine.catalogue import Catalogue
from engine.names import Position
from engine.snapshot import Key, Limits, Pool, Provider, RoutingSnapshot
from projections.table import Table, empty
from tests.store.snapshots import Maker, empty_fields


def through(snapshot: RoutingSnapshot) -> RoutingSnapshot:
    return assembled(iter(list(parts(snapshot))))


@pytest.mark.parametrize("size", [1, 3, PART + 1])
def test_what_is_taken_apart_comes_together_equal(size: int) -> None:
    """With a value in every field of every class, and in more parts than one."""
    snapshot = Maker().snapshot(size)
    assert empty_fields(RoutingSnapshot, snapshot) == []
    again = through(snapshot)
    for field in attrs.fields(RoutingSnapshot):
        assert getattr(again, field.name) == getattr(snapshot, field.name), field.name
    assert again == snapshot


def test_every_field_is_covered() -> None:
    """Those of the snapshot and of its catalogue, each once."""
    covered = [field.kind for field in fields()]
    own = {field.name for field in attrs.fields(RoutingSnapshot)} - {"catalogue"}
    assert len(covered) == len(set(covered))
    assert set(covered) == own | {f"catalogue.{field.name}" for field in attrs.fields(Catalogue)}


def test_a_snapshot_of_nothing_is_one_too() -> None:
    """The table at position 0."""
    assert through(empty()) == empty()


def test_the_next_events_fold_onto_it() -> None:
    """Its mappings are those that the projections open for changes, links among them."""
    again = through(Maker().snapshot())
    table = Table(again)
    assert table.closed() == again
    catalogue = again.catalogue
    for links in (catalogue.members, catalogue.granted, catalogue.deployments_at, again.pools):
        assert isinstance(links, immutables.Map)
    assert all(isinstance(inner, immutables.Map) for inner in catalogue.members.values())


def test_a_caller_is_the_key_of_its_id() -> None:
    """The same object, as in the table that was saved: with both of its digests, and in memory once."""
    key = Key("k", b"1" * 32, labels={"a": "b"}, purpose="batch", previous=b"2" * 32)
    snapshot = attrs.evolve(
        empty(), keys=immutables.Map(k=key), callers=immutables.Map({key.digest: key, b"2" * 32: key})
    )
    again = through(snapshot)
    assert again == snapshot
    assert again.callers[b"1" * 32] is again.callers[b"2" * 32] is again.keys["k"]
    assert again.keys["k"].all_labels == {"a": "b", "purpose": "batch"}


def test_a_caller_of_another_key_is_not_saved() -> None:
    """It would come back as something else."""
    snapshot = attrs.evolve(empty(), callers=immutables.Map({b"1" * 32: Key("k", b"1" * 32)}))
    with pytest.raises(ValueError, match="'k'"):
        list(parts(snapshot))


def test_values_come_back_as_their_constructors_make_them() -> None:
    """Hashable where they were, and limits that are alike are one object."""
    provider = Provider("p", "http://one.example/", limits=Limits(3))
    pools = immutables.Map({name: Pool(name, (provider,)) for name in "ab"})
    again = through(attrs.evolve(empty(), pools=pools)).pools
    assert hash(again["a"].providers[0]) == hash(provider)
    assert again["a"].providers[0].limits is again["b"].providers[0].limits


def test_a_group_of_many_is_written_in_pieces() -> None:
    """Thousands hang on one entry, and none of them, which no fold leaves behind, is kept too."""
    members = immutables.Map(
        {"all": immutables.Map({f"user-{n}": None for n in range(1000)}), "none": immutables.Map()}
    )
    snapshot = attrs.evolve(empty(), catalogue=attrs.evolve(empty().catalogue, members=members))
    (part,) = (part for part in parts(snapshot) if part.kind == "catalogue.members")
    assert len(msgspec.msgpack.decode(part.doc)) > 4
    assert through(snapshot) == snapshot


def test_parts_out_of_place_are_refused() -> None:
    """Missing, twice, or of a field that is not there."""
    whole = list(parts(Maker().snapshot()))
    for wrong in (whole[1:], [whole[0], *whole], [*whole, Part("nonsense", b"\x90")], whole[::-1]):
        with pytest.raises((ValueError, LookupError, TypeError)):
            assembled(iter(wrong))


@attrs.frozen
class _Inner:
    word: str
    number: int


class _Word(Enum):
    ONE = "one"


@attrs.frozen
class _Outer:
    inner: _Inner | None
    words: Mapping[str, _Word]


def test_a_description_tells_types_apart_all_the_way_down() -> None:
    """A field's name or type, and a word of an enum."""
    lines = described(_Outer)
    assert any("_Inner.number" in line and "int" in line for line in lines)
    assert any("_Word" in line and "'one'" in line for line in lines)
    known = described(RoutingSnapshot)
    for cls in (Catalogue, Pool, Provider, Key, Limits):
        for field in attrs.fields(cls):
            assert any(line.startswith(f"{cls.__name__}.{field.name}: ") for line in known), field


@pytest.mark.parametrize(
    "hint", [object, list[int], tuple[int, str], Mapping[str, _Inner], int | _Inner | _Word | _Outer]
)
def test_a_type_without_a_form_is_a_type_error(hint: object) -> None:
    """When it is asked for: not in the middle of a save."""
    with pytest.raises(TypeError, match="has no form in the cache"):
        form_of(hint)


def test_positions_are_numbers() -> None:
    """The fields' annotations are resolved, aliases among them."""
    assert get_type_hints(RoutingSnapshot)["position"] is Position is int
