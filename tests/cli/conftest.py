"""The command line, for its tests."""

from tests.cli.calling import pointsman

__all__ = ["pointsman"]
