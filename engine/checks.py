"""What a wished-for table must satisfy to mean anything.

Law: `problems_of` is total, finds all problems, and never looks at how the table was written down; syntax is the
importers'. What passes here cannot fail a request for its configuration (DEF-31, DEF-76, RULE-10).
"""

import math
import re
from collections.abc import Iterator, Mapping

from engine.errors import Problem
from engine.snapshot import Action, Fallback, Key, Limits, Manifest, Pool, Provider, Rule, Settings
from engine.urls import normalise

Path = tuple[str | int, ...]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
_LONGEST_ALIAS = 256
_HEAVIEST = 2**32 - 1
_FRAMING = {"connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


def problems_of(manifest: Manifest) -> Iterator[Problem]:
    """Everything wrong with a table, in its own order."""
    yield from _settings(manifest.settings)
    digests: dict[bytes, str] = {}
    for key_id, key in manifest.keys.items():
        yield from _key(key_id, key, digests)
    for alias, pool in manifest.pools.items():
        yield from _pool(alias, pool, manifest)


def _settings(settings: Settings) -> Iterator[Problem]:
    if settings.max_idle_per_host < 0:
        yield Problem(("settings", "max_idle_per_host"), f"{settings.max_idle_per_host} is negative", "0 or more")
    if not (math.isfinite(settings.idle_timeout_s) and settings.idle_timeout_s >= 0):
        yield Problem(("settings", "idle_timeout_s"), f"{settings.idle_timeout_s} is no time", "seconds, 0 or more")


def _key(key_id: str, key: Key, digests: dict[bytes, str]) -> Iterator[Problem]:
    where: Path = ("keys", key_id)
    if key.key_id != key_id or not key_id:
        yield Problem(where, "the key's id is empty or not its name here", "one non-empty id")
    if len(key.digest) != 32:
        yield Problem((*where, "digest"), "not a SHA-256 digest", "32 bytes")
    other = digests.setdefault(key.digest, key_id)
    if other != key_id:
        yield Problem((*where, "digest"), f"the same secret as key {other!r}", "a secret of its own (CFG-12)")
    yield from _limits(where, key.limits)


def _pool(alias: str, pool: Pool, manifest: Manifest) -> Iterator[Problem]:
    where: Path = ("pools", alias)
    if pool.alias != alias or not alias or len(alias) > _LONGEST_ALIAS or not alias.isprintable():
        valid = f"1 to {_LONGEST_ALIAS} printable characters"
        yield Problem(where, "not usable as a model name", valid)
    for key_id in sorted(pool.keys or ()):
        if key_id not in manifest.keys:
            yield Problem((*where, "keys"), f"no key has the id {key_id!r}", "ids of defined keys")
    yield from _limits(where, pool.limits)
    yield from _fallback((*where, "fallback"), pool.fallback)
    yield from _headers((*where, "response_headers"), pool.response_headers)
    names: set[str] = set()
    for place, provider in enumerate(pool.providers):
        yield from _provider((*where, "providers", place), provider)
        if provider.name in names:
            yield Problem((*where, "providers", place, "name"), f"a second {provider.name!r}", "unique in its pool")
        names.add(provider.name)
    for place, rule in enumerate(pool.rules):
        yield from _rule((*where, "rules", place), alias, rule, manifest)


def _provider(where: Path, provider: Provider) -> Iterator[Problem]:
    try:
        if normalise(provider.url) != provider.url:
            yield Problem((*where, "url"), "the path does not end in /", "a normalised URL (URL-1)")
    except ValueError as error:
        yield Problem((*where, "url"), str(error), "an absolute http or https URL such as https://api.example/v1")
    if not provider.name or not provider.name.isprintable() or not provider.name.isascii():
        yield Problem((*where, "name"), "not usable in a response header", "printable ASCII characters")
    if not 0 <= provider.weight <= _HEAVIEST:
        yield Problem((*where, "weight"), f"{provider.weight} is out of range", f"a whole number, 0 to {_HEAVIEST}")
    if _TOKEN.fullmatch(provider.auth_header) is None or provider.auth_header.lower() in _FRAMING:
        yield Problem((*where, "auth_header"), f"{provider.auth_header!r} cannot carry it", "an HTTP header name")
    if _UNPRINTABLE.search(provider.auth_prefix):
        yield Problem((*where, "auth_prefix"), "has a control character", "printable characters")
    timeout = provider.header_timeout_s
    if timeout is not None and not (math.isfinite(timeout) and timeout > 0):
        yield Problem((*where, "header_timeout_s"), f"{timeout} is no waiting time", "seconds above 0")
    yield from _limits(where, provider.limits)
    yield from _headers((*where, "response_headers"), provider.response_headers)


def _limits(where: Path, limits: Limits) -> Iterator[Problem]:
    if limits.max_concurrent is not None and limits.max_concurrent < 0:
        yield Problem((*where, "max_concurrent"), f"{limits.max_concurrent} is negative", "a whole number, 0 or more")
    rate = limits.requests_per_second
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        yield Problem((*where, "requests_per_second"), f"{rate} is no rate", "a number above 0, e.g. 0.5")
    if limits.burst is not None and limits.burst < 1:
        yield Problem((*where, "burst"), f"{limits.burst} lets nothing through", "a whole number, 1 or more")


def _fallback(where: Path, fallback: Fallback) -> Iterator[Problem]:
    if fallback.max_attempts is not None and fallback.max_attempts < 1:
        yield Problem((*where, "max_attempts"), f"{fallback.max_attempts} attempts serve nobody", "1 or more")
    for place, pattern in enumerate(fallback.on_status):
        if not 1 <= pattern <= 599:
            yield Problem((*where, "on_status", place), f"{pattern} matches no status", "1 to 599 (FB-2)")
    backoff = fallback.backoff
    if backoff is not None:
        for name, value, least in (
            ("initial_ms", backoff.initial_ms, 0.0),
            ("max_ms", backoff.max_ms, 0.0),
            ("factor", backoff.factor, 1.0),
        ):
            if not (math.isfinite(value) and value >= least):
                yield Problem((*where, "backoff", name), f"{value} is out of range", f"a number from {least:g} up")
        if backoff.jitter not in {"full", "none"}:
            yield Problem((*where, "backoff", "jitter"), f"{backoff.jitter!r} is unknown", "full or none")
    total = fallback.max_total_backoff_ms
    if total is not None and not (math.isfinite(total) and total >= 0):
        yield Problem((*where, "max_total_backoff_ms"), f"{total} is no time", "milliseconds, 0 or more")


def _headers(where: Path, headers: Mapping[str, str]) -> Iterator[Problem]:
    for name, value in headers.items():
        if _TOKEN.fullmatch(name) is None or name.lower() in _FRAMING:
            yield Problem((*where, name), "cannot be set on a response", "an HTTP header name that frames nothing")
        if _UNPRINTABLE.search(value):
            yield Problem((*where, name), "the value has a control character", "printable characters")


def _rule(where: Path, alias: str, rule: Rule, manifest: Manifest) -> Iterator[Problem]:
    if rule.action is not Action.REDIRECT:
        return
    if rule.target == alias:
        yield Problem((*where, "target"), "redirects to its own alias", "another alias")
    elif rule.target not in manifest.pools:
        yield Problem((*where, "target"), f"no alias is called {rule.target!r}", "an alias of this table")
