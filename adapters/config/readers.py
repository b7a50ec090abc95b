"""Bytes of a file to a document of JSON's types: objects, lists, strings, numbers, true, false and null.

Law: what comes out could have been written as JSON but for infinity and NaN, every object's keys are strings that
occur once, and every string is valid Unicode; or ConfigError names the places where that is not so. No message quotes
the file's text: a broken line is often the line with the secret in it.
"""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml

from adapters.config.documents import ObjectWithRepeats, faults
from adapters.config.findings import ConfigError, lines
from adapters.config.yaml_loader import RepeatedKeys, load_yaml

_TOML_PLACE = re.compile(r"(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read(path: Path) -> bytes:
    """The file's bytes. Raises ConfigError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        problem = "there is no such file; valid: the path of an existing file"
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        problem = f"the file cannot be read ({reason}); valid: a file this process may read"
    raise ConfigError((f"{path}: {problem}",))


def parse(path: Path, content: bytes) -> object:
    """The document, read as the suffix says. A UTF-8 byte order mark is passed over. Raises ConfigError."""
    parser = _PARSERS.get(path.suffix.lower())
    if parser is None:
        suffixes = ", ".join(_PARSERS)
        ending = f"the ending {path.suffix!r} names no format" if path.suffix else "the file's name has no ending"
        raise ConfigError((f"{path}: {ending}; valid: {suffixes}",))
    try:
        text = content.removeprefix(_BYTE_ORDER_MARK).decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError((f"{path}: line {line}: not valid UTF-8; valid: text in UTF-8",)) from None
    if not text.strip():
        raise ConfigError((f"{path}: the file is empty; valid: at least an object with `targets`",))
    try:
        document = parser(text)
    except RepeatedKeys as error:
        raise ConfigError(tuple(f"{path}: {problem}" for problem in error.problems)) from None
    except _Syntax as error:
        raise ConfigError((f"{path}: {error}",)) from None
    except RecursionError:
        raise ConfigError((f"{path}: nested too deeply; valid: the levels the format has",)) from None
    found = list(faults(document))
    if found:
        raise ConfigError(lines(path, document, found))
    return document


class _Syntax(Exception):
    """Place and reason of a syntax error, without the text."""


def _json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=ObjectWithRepeats.of)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise _Syntax(f"line {error.lineno}, column {error.colno}: {what}; valid: JSON (RFC 8259)") from None
    except ValueError:
        raise _Syntax("a number has too many digits; valid: numbers of at most 4300 digits") from None


def _yaml(text: str) -> object:
    try:
        return load_yaml(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        # PyYAML quotes names of tags and anchors; a secret that starts with `!` or `*` would be one.
        what = re.sub(r"\s*'[^']{2,}'", "", error.problem or "not understood")
        raise _Syntax(f"{place}{what}; valid: YAML (quote strings that start with a special character)") from None
    except yaml.YAMLError:
        raise _Syntax("has a character that YAML does not allow; valid: YAML") from None
    except (ValueError, LookupError, AttributeError, OverflowError, TypeError):
        # PyYAML's constructors raise what they like for a tag that does not fit its value, e.g. `!!bool foo`.
        raise _Syntax("a number or another value cannot be read; valid: YAML (quote it to have a string)") from None


def _toml(text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _TOML_PLACE.fullmatch(str(error))
        if match is None:
            raise _Syntax(f"{_unquoted(str(error))}; valid: TOML 1.0") from None
        place = f"line {match['line']}, column {match['column']}"
        raise _Syntax(f"{place}: {_unquoted(match['what'])}; valid: TOML 1.0") from None
    except ValueError:
        raise _Syntax("a number or a date cannot be read; valid: TOML 1.0") from None


def _unquoted(what: str) -> str:
    return (what[:1].lower() + what[1:]).replace("\n", " ")


_PARSERS: dict[str, Callable[[str], object]] = {".json": _json, ".yaml": _yaml, ".yml": _yaml, ".toml": _toml}
