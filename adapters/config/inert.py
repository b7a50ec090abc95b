"""Fields this version reads and stores but does not act on.

Law: each place that sets one gets a warning, so that nobody relies on a limit that is not kept. A field leaves this
module in the change that makes it work.
"""

from collections.abc import Iterator

from adapters.config.findings import Finding, JsonPath
from adapters.config.sections import Section

NO_EFFECT = "is read but has no effect in this version"


def inert_fields(document: Section) -> Iterator[Finding]:
    """One finding for each field that is set to something and does nothing."""
    if document.get("strict_mode"):
        yield _found(document, "strict_mode")
    for _, definition in document.within("auth").within("key_definitions").named():
        yield from _of(definition)
    for alias, target in document.within("targets").named():
        yield from _of(target)
        for provider in target.objects("providers"):
            yield from _of(provider)
        for entry in document.within("targets").objects(alias):
            yield from _of(entry)


def _of(section: Section) -> Iterator[Finding]:
    for name in ("rate_limit", "reasoning_translation"):
        if section.get(name) is not None:
            yield _found(section, name)
    if section.get("sanitize_response"):
        yield _found(section, "sanitize_response")
    if section.within("open_responses").get("adapter"):
        yield _found(section, "open_responses", "adapter")
    for name in ("backoff", "max_total_backoff_ms"):
        if section.within("fallback").get(name) is not None:
            yield _found(section, "fallback", name)


def _found(section: Section, *names: str) -> Finding:
    path: JsonPath = (*section.path, *names)
    return Finding(path, NO_EFFECT)
