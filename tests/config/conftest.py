"""Documents to files, and files to tables, as a gateway would read them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from adapters.config import ConfigError, Loaded, load

ENVIRON = {"UPSTREAM": "sk-upstream-from-environment", "CLIENT": "sk-client-from-environment", "EMPTY": ""}


def credential_id(secret: str) -> str:
    """Stands in for the vault's keyed fingerprint: equal for equal secrets, and says nothing of them."""
    return f"cred-{sum(secret.encode())}"


class Read(Protocol):
    def __call__(self, document: Any, *, strict: bool = ..., environ: Mapping[str, str] = ...) -> Loaded: ...


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_document(document: Any, *, strict: bool = False, environ: Mapping[str, str] = ENVIRON) -> Loaded:
        path = tmp_path / "routes.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return load(path, strict=strict, credential_id=credential_id, environ=environ)

    return read_document


@pytest.fixture
def problems(read: Read, tmp_path: Path) -> Callable[..., list[str]]:
    """The lines a document is refused with, without the file's name."""

    def refused(document: Any, **options: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(document, **options)
        prefix = f"{tmp_path / 'routes.json'}: "
        assert all(line.startswith(prefix) for line in caught.value.problems)
        assert str(caught.value) == "\n".join(caught.value.problems)
        return [line.removeprefix(prefix) for line in caught.value.problems]

    return refused
