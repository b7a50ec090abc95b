"""One object of a LiteLLM configuration, and what has been taken from it.

Law: what is not taken is told by `leave`, so that nothing is dropped silently; null says nothing. No finding quotes a
value of the file or of the environment.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import attrs

from adapters.config.findings import Finding, JsonPath
from adapters.secret_files import FILE, SENDABLE

MOST = 2**32 - 1
NOT_CARRIED = "not carried over"
_UNKNOWN = "the importer does not know this key"
_ELSEWHERE = "os.environ/"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@attrs.frozen
class Source:
    path: JsonPath
    node: Mapping[str, Any] = attrs.field(repr=False)
    environ: Mapping[str, str] = attrs.field(repr=False)
    "What `os.environ/NAME` means where the result is no secret."
    findings: list[Finding]
    _taken: set[str] = attrs.field(factory=set, init=False)

    def tell(self, text: str, *names: str | int) -> None:
        self.findings.append(Finding((*self.path, *names), text))

    def drop(self, why: str, *names: str | int) -> None:
        self.tell(f"{NOT_CARRIED}: {why}", *names)

    def take(self, name: str) -> Any:
        """The value as it stands; None where it is absent or null."""
        self._taken.add(name)
        return self.node.get(name)

    def within(self, name: str) -> "Source":
        """The object under a name; an empty one where it is absent or none, which is then told."""
        value = self.take(name)
        if value is not None and not isinstance(value, dict):
            self.drop("this is no object", name)
        return self.at((name,), value)

    def at(self, names: tuple[str | int, ...], value: object) -> "Source":
        node = value if isinstance(value, dict) else {}
        return Source((*self.path, *names), node, self.environ, self.findings)

    def plain(self, name: str) -> Any:
        """A value that is no secret, with `os.environ/NAME` looked up here and now."""
        value = self.take(name)
        if not (isinstance(value, str) and value.startswith(_ELSEWHERE)):
            return value
        variable = value.removeprefix(_ELSEWHERE)
        if not _VARIABLE.fullmatch(variable):
            self.drop("`os.environ/` is not followed by a variable's name", name)
            return None
        found = self.environ.get(variable)
        if not found:
            self.drop(f"the environment variable {variable} is not set; convert with it set, or write the value", name)
            return None
        self.tell(f"the value {variable} has now is in the document; the gateway does not look it up", name)
        return found

    def text(self, name: str) -> str | None:
        value = self.plain(name)
        if value is None or (isinstance(value, str) and value):
            return value
        self.drop("this is no string with something in it", name)
        return None

    def number(self, name: str, *, zero: bool = False, whole: bool = False, most: float = MOST) -> float | None:
        """A number above 0, or `zero` itself where that is allowed; `whole` refuses fractions."""
        value = self.plain(name)
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if (0 < number <= most or (zero and number == 0)) and not (whole and number % 1):
            return number if number % 1 else int(number)
        kind, start = "a whole number" if whole else "a number", "from 0" if zero else "above 0"
        self.drop(f"valid: {kind} {start} to {most:g}", name)
        return None

    def flag(self, name: str) -> bool:
        """Whether it is true; anything but true and false is told."""
        value = self.take(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.drop("this is neither true nor false", name)
        return False

    def secret(self, name: str) -> str | None:
        """A credential as the onwards format writes it: `env:NAME`, or the secret itself."""
        value = self.take(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and value.startswith(_ELSEWHERE):
            variable = value.removeprefix(_ELSEWHERE)
            if _VARIABLE.fullmatch(variable):
                return f"env:{variable}"
            self.drop("`os.environ/` is not followed by a variable's name", name)
        elif not isinstance(value, str) or not SENDABLE.fullmatch(value):
            self.drop("this is no string that a header can carry", name)
        elif value.startswith(("env:", FILE)):
            self.drop("in the document a secret that starts like this would be a reference", name)
        else:
            hint = "env:NAME or file:PATH in its place would keep it out"
            self.tell(f"the secret is written out here, and so it is in the document; {hint}", name)
            return value
        return None

    def leave(self, reasons: Mapping[str, str]) -> None:
        """Tell every key that nothing took, with the reason where one is known."""
        for name, value in self.node.items():
            if name not in self._taken and value is not None:
                self.drop(reasons.get(name, _UNKNOWN), name)
