"""Documents in Pointsman's own format: all that a control plane consists of, or some of its sections.

Law: what `projections.document.exported` writes is read back as what was written (a property test holds it). Every
fault is a line: file, line, path, what is wrong and what is valid. No string of the document is quoted.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import yaml

from adapters.config.findings import ConfigError, Finding, JsonPath, json_path
from adapters.config.native_sections import READERS
from adapters.config.readers import parse
from adapters.config.typed import Report, an_object, unknown
from adapters.config.yaml_lines import YamlLines
from adapters.credential_names import is_credential
from engine.document import SECTIONS, Document
from engine.errors import Problem
from projections.document import VERSION

_MOST_TO_PLACE: Final = 4 << 20
"""Bytes. In longer texts it would take too long to find the lines."""
MARK: Final = "pointsman"
"""The key that tells this format from others."""


def is_native(document: object) -> bool:
    return isinstance(document, dict) and MARK in document


def load_native(content: bytes, name: str) -> Document:
    """The document in a file of that name, whose ending says whether it is YAML, JSON or TOML. Raises ConfigError."""
    raw = parse(Path(name), content)
    found: list[Finding] = []
    document = document_of(raw, found.append)
    if found:
        raise ConfigError(located(content, name, found))
    return document


def problem_lines(content: bytes, name: str, problems: tuple[Problem, ...]) -> tuple[str, ...]:
    """What is wrong with a document's meaning, where the document says it."""
    return located(content, name, [Finding(one.where, f"{one.what}; valid: {one.valid}") for one in problems])


def located(content: bytes, name: str, found: Iterable[Finding]) -> tuple[str, ...]:
    """Each finding once, as a line, in the order of the lines they are in."""
    lines = None
    if not name.lower().endswith(".toml") and len(content) <= _MOST_TO_PLACE:
        # JSON may have what YAML does not allow.
        with suppress(yaml.YAMLError):
            lines = YamlLines.of(content.decode("utf-8-sig"))
    if lines is None:
        return tuple(f"{name}: {json_path(one.path)}: {one.text}" for one in dict.fromkeys(found))
    placed = sorted({(lines.line(one.path), json_path(one.path), one.text) for one in found})
    return tuple(f"{name}:{line}: {path}: {text}" for line, path, text in placed)


def document_of(raw: object, report: Report) -> Document:
    """A parsed document; what is wrong with it is reported."""
    top = an_object(raw, (), report)
    unknown(top, (MARK, *SECTIONS), (), report)
    if isinstance(raw, dict) and (top.get(MARK) != VERSION or isinstance(top.get(MARK), bool)):
        where: JsonPath = (MARK,) if MARK in top else ()
        report(Finding(where, f"no version that is read here; valid: `{MARK}: {VERSION}`"))
    made: dict[str, Any] = {
        section: READERS[section](top[section], (section,), report) for section in SECTIONS if section in top
    }
    for path, credential in _credentials(made):
        if not is_credential(credential):
            report(Finding(path, "no name of a credential; valid: a name that was shown, env:NAME or file:PATH"))
    return Document(
        settings=made.pop("settings", None),
        pools=made.pop("pools", None),
        keys=made.pop("keys", None),
        facts={section: tuple(some) for section, some in made.items()},
    )


def _credentials(made: Mapping[str, Any]) -> Iterator[tuple[JsonPath, str]]:
    for endpoint in made.get("endpoints") or ():
        if endpoint.credential is not None:
            yield ("endpoints", endpoint.endpoint_id, "credential"), endpoint.credential
    for alias, pool in (made.get("pools") or {}).items():
        # A pool that could not be read is reported already.
        for place, provider in enumerate(() if pool is None else pool.providers):
            if provider.credential is not None:
                yield ("pools", alias, "providers", place, "credential"), provider.credential
