"""What gets installed, and what happens when something stands in its way."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_holds_the_three_packages_and_the_door(tmp_path: Path) -> None:
    """The top level is exactly this, the schema and the page included; a stray package would shadow somebody's."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "adapters",
        "engine",
        "pointsman.py",
        "projections",
    }
    assert "adapters/config/onwards.schema.json" in names
    page = {path.name for path in (ROOT / "adapters" / "page").iterdir() if path.is_file()}
    assert {name.rpartition("/")[2] for name in names if name.startswith("adapters/page/")} == page


def test_another_package_called_adapters_is_named(tmp_path: Path) -> None:
    """A package of that name exists on the index; where it hides ours, the command says so in plain words."""
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "__init__.py").touch()
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import pointsman; pointsman.main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "another package called 'adapters' hides ours" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_every_verb() -> None:
    """`pointsman --help` works, quickly enough that it does not import the server, and lists the verbs."""
    done = subprocess.run(
        [sys.executable, "-m", "pointsman", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for verb in ("serve", "demo", "simulate", "watch", "log", "show"):
        assert f"  {verb} " in done.stdout
