"""The tables of keys in docs/configuration.md, made from the schema.

Law: the document says what the schema says; a test compares them. To write the document anew after a change of the
schema: `python -m adapters.config.keytable docs/configuration.md`.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.config.shape import SCHEMA, resolved

BEGIN = "<!-- keys: generated from adapters/config/onwards.schema.json -->"
END = "<!-- end of keys -->"

_OBJECTS = {
    "auth": "`auth`",
    "key_definition": "A key definition (a value of `auth.key_definitions`)",
    "pool": "A pool (a target with `providers`)",
    "provider": "A provider (an entry of `providers`, an entry of a list, or a whole target)",
    "rate_limit": "`rate_limit`",
    "concurrency_limit": "`concurrency_limit`",
    "timeouts": "`timeouts`",
    "affinity": "`affinity`",
    "circuit": "`circuit`",
    "fallback": "`fallback`",
    "backoff": "`fallback.backoff`",
    "routing_rule": "A routing rule (an entry of `routing_rules`)",
    "action": "The `action` of a routing rule",
    "open_responses": "`open_responses`",
    "http_pool": "`http_pool`",
}


def tables() -> str:
    """One Markdown table for each kind of object, the document itself first."""
    parts = [_table("The document", SCHEMA)]
    parts.extend(_table(title, SCHEMA["$defs"][name]) for name, title in _OBJECTS.items())
    return "\n\n".join(parts)


def with_tables(document: str) -> str:
    """A Markdown document with the tables between its two marks."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def _table(title: str, schema: dict[str, Any]) -> str:
    head = (f"### {title}", "", "| key | default | meaning | valid |", "|---|---|---|---|")
    return "\n".join((*head, *_rows(schema)))


def _rows(schema: dict[str, Any]) -> Iterator[str]:
    for name, described in schema["properties"].items():
        meaning, _, valid = resolved(described)["description"].partition(" Valid: ")
        cells = (f"`{name}`", _default(name, schema, described), meaning, valid[:1].upper() + valid[1:])
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(name: str, schema: dict[str, Any], described: dict[str, Any]) -> str:
    if name in schema.get("required", ()):
        return "required"
    default = resolved(described).get("default")
    return "none" if default is None else f"`{json.dumps(default)}`"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        path = Path(argument)
        path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
