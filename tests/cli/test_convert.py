"""`pointsman convert litellm`: the document on stdout, what was not carried over on stderr."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from adapters.cli.convert import convert
from adapters.config import load

CONFIG = """\
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, api_base: os.environ/BASE, tpm: 7}
general_settings: {master_key: os.environ/MASTER}
"""
ENVIRON = {"OPENAI_API_KEY": "sk-upstream", "MASTER": "sk-master", "BASE": "https://h.example/v1"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    return CliRunner(env=ENVIRON).invoke(convert, ["litellm", *map(str, arguments)])


def documents(path: Path) -> dict[str, Any]:
    loaded = load(path, strict=True, credential_id=str, environ=ENVIRON)
    return dict(loaded.manifest.pools)


def test_stdout_is_the_document_and_stderr_the_rest(config: Path, tmp_path: Path) -> None:
    """Exit code 0 with findings; what is on stdout is a configuration as it is."""
    done = run(config)
    assert done.exit_code == 0
    routes = tmp_path / "routes.json"
    routes.write_text(done.stdout, encoding="utf-8")
    assert documents(routes)["gpt-4o"].providers[0].url == "https://h.example/v1/"
    assert f"{config}:3: $.model_list[0].litellm_params.tpm: not carried over" in done.stderr
    assert "sk-" not in done.output


def test_json_has_both(config: Path) -> None:
    """For programs: one object on stdout, and nothing on stderr."""
    done = run(config, "--json")
    answer = json.loads(done.stdout)
    assert set(answer) == {"document", "findings"}
    assert answer["document"] == json.loads(run(config).stdout)
    assert answer["findings"] == run(config).stderr.splitlines()
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["routes.json", "routes.yaml", "routes.yml"])
def test_a_file_of_either_format_loads_the_same(config: Path, tmp_path: Path, name: str) -> None:
    """It may hold secrets, so only its owner may read it; stdout stays empty."""
    out = tmp_path / name
    done = run(config, "--out", out)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "not carried over" in done.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    routes = tmp_path / "stdout.json"
    routes.write_text(run(config).stdout, encoding="utf-8")
    assert documents(out) == documents(routes)


def test_a_file_that_exists_stays_unless_forced(config: Path, tmp_path: Path) -> None:
    """Exit code 2, with what to do about it."""
    out = tmp_path / "routes.yaml"
    out.write_text("mine", encoding="utf-8")
    done = run(config, "--out", out)
    assert done.exit_code == 2
    assert f"pointsman: {out} exists already; give another name, or --force" in done.stderr
    assert out.read_text(encoding="utf-8") == "mine"
    assert run(config, "--out", out, "--force").exit_code == 0
    assert "gpt-4o" in yaml.safe_load(out.read_text(encoding="utf-8"))["targets"]


def test_wrong_input_is_exit_code_2(config: Path, tmp_path: Path) -> None:
    """An unusable file, a name that is no format; a directory that is not there is a failure."""
    config.write_text("model_list: 3", encoding="utf-8")
    done = run(config)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"pointsman: {config}:1: $: there is no `model_list`")
    assert run(tmp_path / "missing.yaml").exit_code == 2
    config.write_text(CONFIG, encoding="utf-8")
    assert run(config, "--out", tmp_path / "routes.txt").exit_code == 2
    assert run(config, "--out", tmp_path / "missing" / "routes.json").exit_code == 1
