"""Fields this version reads and stores but does not act on, or not in full.

Law: each place that sets one gets a warning, so that nobody relies on what is not done. A field leaves this
module in the change that makes it work.
"""

from collections.abc import Iterator

from adapters.config.findings import Finding, JsonPath
from adapters.config.sections import Section

NO_EFFECT = "is read but has no effect in this version"
HARDLY_ANY = (
    "looks into answers for errors, as `fallback.on_embedded_error` does, but has no other effect in this version"
)


def inert_fields(document: Section) -> Iterator[Finding]:
    """One finding for each field that is set to something and does nothing."""
    if document.get("strict_mode"):
        yield Finding(("strict_mode",), HARDLY_ANY)
    for alias, target in document.within("targets").named():
        yield from _of(target)
        for provider in target.objects("providers"):
            yield from _of(provider)
        for entry in document.within("targets").objects(alias):
            yield from _of(entry)


def _of(section: Section) -> Iterator[Finding]:
    if section.get("reasoning_translation") is not None:
        yield _found(section, "reasoning_translation")
    if section.get("sanitize_response"):
        yield _found(section, "sanitize_response")
    if section.within("open_responses").get("adapter"):
        yield _found(section, "open_responses", "adapter")


def _found(section: Section, *names: str) -> Finding:
    path: JsonPath = (*section.path, *names)
    return Finding(path, NO_EFFECT)
