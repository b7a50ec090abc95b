"""How the simulator behaves, as one flat value of primitives.

Law: a `Settings` that exists is valid; what changes one goes through `changed`, and every refusal names what is wrong
and what is valid.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs

DAY = 86_400.0
STATUS_BODIES = ("route", "openai", "anthropic", "text", "empty")
CUT_BY = ("reset", "close")

_Validator: TypeAlias = Callable[[Any, "attrs.Attribute[Any]", Any], None]


class InvalidSetting(ValueError):
    """A setting is unknown or has a value it cannot have; the text says which and what is valid."""


def _refuse(name: str, valid: str, value: object) -> InvalidSetting:
    return InvalidSetting(f"{name} must be {valid}, not {value!r}")


def _number(low: float, high: float, unit: str) -> _Validator:
    def check(_settings: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise _refuse(field.name, f"a number {unit}, from {low:g} to {high:g}", value)

    return check


def _whole(low: int, high: int, meaning: str) -> _Validator:
    def check(_settings: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _refuse(field.name, f"a whole number from {low} to {high} ({meaning})", value)

    return check


def _error_status(_settings: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not (value == 0 or 400 <= value <= 599):
        raise _refuse(field.name, "0 (no error) or a status from 400 to 599", value)


def _flag(_settings: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, bool):
        raise _refuse(field.name, "true or false", value)


def _one_of(*words: str) -> _Validator:
    def check(_settings: object, field: "attrs.Attribute[Any]", value: object) -> None:
        if value not in words:
            raise _refuse(field.name, f"one of {', '.join(words)}", value)

    return check


def _header_text(_settings: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if (
        not isinstance(value, str)
        or not value.isascii()
        or (value and not value.isprintable())
        or value != value.strip()
    ):
        raise _refuse(
            field.name, "printable ASCII without blanks around it, as the header's value; empty sends none", value
        )


def _as_header_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _model_names(_settings: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, str) or not all(name.strip() for name in value.split(",")):
        raise _refuse(field.name, "model names with commas between them", value)


def _setting(
    default: Any, validator: _Validator, text: str, *, converter: Callable[[object], object] | None = None
) -> Any:
    """A field that says what it is where an operator can read it."""
    return attrs.field(default=default, validator=validator, converter=converter, metadata={"help": text})


@attrs.frozen
class Settings:
    """Every field has a primitive value and a default that means: answer everything, at once, correctly."""

    latency: float = _setting(
        0.0, _number(0, DAY, "of seconds"), "Seconds from the whole request to the answer's headers."
    )
    ttft: float = _setting(0.0, _number(0, DAY, "of seconds"), "Seconds from a stream's headers to its first token.")
    tokens_per_second: float = _setting(
        0.0, _number(0, 1e6, "of tokens a second"), "Pace of a stream after its first token; 0 is as fast as possible."
    )
    tokens: int = _setting(
        0,
        _whole(0, 1_000_000, "0 is as long as the echo"),
        "Words in an answer, streamed or not; 0 is as many as the echo of the question has.",
    )
    error_status: int = _setting(0, _error_status, "Status of the errors to answer with; 0 answers none.")
    error_rate: float = _setting(
        1.0,
        _number(0, 1, "between none and all"),
        "Share of requests that get error_status, drawn from seed and the request's number; 1 is every request.",
    )
    retry_after: str = _setting(
        "",
        _header_text,
        "Value of the retry-after header on errors, seconds or a date; empty sends none.",
        converter=_as_header_text,
    )
    status_bodies: str = _setting(
        "route",
        _one_of(*STATUS_BODIES),
        "Shape of error bodies: route (that of the protocol asked), openai, anthropic, text or empty.",
    )
    cut_after_events: int = _setting(
        -1,
        _whole(-1, 1_000_000_000, "-1 is never"),
        "Break a stream's connection after so many SSE events; 0 is right after the headers, -1 is never.",
    )
    cut_after_bytes: int = _setting(
        -1,
        _whole(-1, 1_000_000_000_000, "-1 is never"),
        "Break the connection after so many bytes of a body that is not a stream; -1 is never.",
    )
    cut_by: str = _setting(
        "reset",
        _one_of(*CUT_BY),
        "How a connection is cut: reset (TCP RST) or close (FIN without the end of the body).",
    )
    refuse: bool = _setting(
        False, _flag, "Close the connection right after reading the request, before any byte of an answer."
    )
    hang: bool = _setting(False, _flag, "Never answer; wait until the client goes away.")
    seed: int = _setting(
        0,
        _whole(0, 2**63 - 1, "seeds the draws of error_rate"),
        "Chooses which requests fail when error_rate is between 0 and 1.",
    )
    models: str = _setting(
        "simulated-small,simulated-large",
        _model_names,
        "Names that the list of models shows, commas between; any other name is answered all the same.",
    )
    record_limit: int = _setting(
        1000, _whole(0, 1_000_000, "requests kept"), "Requests kept in the record, the newest ones."
    )

    def changed(self, changes: Mapping[str, object]) -> "Settings":
        """These settings with some replaced. Raises InvalidSetting."""
        for name in changes:
            if name not in FIELDS:
                raise InvalidSetting(f"there is no setting {name!r}; there are {', '.join(FIELDS)}")
        values: dict[str, Any] = dict(changes)  # the validators see to the types
        return attrs.evolve(self, **values)


HELP: Mapping[str, str] = {field.name: field.metadata["help"] for field in attrs.fields(Settings)}
"""What each setting is and what is valid."""

FIELDS: Mapping[str, type] = {field.name: field.type or str for field in attrs.fields(Settings)}
"""Every setting's name and primitive type, in order."""
