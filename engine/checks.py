"""What a wished-for table must satisfy to mean anything.

Law: `problems_of` is total, finds all problems, and never looks at how the table was written down; syntax is the
importers'. What passes here cannot fail a request for its configuration (DEF-31, DEF-76, RULE-10).
"""

import math
from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from typing import Protocol

from engine.errors import Problem
from engine.names import Alias, Digest, KeyId
from engine.policy_checks import (
    FRAMING,
    MOST,
    TOKEN,
    UNPRINTABLE,
    Path,
    affinity_problems,
    circuit_problems,
    fallback_problems,
    header_problems,
    limit_differences,
    limit_problems,
    timeout_problems,
)
from engine.snapshot import Action, Key, Limits, Manifest, Pool, Provider, Rule, Settings
from engine.urls import normalise

_LONGEST_ALIAS = 256
MOST_SECONDS = 253_402_300_799
"""The last second of the year 9999, since 1970."""


class Beside(Protocol):
    """What stands beside the table that is looked at, and may be referred to from there."""

    def has_pool(self, alias: Alias) -> bool: ...
    def has_key(self, key_id: KeyId) -> bool: ...
    def holder_of(self, digest: Digest) -> KeyId | None: ...
    def pools(self) -> Iterable[tuple[Alias, Pool]]: ...


class Nothing:
    """Beside a table that is whole."""

    def has_pool(self, alias: Alias) -> bool:  # noqa: ARG002 - as the protocol says
        return False

    def has_key(self, key_id: KeyId) -> bool:  # noqa: ARG002 - as above
        return False

    def holder_of(self, digest: Digest) -> KeyId | None:  # noqa: ARG002 - as above
        return None

    def pools(self) -> Iterable[tuple[Alias, Pool]]:
        return ()


def problems_of(manifest: Manifest, *, beside: Beside = Nothing()) -> Iterator[Problem]:
    """Everything wrong with a table, in its own order."""
    yield from _settings(manifest.settings)
    digests: dict[bytes, str] = {}
    for key_id, key in manifest.keys.items():
        yield from _key(key_id, key, digests, beside)
    for alias, pool in manifest.pools.items():
        yield from _pool(alias, pool, manifest, beside)
    yield from _deployments(manifest, beside)


def _settings(settings: Settings) -> Iterator[Problem]:
    if settings.max_idle_per_host < 0:
        yield Problem(("settings", "max_idle_per_host"), f"{settings.max_idle_per_host} is negative", "0 or more")
    if not (math.isfinite(settings.idle_timeout_s) and settings.idle_timeout_s >= 0):
        yield Problem(("settings", "idle_timeout_s"), f"{settings.idle_timeout_s} is no time", "seconds, 0 or more")


def _key(key_id: str, key: Key, digests: dict[bytes, str], beside: Beside) -> Iterator[Problem]:
    where: Path = ("keys", key_id)
    if key.key_id != key_id or not key_id:
        yield Problem(where, "the key's id is empty or not its name here", "one non-empty id")
    if len(key.digest) != 32:
        yield Problem((*where, "digest"), "not a SHA-256 digest", "32 bytes")
    for field, digest in (("digest", key.digest), ("previous", key.previous)):
        other = None if digest is None else beside.holder_of(digest) or digests.setdefault(digest, key_id)
        if other not in {None, key_id} or (field == "previous" and digest == key.digest):
            yield Problem((*where, field), f"the same secret as key {other!r}", "a secret of its own (CFG-12)")
    for place, cidr in enumerate(key.cidrs):
        try:
            ip_network(cidr)
        except ValueError as error:
            yield Problem((*where, "cidrs", place), str(error), "a network such as 10.0.0.0/8 or 2001:db8::/32")
    for name, at in (("expires_at", key.expires_at), ("previous_until", key.previous_until)):
        if at is not None and not 0 <= at <= MOST_SECONDS:
            yield Problem((*where, name), f"{at} is no time", "seconds since 1970")
    yield from limit_problems(where, key.limits)


def _pool(alias: str, pool: Pool, manifest: Manifest, beside: Beside) -> Iterator[Problem]:
    where: Path = ("pools", alias)
    if pool.alias != alias or not alias or len(alias) > _LONGEST_ALIAS or not alias.isprintable():
        valid = f"1 to {_LONGEST_ALIAS} printable characters"
        yield Problem(where, "not usable as a model name", valid)
    for key_id in sorted(pool.keys or ()):
        if not (key_id in manifest.keys or beside.has_key(key_id)):
            yield Problem((*where, "keys"), f"no key has the id {key_id!r}", "ids of defined keys")
    yield from limit_problems(where, pool.limits)
    yield from affinity_problems((*where, "affinity"), pool.affinity)
    yield from fallback_problems((*where, "fallback"), pool.fallback)
    yield from circuit_problems((*where, "circuit"), pool.circuit)
    yield from timeout_problems((*where, "timeouts"), pool.timeouts)
    yield from header_problems((*where, "response_headers"), pool.response_headers)
    names: set[str] = set()
    for place, provider in enumerate(pool.providers):
        yield from _provider((*where, "providers", place), provider)
        if provider.name in names:
            yield Problem((*where, "providers", place, "name"), f"a second {provider.name!r}", "unique in its pool")
        names.add(provider.name)
    yield from _priorities(where, pool)
    for place, rule in enumerate(pool.rules):
        yield from _rule((*where, "rules", place), alias, rule, manifest, beside)


