"""A configuration file that came as text: what it wishes for, or why it cannot be used.

Law: neither has a secret in its `repr`, its lines or its warnings.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from engine.commands import Command
from engine.errors import PointsmanError, Rejected
from engine.names import CredentialId, Source, Stream
from engine.snapshot import RoutingSnapshot


@attrs.frozen
class Submitted:
    command: Command
    is_files: bool
    "Whether what it defines is the file's from then on; else it is whoever's who sends it."
    credentials: Mapping[CredentialId, str] = attrs.field(repr=False)
    "For the vault, before the command's events are in the log."
    warnings: tuple[str, ...]
    "Complete lines: file, place in it, what is worth knowing."
    told: Callable[[Rejected], tuple[str, ...]] = attrs.field(repr=False)
    "A rejection of the command in terms of the file."
    left_alone: Callable[[RoutingSnapshot, Source], tuple[Stream, ...]] = attrs.field(repr=False)
    "The entities that it would have otherwise, and that are a file's; of a command by a source, on a table."
    grants: bool = False
    "Whether it says who may change the configuration."


@attrs.frozen
class Unusable(PointsmanError):
    """A text that is no configuration."""

    problems: tuple[str, ...]
    "Complete lines: file, place in it, what is wrong there and what is valid."


class Loader(Protocol):
    """Reads the text of a configuration file, as the file's own watcher would. It may take a second: call it in a
    thread. Raises Unusable.
    """

    def __call__(self, name: str, content: bytes) -> Submitted: ...
