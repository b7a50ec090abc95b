"""The user's guide and the examples say what the reader does."""

import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from adapters.config import Loaded, load
from adapters.config.inert import NO_EFFECT
from adapters.config.keytable import with_tables
from engine.snapshot import Manifest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "configuration.md"
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.stem == "routes")


class AnySecret(dict[str, str]):
    """An environment in which every variable has a value of its own."""

    def get(self, name: str, *_: Any) -> Any:
        return f"value-of-{name}"


def read(path: Path) -> Loaded:
    return load(path, strict=True, credential_id=str, environ=AnySecret())


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_tables_are_those_of_the_schema() -> None:
    """DEF-46: `python -m adapters.config.keytable docs/configuration.md` writes them anew."""
    text = GUIDE.read_text(encoding="utf-8")
    assert with_tables(text) == text
    assert text.count("| key | default | meaning | valid |") == 16


def test_the_guides_table_is_the_same_in_three_formats(tmp_path: Path) -> None:
    """CFG-22: the whole example loads under strict reading, and JSON, YAML and TOML mean the same."""
    manifests: list[Manifest] = []
    for language in ("json", "yaml", "toml"):
        path = tmp_path / f"routes.{language}"
        path.write_text(blocks(language)[-1], encoding="utf-8")
        loaded = read(path)
        assert all(line.endswith(NO_EFFECT) for line in loaded.warnings)
        manifests.append(loaded.manifest)
    assert manifests[0] == manifests[1] == manifests[2]
    assert manifests[0].pools.keys() == {"claude-haiku-4-5", "qwen-2.5", "assistant"}


def test_the_guides_smallest_file_loads(tmp_path: Path) -> None:
    """It has one alias, open to everyone."""
    path = tmp_path / "routes.json"
    path.write_text(blocks("json")[0], encoding="utf-8")
    loaded = read(path)
    assert loaded.manifest.pools["gpt-4o-mini"].keys is None
    assert loaded.warnings == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_the_examples_load(path: Path) -> None:
    """Strictly, without a warning, and without a secret written out."""
    loaded = read(path)
    assert loaded.warnings == ()
    assert loaded.credentials == {}
    assert len(loaded.manifest.pools) == 4
    assert all(pool.keys for pool in loaded.manifest.pools.values())


def test_the_examples_are_one_table() -> None:
    """In JSON and in YAML."""
    assert [path.suffix for path in EXAMPLES] == [".json", ".yaml"]
    first, second = (read(path).manifest for path in EXAMPLES)
    assert first == second
    assert attrs.asdict(first) == attrs.asdict(second)
