"""An event as a line for people: when, who, what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.cli.actors import Names, named
from projections.phrases import printable


def event_line(event: Mapping[str, Any], names: Names) -> str:
    """An event with its sentence, as the admin API tells both."""
    who, what = named(event["actor"], names), event["sentence"] or event["type"]
    return f"{event['position']:>6}  {time_told(event['recorded_at'])}  {printable(who)}  {printable(what)}"


def time_told(text: str) -> str:
    """A time of the API's, to the millisecond."""
    return datetime.fromisoformat(text).isoformat(timespec="milliseconds").replace("+00:00", "Z")
