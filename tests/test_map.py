"""The map of the code, docs/architecture.md, names every module."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_, MAP, _ = (ROOT / "docs" / "architecture.md").read_text().split("```", 2)
WORDS = frozenset(re.findall(r"\w+", MAP))


@pytest.mark.parametrize("package", ["engine", "projections", "adapters"])
def test_every_module_is_on_the_map(package: str) -> None:
    """By its name, so that a stranger who meets a file can find what it is for."""
    files = [one for one in (ROOT / package).rglob("*.py") if one.parent.name != "versions"]
    assert len(files) > 30
    missing = {str(one.relative_to(ROOT)) for one in files if one.stem != "__init__" and one.stem not in WORDS}
    assert missing == set()
