"""The command line where a person is looking: at a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running import ROOT

ROUTES = '{"targets": {"chat": {"url": "http://127.0.0.1:9/"}}}'


def at_a_terminal(folder: Path, *words: str, typed: bytes = b"") -> tuple[int, str, str]:
    """Exit code, standard output and what the terminal has seen of standard error, with something typed in."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "pointsman", *words, "--database", f"sqlite+aiosqlite:///{folder / 'p.db'}"],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "TERM": "xterm", "PATH": os.environ["PATH"]},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            os.write(ours, typed)
            assert process.stdout is not None
            seen = b""
            try:
                while piece := os.read(ours, 65536):
                    seen += piece
            except OSError:  # the last one to have it open has gone
                pass
            printed = process.stdout.read()
    finally:
        os.close(ours)
    return process.returncode, printed.decode(), seen.decode()


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\x04", 1)])
def test_apply_asks(tmp_path: Path, typed: bytes, code: int) -> None:
    """After the plan, before anything is changed; whoever says no has changed nothing."""
    (tmp_path / "routes.json").write_text(ROUTES)
    returned, printed, seen = at_a_terminal(tmp_path, "apply", "routes.json", typed=typed)
    assert (returned, "Change this? [y/N]" in seen) == (code, True), seen
    assert "+ pool chat was added" in printed
    assert ("In force at position" in printed) == (code == 0)
    assert ("Nothing was changed." in seen) == (code == 1)
    assert "Traceback" not in seen


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"n\n", 1)])
def test_rollback_asks(tmp_path: Path, typed: bytes, code: int) -> None:
    """As apply does."""
    (tmp_path / "routes.json").write_text(ROUTES)
    at_a_terminal(tmp_path, "apply", "routes.json", "--yes")
    returned, printed, seen = at_a_terminal(tmp_path, "rollback", "0", typed=typed)
    assert (returned, "Change this? [y/N]" in seen) == (code, True), seen
    assert "pool chat was removed, 1 provider(s) and 0 rule(s) with it" in printed
    assert ("In force at position 3." in printed) == (code == 0)
    assert ("Nothing was changed." in seen) == (code == 1)


def test_long_work_shows_how_far_it_is(tmp_path: Path) -> None:
    """On standard error; standard output has the answer alone."""
    (tmp_path / "routes.json").write_text(ROUTES)
    at_a_terminal(tmp_path, "apply", "routes.json", "--yes")
    returned, printed, seen = at_a_terminal(tmp_path, "verify")
    assert returned == 0
    assert "verifying" in seen
    assert "verifying" not in printed
    assert printed.count("\n") == 1


def test_a_verb_pays_only_for_what_it_needs(tmp_path: Path) -> None:
    """The API's framework and the store are loaded where they run, not where they are asked."""
    verbs = "get set_ delete keys credits token sources status verify diff export apply rollback completion"
    imported = ", ".join(f"adapters.cli.{verb}" for verb in verbs.split())
    code = f"import sys, {imported}; print({{'litestar', 'sqlalchemy'}} & set(sys.modules))"
    environ = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    """As with `pointsman export | head -1`."""
    (tmp_path / "routes.json").write_text(ROUTES)
    at_a_terminal(tmp_path, "apply", "routes.json", "--yes")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "pointsman", "export", "--database", f"sqlite+aiosqlite:///{tmp_path / 'p.db'}"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
