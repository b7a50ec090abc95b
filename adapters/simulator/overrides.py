"""Settings from texts: `x-simulate-…` request headers, which hold for their own request only.

Law: a header of that prefix either takes effect or is refused in words; none is ignored in silence.
"""

from collections.abc import Iterable

from adapters.simulator.settings import FIELDS, InvalidSetting, Settings

PREFIX = b"x-simulate-"
WHOLE_PROCESS = frozenset({"models", "record_limit"})
"""Settings that mean nothing for a single request."""

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def from_text(name: str, text: str) -> object:
    """A setting's value from its text. Raises InvalidSetting."""
    kind = FIELDS[name]
    if kind is bool:
        if text.lower() not in _FLAGS:
            raise InvalidSetting(f"{name} must be true or false, not {text!r}")
        return _FLAGS[text.lower()]
    try:
        return kind(text)
    except ValueError:
        raise InvalidSetting(f"{name} must be a {'whole ' if kind is int else ''}number, not {text!r}") from None


def overridden(settings: Settings, headers: Iterable[tuple[bytes, bytes]]) -> Settings:
    """The settings for one request; header names may have any case. Raises InvalidSetting."""
    changes: dict[str, object] = {}
    for raw, value in headers:
        if len(raw) <= len(PREFIX) or raw[: len(PREFIX)].lower() != PREFIX:
            continue
        header = raw.decode("ascii").lower()
        name = header[len(PREFIX) :].replace("-", "_")
        if name not in FIELDS or name in WHOLE_PROCESS:
            valid = ", ".join(f"x-simulate-{field.replace('_', '-')}" for field in FIELDS if field not in WHOLE_PROCESS)
            raise InvalidSetting(f"there is no header {header}; there are {valid}")
        changes[name] = from_text(name, value.decode("latin-1"))
    return settings.changed(changes) if changes else settings
