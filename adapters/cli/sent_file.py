"""A configuration file on its way to the API.

Law: what is wrong with it is told in its own lines.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import attrs

from adapters.cli.file_lines import Find, line_finder, path_in
from adapters.cli.gateway_client import Declined
from adapters.cli.stating import read_bytes
from engine.errors import StartFailed

_UNUSABLE: Final = 422
_QUERY: Final = "?"
"""How a problem begins that is a parameter's, which the command line has as an option."""


@attrs.frozen
class SentFile:
    path: Path
    content: bytes = attrs.field(repr=False)
    text: str = attrs.field(repr=False)

    @classmethod
    def of(cls, path: Path) -> Self:
        """Raises StartFailed."""
        content = read_bytes(str(path))
        try:
            return cls(path, content, content.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise StartFailed(f"{path} is not text in UTF-8.", wrong_input=True) from None

    @property
    def body(self) -> dict[str, Any]:
        return {"name": self.path.name, "content": self.text}

    @contextmanager
    def problems_in_lines(self) -> Iterator[None]:
        """What the API finds wrong with the file, with the lines that are at fault."""
        try:
            yield
        except Declined as error:
            find = line_finder(self.path, self.text)
            if error.status != _UNUSABLE or find is None:
                raise
            told = [_with_line(self.path.name, problem, find) for problem in error.sentence.split("\n")]
            raise attrs.evolve(error, sentence="\n".join(told)) from None


def _with_line(name: str, problem: str, find: Find) -> str:
    if problem.startswith(_QUERY):
        return f"--{problem.removeprefix(_QUERY)}"
    text = problem.removeprefix(f"{name}: ")
    place = path_in(text)
    return problem if place is None or text == problem else f"{name}: line {find(place[1])}: {text}"
