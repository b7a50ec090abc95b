"""From the engine's names for places in a table to the places in the file the table came from.

Law: total. Each problem the engine can find in a manifest gets a place in its file, the nearest one that exists
where a field has no place of its own.
"""

from collections.abc import Mapping

import attrs

from adapters.config.findings import Finding, JsonPath
from engine.errors import Problem
from engine.names import Alias, KeyId

_SETTINGS: dict[str, JsonPath] = {
    "strict_mode": ("strict_mode",),
    "max_idle_per_host": ("http_pool", "max_idle_per_host"),
    "idle_timeout_s": ("http_pool", "idle_timeout_secs"),
}
_FIELDS: dict[str | int, JsonPath] = {
    "max_concurrent": ("concurrency_limit", "max_concurrent_requests"),
    "requests_per_second": ("rate_limit", "requests_per_second"),
    "burst": ("rate_limit", "burst_size"),
    "rules": ("routing_rules",),
    "open_responses_adapter": ("open_responses", "adapter"),
    "model": ("onwards_model",),
    "credential": ("onwards_key",),
    "auth_header": ("upstream_auth_header_name",),
    "auth_prefix": ("upstream_auth_header_prefix",),
    "digest": ("key",),
}
"""Fields that the format calls otherwise; all others have the same name."""
_INNER: dict[tuple[str | int, str | int], str] = {
    ("timeouts", "connect_s"): "connect_secs",
    ("timeouts", "first_byte_s"): "first_byte_secs",
    ("timeouts", "idle_s"): "idle_secs",
    ("timeouts", "total_s"): "total_secs",
    ("circuit", "cooldowns_s"): "cooldown_secs",
    ("circuit", "max_retry_after_s"): "max_retry_after_secs",
}
"""The same for fields of a field that is an object in both."""


@attrs.frozen
class Origins:
    """Where the parts of one manifest stand in its file."""

    providers: Mapping[Alias, tuple[JsonPath, ...]]
    "Each pool's providers in order: `targets.a` itself, `targets.a[0]`, or `targets.a.providers[0]`."
    keys: Mapping[KeyId, JsonPath]
    definitions: frozenset[KeyId]
    "Keys that have an object in the file; the others are a string in a list."

    def find(self, problem: Problem) -> Finding:
        """A problem of the engine as a finding in the file."""
        return Finding(self.place(problem.where), f"{problem.what}; valid: {problem.valid}")

    def place(self, where: tuple[str | int, ...]) -> JsonPath:
        match where:
            case ("settings", str(name), *_):
                return _SETTINGS.get(name, ())
            case ("keys", str(key_id), *rest):
                path = self.keys.get(key_id, ("auth",))
                return (*path, *_renamed(rest)) if key_id in self.definitions else path
            case ("pools", str(alias), *rest):
                return self._in_target(alias, rest)
            case _:
                return ()

    def _in_target(self, alias: Alias, where: list[str | int]) -> JsonPath:
        providers = self.providers.get(alias, ())
        match where:
            case ("providers", int(index), *rest) if index < len(providers):
                return (*providers[index], *_renamed(rest))
            case ("rules", int(index), "target"):
                return ("targets", alias, "routing_rules", index, "action", "target")
            case ("keys", *_) if providers[:1] == (("targets", alias, 0),):
                return ("targets", alias, 0, "keys")
            case _:
                return ("targets", alias, *_renamed(where))


def _renamed(rest: list[str | int]) -> JsonPath:
    """The first part is a field of the engine, perhaps the second; what follows (a header's name, an index) is the
    file's own.
    """
    if not rest:
        return ()
    first, inner = rest[0], rest[1:]
    if inner:
        inner[0] = _INNER.get((first, inner[0]), inner[0])
    return (*_FIELDS.get(first, (first,)), *inner)
