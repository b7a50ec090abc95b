"""A LiteLLM proxy's `config.yaml` to a document in the onwards format, and what could not be carried over.

Law: nothing is dropped silently: every key that has no counterpart is in a finding with its line, and no finding holds
a secret. The document is one that `onwards.load` takes. Who LiteLLM keeps out is not let in: a master key that cannot
be read is an error, and callers that LiteLLM checks by other means are shut out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from adapters.config import litellm_reasons as reasons
from adapters.config.findings import ConfigError, Finding, json_path
from adapters.config.litellm_fallbacks import Fallbacks, aliases
from adapters.config.litellm_models import ModelReader
from adapters.config.litellm_policies import policies
from adapters.config.litellm_pools import PoolWriter
from adapters.config.litellm_source import Source
from adapters.config.readers import parse, read
from adapters.config.yaml_lines import YamlLines

_ENDINGS: Final = {".yaml", ".yml"}
_MASTER: Final = "LITELLM_MASTER_KEY"
_OTHER_CHECKS: Final = ("custom_auth", "enable_jwt_auth", "enable_oauth2_auth", "enable_oauth2_proxy_auth")
_TAKEN_FROM_FILE: Final = "the gateway sets no variables; start it with this one set, as the document refers to it"
_NOT_NEEDED: Final = "the gateway sets no variables, and the document refers to no such one"


@attrs.frozen
class Converted:
    document: dict[str, Any] = attrs.field(repr=False)
    "In the onwards format; it may hold secrets that are written out in the file."
    findings: tuple[str, ...]
    "Complete lines: file, line, place in it, what was not carried over or not as it was."


def convert(path: Path, environ: Mapping[str, str] | None = None) -> Converted:
    """`environ` is what `os.environ/NAME` means where an address or a number stands. Raises ConfigError."""
    content = read(path)
    if path.suffix.lower() not in _ENDINGS:
        raise ConfigError((f"{path}: a LiteLLM configuration is YAML; valid: a name that ends in .yaml or .yml",))
    document = parse(path, content)
    places = YamlLines.of(content.decode("utf-8-sig"))
    if not isinstance(document, dict) or not isinstance(document.get("model_list"), list):
        valid = "an object with a list of models, as LiteLLM's proxy reads it"
        raise ConfigError((f"{path}:1: $: there is no `model_list`; valid: {valid}",))
    found: list[Finding] = []
    converted = _converted(document, {**(environ or {}), **_variables(document)}, found)
    refused = [one for one in found if isinstance(one, _Refusal)]
    if refused:
        raise ConfigError(tuple(_line(path, places, one) for one in refused))
    ordered = sorted(dict.fromkeys(found), key=lambda one: places.line(one.path))
    return Converted(converted, tuple(_line(path, places, one) for one in ordered))


@attrs.frozen
class _Refusal(Finding):
    """Why there can be no document."""


def _line(path: Path, places: YamlLines, found: Finding) -> str:
    return f"{path}:{places.line(found.path)}: {json_path(found.path)}: {found.text}"


def _variables(document: dict[str, Any]) -> dict[str, str]:
    """`environment_variables`, which LiteLLM puts into its environment before it looks anything up there."""
    stated = document.get("environment_variables")
    return (
        {name: value for name, value in (stated or {}).items() if isinstance(value, str)} if _is_object(stated) else {}
    )


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _converted(document: dict[str, Any], environ: Mapping[str, str], found: list[Finding]) -> dict[str, Any]:
    root = Source((), document, environ, found)
    root.take("model_list")
    router, litellm, general = (root.within(f"{name}_settings") for name in ("router", "litellm", "general"))
    chosen = policies(router, litellm)
    parallel = router.number("default_max_parallel_requests", zero=True, whole=True)
    reader = ModelReader(None if parallel is None else int(parallel), by_cost=chosen.strategy == "cost")
    named = reader.read(root)
    groups = {group: members for group, members in named.items() if members}

    names = {**{group: group for group in groups}, **aliases(router, groups)}
    fallbacks = Fallbacks(names, named)
    fallbacks.read(router, litellm)
    targets = PoolWriter(groups, chosen, root).targets({name: fallbacks.chain(name) for name in names})
    auth = _auth(general, document, targets)
    result = {**({"auth": auth} if auth else {}), "targets": targets}

    variables = root.within("environment_variables")
    referred = set(_strings(result))
    variables.leave({name: _TAKEN_FROM_FILE if f"env:{name}" in referred else _NOT_NEEDED for name in variables.node})
    router.leave(reasons.ROUTER)
    litellm.leave(reasons.LITELLM)
    general.leave(reasons.GENERAL)
    root.leave(reasons.TOP)
    return result


def _auth(general: Source, document: dict[str, Any], targets: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The master key as a global key; without one, everyone may call, unless LiteLLM checks in another way."""
    key = general.secret("master_key")
    if key is None and general.node.get("master_key") is not None:
        why = "the master key cannot be used, and without it everyone could call; valid: ASCII, or os.environ/NAME"
        general.findings.append(_Refusal((*general.path, "master_key"), why))
    if key is not None and not key.isascii():
        general.findings.append(_Refusal((*general.path, "master_key"), "not ASCII; valid: printable ASCII characters"))
    if key is None and _MASTER in _variables(document):
        key = f"env:{_MASTER}"
    others = [name for name in _OTHER_CHECKS if general.take(name)]
    for name in others:
        general.drop("Pointsman knows callers by their keys alone", name)
        if key is None:
            general.tell("so the document lets nobody call; write `keys` into its pools", name)
            for pool in targets.values():
                pool["keys"] = []
    return {} if key is None else {"global_keys": [key]}


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _strings(inner)]
    return [value] if isinstance(value, str) else []
