"""What could not be carried over, or not quite as it was.

Law: each thing once, with how many there are of it and a few of their names; nothing of a secret.
"""

from collections.abc import Iterator
from typing import Final

import attrs

_EXAMPLES: Final = 3
_LONGEST: Final = 200


@attrs.frozen
class Finding:
    what: str
    count: int
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.examples:
            return f"{self.what}: {self.count}"
        more = ", …" if self.count > len(self.examples) else ""
        return f"{self.what}: {self.count} ({', '.join(self.examples)}{more})"


class Findings:
    """A growing collection."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def __iter__(self) -> Iterator[Finding]:
        for what, count in self._counts.items():
            yield Finding(what, count, tuple(self._examples[what]))

    def tell(self, what: str, example: str = "", *, count: int = 1) -> None:
        self._counts[what] = self._counts.get(what, 0) + count
        examples = self._examples.setdefault(what, [])
        if example and len(examples) < _EXAMPLES:
            # Names come from another system; a finding stays one line.
            shown = example if example.isprintable() else ascii(example)[1:-1]
            examples.append(shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…")