def _provider(where: Path, provider: Provider) -> Iterator[Problem]:
    try:
        if normalise(provider.url) != provider.url:
            yield Problem((*where, "url"), "the path does not end in /", "a normalised URL (URL-1)")
    except ValueError as error:
        yield Problem((*where, "url"), str(error), "an absolute http or https URL such as https://api.example/v1")
    if not provider.name or not provider.name.isprintable() or not provider.name.isascii():
        yield Problem((*where, "name"), "not usable in a response header", "printable ASCII characters")
    if not 0 <= provider.weight <= MOST:
        yield Problem((*where, "weight"), f"{provider.weight} is out of range", f"a whole number, 0 to {MOST}")
    if provider.priority is not None and not 0 <= provider.priority <= MOST:
        yield Problem((*where, "priority"), f"{provider.priority} is out of range", f"a whole number, 0 to {MOST}")
    if not 0 <= provider.cost <= MOST:
        yield Problem((*where, "cost"), f"{provider.cost} is no cost", f"a number, 0 to {MOST}")
    deployment = provider.deployment
    if deployment is not None and not (deployment and deployment.isprintable()):
        yield Problem((*where, "deployment"), f"{deployment!r} is no name", "printable characters, at least one")
    if TOKEN.fullmatch(provider.auth_header) is None or provider.auth_header.lower() in FRAMING:
        yield Problem((*where, "auth_header"), f"{provider.auth_header!r} cannot carry it", "an HTTP header name")
    if UNPRINTABLE.search(provider.auth_prefix):
        yield Problem((*where, "auth_prefix"), "has a control character", "printable characters")
    yield from timeout_problems((*where, "timeouts"), provider.timeouts)
    yield from limit_problems(where, provider.limits)
    yield from header_problems((*where, "response_headers"), provider.response_headers)


def _priorities(where: Path, pool: Pool) -> Iterator[Problem]:
    """All of a pool's providers state a priority, or none does: one without would stand nowhere among the others."""
    stating = next((provider.name for provider in pool.providers if provider.priority is not None), None)
    if stating is None:
        return
    for place, provider in enumerate(pool.providers):
        if provider.priority is None:
            what = f"missing, though provider {stating!r} of this pool has one"
            yield Problem((*where, "providers", place, "priority"), what, "a priority for every provider or for none")


def _deployments(manifest: Manifest, beside: Beside) -> Iterator[Problem]:
    """A deployment's limits are its own, so all that lead to it must state the same (SYNC-17). Limits that are invalid
    by themselves are compared with nothing.
    """
    first: dict[str, tuple[str, Limits]] = {}
    named = {provider.deployment for pool in manifest.pools.values() for provider in pool.providers} - {None}
    for alias, pool in beside.pools() if named else ():
        for provider in pool.providers:
            if provider.deployment is not None and provider.deployment in named:
                told = f"provider {provider.name!r} of pool {alias!r}"
                first.setdefault(provider.deployment, (told, provider.limits))
    for alias, pool in manifest.pools.items():
        for place, provider in enumerate(pool.providers):
            if provider.deployment is None or any(limit_problems((), provider.limits)):
                continue
            told = f"provider {provider.name!r} of pool {alias!r}"
            other, limits = first.setdefault(provider.deployment, (told, provider.limits))
            differing = ", ".join(limit_differences(provider.limits, limits))
            if differing:
                what = f"{told} gives {provider.deployment!r} other limits than {other} does: {differing}"
                where: Path = ("pools", alias, "providers", place, "deployment")
                yield Problem(where, what, "the same limits wherever the deployment is named")


def _rule(where: Path, alias: str, rule: Rule, manifest: Manifest, beside: Beside) -> Iterator[Problem]:
    if rule.action is not Action.REDIRECT:
        return
    if rule.target == alias:
        yield Problem((*where, "target"), "redirects to its own alias", "another alias")
    elif not (rule.target in manifest.pools or beside.has_pool(rule.target or "")):
        yield Problem((*where, "target"), f"no alias is called {rule.target!r}", "an alias of this table")
