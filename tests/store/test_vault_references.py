"""Credentials that are kept elsewhere: the vault follows the reference each time it is asked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.store import UnknownCredential, Vault
from adapters.store.references import OWN, is_reference, resolve_reference
from adapters.store.shelf import MemoryShelf
from adapters.store.unlocking import open_vault
from adapters.store.vault_key import random_key

SECOND_US = 1_000_000


async def vault(clock_us: Callable[[], int] = int, **environ: str) -> Vault:
    """An empty one."""
    return await open_vault(random_key(), MemoryShelf(), environ=environ, clock_us=clock_us)


async def test_a_file_is_followed_and_its_new_content_used(tmp_path: Path) -> None:
    """House rule 7: `file:PATH` is a reference; rotating what is in the file needs no restart and no event."""
    path = tmp_path / "key"
    path.write_text("first\n", encoding="utf-8")
    now = 5 * SECOND_US
    opened = await vault(lambda: now)
    assert opened.resolve(f"file:{path}") == "first"
    path.write_text("second\n", encoding="utf-8")
    now += SECOND_US - 1
    assert opened.resolve(f"file:{path}") == "first"
    now += 1
    assert opened.resolve(f"file:{path}") == "second"
    assert "first" not in repr(opened)


async def test_a_reference_that_leads_nowhere_says_what_it_names(tmp_path: Path) -> None:
    """DEF-71: the file or the variable, so that an operator can mend it; never what is in it."""
    opened = await vault()
    missing = f"file:{tmp_path / 'missing'}"
    with pytest.raises(UnknownCredential) as caught:
        opened.resolve(missing)
    why = f"the file {tmp_path / 'missing'} cannot be read (no such file or directory)"
    assert str(caught.value) == f"credential {missing!r}: {why}"
    broken = tmp_path / "broken"
    broken.write_text("s3cr3t\nmore\n", encoding="utf-8")
    with pytest.raises(UnknownCredential, match="is not one line") as caught:
        opened.resolve(f"file:{broken}")
    assert "s3cr3t" not in f"{caught.value}{caught.value!r}"
    with pytest.raises(UnknownCredential, match="the environment variable ABSENT is not set or empty"):
        opened.resolve("env:ABSENT")
    with pytest.raises(UnknownCredential, match="'cred-1' is not in the vault"):
        opened.resolve("cred-1")


async def test_no_reference_is_sealed() -> None:
    """What is kept under a reference's name would never be found again."""
    opened = await vault(NAME="value")
    assert opened.resolve("env:NAME") == "value"
    for reference in ("env:NAME", "file:/run/secrets/x"):
        assert is_reference(reference)
        with pytest.raises(ValueError, match="is a reference"):
            await opened.keep({reference: "secret"})
    assert not is_reference("cred-0123456789abcdef")


@pytest.mark.parametrize("name", sorted(OWN))
def test_what_the_gateway_was_started_with_is_no_credential(name: str) -> None:
    """House §7: a reference to it would send the admin's token or the vault's key to an address of one's choice."""
    with pytest.raises(UnknownCredential, match="gateway's own") as caught:
        resolve_reference(f"env:{name}", {name: "hunter2"}, str)
    assert "hunter2" not in str(caught.value)
