"""What is told of a model's types, for faults in bodies."""

from enum import Enum
from typing import Annotated, Any, Literal

import attrs
import pytest

from adapters.http.admin.bodies import checked
from adapters.http.admin.models import required_of, type_at, words_of
from adapters.http.admin.problems import Invalid


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Inner:
    weight: int
    kind: Literal["a", "b"] | None = None


@attrs.frozen
class Outer:
    name: str
    colour: Annotated[Colour | None, "how"] = None
    inner: tuple[Inner, ...] = ()
    named: dict[str, Inner] = attrs.field(factory=dict)
    either: int | str = 0


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("", Outer),
        ("colour", Colour),
        ("inner[3]", Inner),
        ("inner[3].weight", int),
        ("named[...].weight", int),
        ("either", None),
        ("nowhere", None),
        ("name[0]", None),
        ("nowhere.at[1].all", None),
    ],
)
def test_a_place_has_its_type_or_none(where: str, kind: Any) -> None:
    """Of what may be left out the type it has otherwise; total."""
    assert type_at(Outer, where) is kind


def test_words_and_fields_are_the_models_own() -> None:
    """And none where there are none."""
    assert words_of(Colour) == ("red", "blue")
    assert words_of(type_at(Outer, "inner[0].kind")) == ("a", "b")
    assert words_of(int) == words_of(None) == required_of(int) == ()
    assert required_of(Outer) == ("name",)


@pytest.mark.parametrize(
    ("body", "where", "valid"),
    [
        ({"name": "n", "colour": "green"}, "colour", "red, blue"),
        ({"name": "n", "inner": [{"weight": 1, "kind": "c"}]}, "inner[0].kind", "a, b"),
        ({"name": "n", "named": {"x": {}}}, "named[...]", "field weight"),
        ({}, "", "field name"),
        ({"name": 1}, "name", "str"),
    ],
)
def test_a_fault_says_what_would_do(body: Any, where: str, valid: str) -> None:
    """ENTRY: the words there are, the fields it takes; never only where to look them up."""
    with pytest.raises(Invalid) as caught:
        checked(body, Outer)
    (fault,) = caught.value.faults
    assert (fault.where, fault.valid) == (where, valid)
