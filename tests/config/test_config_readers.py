"""Bytes to documents: three formats, one data model, and one clear line for what is neither."""

from pathlib import Path

import pytest

from adapters.config import ConfigError, load
from adapters.config.readers import parse

JSON, YAML, TOML = Path("r.json"), Path("r.yaml"), Path("r.toml")


def refusal(path: Path, content: bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(path, content)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (JSON, '{"a": {"b": [1, 2.5, true, null, "x"]}}'),
        (YAML, "a:\n  b: [1, 2.5, true, null, x]\n"),
        (Path("r.yml"), "a: {b: [1, 2.5, true, ~, 'x']}"),
        (Path("R.JSON"), '\ufeff{"a": {"b": [1, 2.5, true, null, "x"]}}'),
    ],
)
def test_formats_agree(path: Path, text: str) -> None:
    """The ending chooses the format, in either case; a byte order mark is passed over."""
    assert parse(path, text.encode()) == {"a": {"b": [1, 2.5, True, None, "x"]}}


def test_toml_is_read() -> None:
    """TOML has the same values, but no null."""
    assert parse(TOML, b"\xef\xbb\xbf[a]\nb = [1, 2.5, true, 'x']\n") == {"a": {"b": [1, 2.5, True, "x"]}}


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        (JSON, b'{"a": 1,\n "b" 2}', "r.json: line 2, column 6: expecting ':' delimiter; valid: JSON (RFC 8259)"),
        (YAML, b"a: 1\nb: [1\n", "r.yaml: line 3, column 1: "),
        (YAML, b"a: *missing", "r.yaml: line 1, column 4: found undefined alias; valid: "),
        (YAML, b"a: !secret x", "r.yaml: line 1, column 4: could not determine a constructor for the tag; valid: "),
        (YAML, b"a: 1\n---\nb: 2\n", "r.yaml: line 2, column 1: "),
        (YAML, b"a: \x00", "r.yaml: has a character that YAML does not allow"),
        (TOML, b"a = 1\nb = \n", "r.toml: line 2, column 5: invalid value; valid: TOML 1.0"),
        (TOML, b"a = 1\na = 2\n", "r.toml: line 2, column 6: "),
        (JSON, b'{"a": "\xff"}', "r.json: line 1: not valid UTF-8"),
        (JSON, '{"a": 1}'.encode("utf-16"), "r.json: line 1: not valid UTF-8"),
        (JSON, b" \n", "r.json: the file is empty"),
        (YAML, b"", "r.yaml: the file is empty"),
        (Path("r.ini"), b"{}", "r.ini: the ending '.ini' names no format; valid: .json, .yaml, .yml, .toml"),
        (Path("routes"), b"{}", "routes: the file's name has no ending; valid: .json, .yaml, .yml, .toml"),
        (JSON, b'{"a": ' + b"1" * 5000 + b"}", "r.json: a number has too many digits"),
        (JSON, b"[" * 100_000, "r.json: nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_one_line(path: Path, content: bytes, said: str) -> None:
    """CFG-18: the line names the file, the place in it and what would be valid."""
    line = refusal(path, content)
    assert line.startswith(said)
    assert "; valid: " in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        *(
            (".json", f'{{"targets": {{"a": {{"url": "http://h", "cost": {n}}}}}}}')
            for n in ("NaN", "-Infinity", "1e999")
        ),
        *((".yaml", f"targets: {{a: {{url: http://h, cost: {number}}}}}") for number in (".nan", "-.inf", ".inf")),
        *((".toml", f'targets.a.url = "http://h"\ntargets.a.cost = {number}') for number in ("nan", "inf", "-inf")),
    ],
)
def test_numbers_are_finite(tmp_path: Path, ending: str, text: str) -> None:
    """DEF-31: all three formats can write infinity; no configuration can mean it, and the place says what it takes."""
    path = tmp_path / f"routes{ending}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, strict=False, credential_id=str, environ={})
    (line,) = caught.value.problems
    assert line.startswith(f"{path}: $.targets.a.cost: ")
    assert line.endswith(" is not valid here; valid: a number from 0 to 4294967295")


