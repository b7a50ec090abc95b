"""Lines of places in configuration files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.cli.file_lines import line_finder, path_in
from adapters.config.findings import JsonPath, json_path
from adapters.config.yaml_lines import YamlLines

texts = st.text("ab '\"\\[]{}:,.#\nü", max_size=6)
documents = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=20,
    ),
    max_size=5,
)


def places(value: Any, path: JsonPath = ()) -> Iterator[JsonPath]:
    yield path
    if isinstance(value, dict):
        for name, one in value.items():
            yield from places(one, (*path, name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from places(one, (*path, index))


@given(documents, st.sampled_from([None, 0, 2]))
def test_json_has_the_lines_that_yaml_finds_in_it(document: dict[str, Any], indent: int | None) -> None:
    """JSON is YAML, whose reader knows its lines; whatever names and texts look like."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    find, oracle = line_finder(Path("a.json"), text), YamlLines.of(text)
    assert find is not None
    for path in places(document):
        assert find(path) == oracle.line(path), path


@given(st.lists(texts | st.integers(0, 99), max_size=5).map(tuple))
def test_a_path_is_read_as_it_was_written(path: JsonPath) -> None:
    """Whatever stands behind it."""
    written = json_path(path)
    assert path_in(f"{written}: is wrong; valid: $.x") == (written, path)


def test_toml_has_lines_of_tables_and_keys() -> None:
    """Dotted keys, quoted names, arrays of tables within each other; a place inside an inline value has its key's."""
    text = """\
strict_mode = true # [not.a.table]
[[a.b]]
c = 1
[[a.b]]
[[a.b.d]]
"e.f".g = { h = 1 }
[a.i]
j = [
  { k = 1 },
]
"""
    find = line_finder(Path("a.toml"), text)
    assert find is not None
    lines = {
        ("strict_mode",): 1, ("a", "b", 0): 2, ("a", "b", 0, "c"): 3, ("a", "b", 1): 4, ("a", "b", 1, "d", 0): 5,
        ("a", "b", 1, "d", 0, "e.f", "g", "h"): 6, ("a", "i"): 7, ("a", "i", "j", 0, "k"): 8, ("nowhere",): 1,
    }  # fmt: skip
    assert {path: find(path) for path in lines} == lines


def test_what_cannot_be_read_has_no_lines() -> None:
    """Whoever reads it says so."""
    assert line_finder(Path("a.yaml"), "a: [") is None
