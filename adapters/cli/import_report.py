"""What `pointsman import` says of each sync.

Law: what was done goes to stdout, one line or one JSON document a sync; what could not be carried over goes to stderr.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import attrs
import click
import msgspec

from adapters.dwctl.sync import Report
from engine.errors import PointsmanError
from engine.names import Source

_WORDS: Final = re.compile(r"[A-Z][a-z]*")


class Telling:
    """What came of each sync; of repeated ones only findings that differ from those of the one before."""

    def __init__(self, source: Source, *, as_json: bool, is_trial: bool) -> None:
        self._source = source
        self._as_json = as_json
        self._is_trial = is_trial
        "Whether nothing but a trial was asked for."
        self._told: tuple[str, ...] = ()

    def say(self, report: Report, *, is_trial: bool = False) -> None:
        if self._as_json:
            if is_trial == self._is_trial:  # one that only precedes the question has no document
                click.echo(self._document(report))
            return
        findings = tuple(map(str, report.findings))
        for line in findings if findings != self._told else ():
            click.echo(line, err=True)
        self._told = findings
        listed = ", ".join(f"{count} {what}" for what, count in _counts(report).items()) or "nothing"
        verb = "to do" if is_trial else "done"
        click.echo(f"{self._source}: {verb}: {listed}; position {report.position}")

    def _document(self, report: Report) -> str:
        document: dict[str, Any] = {
            "source": self._source,
            "position": report.position,
            "dry_run": self._is_trial,
            "changes": _counts(report),
            "findings": [attrs.asdict(finding) for finding in report.findings],
        }
        return msgspec.json.encode(document).decode()


def _counts(report: Report) -> Mapping[str, int]:
    """Events of each kind in words, e.g. `endpoint defined`."""
    named = {kind: " ".join(_WORDS.findall(kind.__name__)).lower() for kind in report.changes}
    return {named[kind]: report.changes[kind] for kind in sorted(report.changes, key=lambda kind: named[kind])}


def say_failure(error: PointsmanError, wait_s: float) -> None:
    said = str(error) or type(error).__name__
    click.echo(f"pointsman: {said} The next attempt is in {wait_s:.1f} s.", err=True)
