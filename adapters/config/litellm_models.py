"""The `model_list` of a LiteLLM configuration: deployments, in groups by the name that clients ask for.

Law: a deployment that is here can be asked; every entry that is not is told. Labels are unique in the file, so what
shares a label shares its limits.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import attrs

from adapters.config import litellm_reasons as reasons
from adapters.config.findings import JsonPath
from adapters.config.litellm_providers import Unlocatable, locate
from adapters.config.litellm_source import MOST, Source

_LAST: Final = 1_000_000
"""The highest `order`, so that levels of fallbacks have room after it."""
_SLOWEST: Final = 1e-9
"""Requests a second; what is less might be 0 in the end."""
_LONGEST_ALIAS: Final = 256
_LONGEST_LABEL: Final = 200
_LABEL: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_PER_MILLION: Final = 1_000_000


@attrs.frozen
class Deployment:
    path: JsonPath
    "Of its entry in the list."
    label: str
    is_named: bool
    "Whether the label is the file's own, from `model_info.id`."
    provider: Mapping[str, Any] = attrs.field(repr=False)
    "A provider of the onwards format, without what depends on the pool it stands in."
    shares: Mapping[str, float]
    "What LiteLLM draws by, of `weight`, `rpm` and `tpm`."
    order: int | None
    cost: float
    "Of a million tokens in and a million tokens out."


@attrs.define
class ModelReader:
    default_parallel: int | None
    "The limit of running requests for deployments that state none."
    by_cost: bool
    "Whether prices decide."
    _labels: set[str] = attrs.field(factory=set)

    def read(self, root: Source) -> dict[str, list[Deployment]]:
        """The usable deployments by group, in the order of the list."""
        groups: dict[str, list[Deployment]] = {}
        for index, entry in enumerate(root.node["model_list"]):
            source = root.at(("model_list", index), entry)
            if not isinstance(entry, dict):
                source.drop("this is no object")
                continue
            group = source.text("model_name")
            if group is None or "*" in group or not group.isprintable() or len(group) > _LONGEST_ALIAS:
                why = "an alias is one name, and wildcards are not matched" if group else "it has no usable name"
                source.drop(f"{why}; valid: a `model_name` of 1 to {_LONGEST_ALIAS} printable characters without *")
                continue
            siblings = groups.setdefault(group, [])
            deployment = self._deployment(source, group, len(siblings) + 1)
            if deployment is not None:
                siblings.append(deployment)
        return groups

    def _deployment(self, source: Source, group: str, number: int) -> Deployment | None:
        params, info = source.within("litellm_params"), source.within("model_info")
        provider = _address(params)
        if provider is None:
            return None
        limits = {name: _stated(params, source, name) for name in ("rpm", "tpm")}
        for place in (params, source):
            if place.node.get("tpm") is not None:
                place.drop(reasons.NO_TOKENS, "tpm")
        parallel = params.number("max_parallel_requests", zero=True, whole=True)
        if parallel is None and not any(limits.values()):
            parallel = self.default_parallel
        rate = limits["rpm"]
        if rate is not None:
            provider["rate_limit"] = {"requests_per_second": max(rate / 60, _SLOWEST), "burst_size": max(1, int(rate))}
        if parallel is not None:
            provider["concurrency_limit"] = {"max_concurrent_requests": int(parallel)}
        timeouts = {"first_byte_secs": params.number("timeout"), "idle_secs": _idle(params)}
        if any(timeouts.values()):
            provider["timeouts"] = {name: seconds for name, seconds in timeouts.items() if seconds}
        order = params.number("order", zero=True, whole=True, most=_LAST)
        shares = {"weight": params.number("weight", zero=True), **limits}
        cost = self._cost(params, info)
        label, is_named = self._label(info, group, number)
        source.leave(reasons.ENTRY)
        params.leave(reasons.PARAMS)
        info.leave(reasons.INFO)
        return Deployment(
            path=source.path,
            label=label,
            is_named=is_named,
            provider={**({"name": label} if is_named else {}), **provider},
            shares={name: share for name, share in shares.items() if share is not None},
            order=None if order is None else int(order),
            cost=cost,
        )

    def _label(self, info: Source, group: str, number: int) -> tuple[str, bool]:
        given = info.plain("id")
        text = str(given) if isinstance(given, str | int) else ""
        if given is not None and not (len(text) <= _LONGEST_LABEL and _LABEL.fullmatch(text)):
            info.drop(f"valid: up to {_LONGEST_LABEL} printable ASCII characters", "id")
            given = None
        if given is None:
            text = f"{quote(group, safe='/:@+,')[:_LONGEST_LABEL]}#{number}"
        label, occurrence = text, 1
        while label in self._labels:
            occurrence += 1
            label = f"{text}~{occurrence}"
        if given is not None and label != text:
            info.tell("another deployment has this id; this one gets a name made of it", "id")
        self._labels.add(label)
        return label, given is not None

    def _cost(self, params: Source, info: Source) -> float:
        if not self.by_cost:
            return 0
        names = ("input_cost_per_token", "output_cost_per_token")
        stated = [_stated(params, info, name, zero=True, most=1000) for name in names]
        if None in stated:
            params.tell("no price for tokens in and out is stated here; LiteLLM looks it up, and here it counts as 0")
        return round(sum(price or 0 for price in stated) * _PER_MILLION, 6)


def _address(params: Source) -> dict[str, Any] | None:
    model = params.text("model")
    custom = params.text("custom_llm_provider")
    base = params.text("api_base")
    other = params.text("base_url")
    if model is None or "*" in model:
        why = "wildcards are not matched" if model else "it names no model"
        params.drop(f"{why}; valid: a `model` such as openai/gpt-4o")
        return None
    if params.node.get("api_base") is not None and base is None:
        params.drop("without its `api_base` the model cannot be asked")
        return None
    try:
        located = locate(model, custom, base or other)
    except Unlocatable as unlocatable:
        params.drop(f"{unlocatable.reason}; the whole deployment is left out", "model")
        return None
    for note in located.notes:
        params.tell(note, "model")
    provider: dict[str, Any] = {"url": located.url, "onwards_model": located.model}
    stated = params.node.get("api_key") or params.node.get("litellm_credential_name")
    key = params.secret("api_key")
    if not stated and located.variable is not None:
        told = f"no `api_key` is stated; LiteLLM takes it from {located.variable}"
        if located.is_variables:
            key = f"env:{located.variable}"
            params.tell(f"{told}, and so does the gateway")
        else:
            params.tell(f"{told}, and the gateway sends none to another address")
    if key is not None:
        provider["onwards_key"] = key
        if located.header is not None:
            provider |= {"upstream_auth_header_name": located.header, "upstream_auth_header_prefix": ""}
    return provider


def _idle(params: Source) -> float | None:
    seconds = params.number("stream_timeout")
    if seconds is not None:
        params.tell(
            "kept for the time between two pieces of a body; until its head, `timeout` counts", "stream_timeout"
        )
    return seconds


def _stated(first: Source, second: Source, name: str, *, zero: bool = False, most: float = MOST) -> float | None:
    """A number that may stand in two places; the first one counts."""
    number, other = (source.number(name, zero=zero, most=most) for source in (first, second))
    if number is not None and other is not None and number != other:
        second.drop("`litellm_params` says otherwise", name)
    return other if number is None else number