@pytest.mark.parametrize(("number", "value"), [("1000", 1000), ("1.0e+3", 1000.0), ("1e3", "1e3")])
def test_yaml_is_of_version_1_1(number: str, value: object) -> None:
    """CFG-22: a number with an exponent needs a point and a sign, as the guide says."""
    assert parse(YAML, f"a: {number}".encode()) == {"a": value}


def test_json_keys_occur_once() -> None:
    """Every repeated key is reported with its path; the parser would keep the last."""
    text = '{"a": {"x y": 1, "x y": 2}, "b": 1, "b": 1, "b": 2}'
    assert refusal(JSON, text.encode()).splitlines() == [
        "r.json: $.a['x y']: the key occurs twice in its object; valid: each key once",
        "r.json: $.b: the key occurs twice in its object; valid: each key once",
    ]


def test_yaml_keys_occur_once_and_are_strings() -> None:
    """Every such key is reported with line and column."""
    text = "a: 1\nb: {x: 1, x: 2}\na: 3\non: 4\n5: 6\n"
    assert refusal(YAML, text.encode()).splitlines() == [
        "r.yaml: line 3, column 1: the key occurs twice, first in line 1; valid: each key once",
        "r.yaml: line 4, column 1: the key is not a string; valid: put it in quotes",
        "r.yaml: line 5, column 1: the key is not a string; valid: put it in quotes",
        "r.yaml: line 2, column 11: the key occurs twice, first in line 2; valid: each key once",
    ]


def test_yaml_merge_keys_work() -> None:
    """A merged mapping may be overridden: that is no repetition."""
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\n"
    assert parse(YAML, text.encode()) == {"base": {"x": 1, "y": 2}, "one": {"x": 1, "y": 3}}


def test_yaml_dates_stay_strings() -> None:
    """A version that looks like a date is the string it looks like."""
    assert parse(YAML, b"a: 2024-10-21") == {"a": "2024-10-21"}


@pytest.mark.parametrize(("path", "text"), [(TOML, "a = 2024-10-21"), (YAML, "a: !!binary aGk=")])
def test_values_json_does_not_have_are_refused(path: Path, text: str) -> None:
    """Dates in TOML and binary in YAML have no meaning in the format."""
    assert "$.a: a " in refusal(path, text.encode())


def test_half_a_surrogate_pair_is_refused() -> None:
    """JSON can escape one; it could be neither hashed nor sent."""
    lines = refusal(JSON, b'{"a": "\\ud800", "\\udfff": {"b": 1}}')
    assert "$.a: half of a surrogate pair" in lines
    assert "$: a key is not a string" in lines


def test_yaml_cannot_blow_up() -> None:
    """Anchors that stand for 2^64 values, or for themselves, are refused in bounded time."""
    doubling = "\n".join(["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30)])
    assert "too large" in refusal(YAML, doubling.encode())
    assert "too large" in refusal(YAML, b"a: &a [*a]")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (JSON, '{"key": s3cr3t'),
        (YAML, "key: *s3cr3t"),
        (YAML, "key: !s3cr3t x"),
        (YAML, "key: [s3cr3t"),
        (YAML, "key: s3cr3t: x"),
        (TOML, "key = s3cr3t"),
        (TOML, "key = 's3cr3t"),
    ],
)
def test_no_line_quotes_the_file(path: Path, text: str) -> None:
    """A broken line is often the one with the secret in it."""
    assert "s3cr3t" not in refusal(path, text.encode())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """CFG-18: an unreadable file is an error that names its path."""
    path = tmp_path / "absent.json"
    with pytest.raises(ConfigError) as caught:
        load(path, strict=False, credential_id=str, environ={})
    assert str(caught.value).startswith(f"{path}: there is no such file; valid: ")
    with pytest.raises(ConfigError, match="the file cannot be read \\(is a directory\\)"):
        load(tmp_path, strict=False, credential_id=str, environ={})
