"""Targets of a document to pools: three shapes, one normal form (CFG-10).

Law: which shape it is depends on structure alone (CFG-9). A list or a single target has no limits, fallback, rules
or headers of its own: those in its entries are the providers'.
"""

from collections.abc import Iterable

import attrs

from adapters.config.findings import Finding, JsonPath
from adapters.config.keyring import Keyring
from adapters.config.policies import affinity, circuit, fallback, limits, real, rule, timeouts, whole
from adapters.config.provider_names import Unnamed, names_of
from adapters.config.references import References
from adapters.config.sections import Section
from engine.names import Alias, CredentialId, KeyId, ProviderName
from engine.snapshot import Action, Pool, Provider, Strategy, Timeouts
from engine.urls import normalise


@attrs.frozen
class Target:
    """A pool, and where each of its providers stands in the document."""

    pool: Pool
    places: tuple[JsonPath, ...]


@attrs.frozen
class TargetReader:
    references: References
    keyring: Keyring
    ignored: list[Finding]

    def read(self, targets: Section, alias: Alias) -> Target:
        section = targets.within(alias)
        if isinstance(targets.node[alias], list):
            return self._list(alias, list(targets.objects(alias)))
        if "providers" in section.node:
            return self._pool(alias, section)
        return self._single(alias, section)

    def _pool(self, alias: Alias, section: Section) -> Target:
        sanitize = section.get("sanitize_response", default=False)
        providers, places = self._providers(section.objects("providers"), sanitize=sanitize)
        for entry in section.objects("routing_rules"):
            self._note_ignored(entry.within("action"))
        pool = Pool(
            alias=alias,
            providers=providers,
            keys=self._keys(section),
            strategy=Strategy(section.get("strategy", Strategy.WEIGHTED_RANDOM.value)),
            limits=limits(section),
            affinity=affinity(section.within("affinity")),
            fallback=fallback(section.within("fallback")),
            circuit=circuit(section.within("circuit")),
            timeouts=timeouts(section.within("timeouts")),
            rules=tuple(rule(entry) for entry in section.objects("routing_rules")),
            response_headers=dict(section.get("response_headers", {})),
            sanitize_response=sanitize,
            trusted=section.get("trusted", default=False),
            open_responses_adapter=section.within("open_responses").get("adapter"),
        )
        return Target(pool, places)

    def _single(self, alias: Alias, section: Section) -> Target:
        sanitize = section.get("sanitize_response", default=False)
        trusted = section.get("trusted", default=False)
        providers, places = self._providers([section], sanitize=sanitize)
        pool = Pool(alias, providers, self._keys(section), sanitize_response=sanitize, trusted=trusted)
        return Target(pool, places)

    def _list(self, alias: Alias, entries: list[Section]) -> Target:
        if not entries:
            return Target(Pool(alias), ())
        first, *others = entries
        trusted = first.get("trusted", default=False)
        for entry in others:
            self._compare(first, entry)
        providers, places = self._providers(entries, sanitize=False)
        return Target(Pool(alias, providers, self._keys(first), trusted=trusted), places)

    def _note_ignored(self, action: Section) -> None:
        """A rule that denies leads nowhere."""
        for name in ("target", "opens_target"):
            if action.get("type") == Action.DENY.value and name in action.node:
                what = f'ignored, since the rule denies; valid: `{name}` only with "redirect"'
                self.ignored.append(Finding((*action.path, name), what))

    def _compare(self, first: Section, entry: Section) -> None:
        """What belongs to the pool must not differ among a list's entries (CFG-10, DEF-46)."""
        if entry.get("trusted", default=False) != first.get("trusted", default=False):
            what = "disagrees with the list's first entry, which speaks for the pool"
            hint = "the same in every entry, or a target with `providers`, where each may say its own"
            self.references.errors.append(Finding((*entry.path, "trusted"), f"{what}; valid: {hint}"))
        if "keys" in entry.node:
            own, pools = ({text for _, text in one.strings("keys")} for one in (entry, first))
            if own != pools or "keys" not in first.node:
                what = "not used, since the keys of a list's first entry are the pool's and these differ"
                self.ignored.append(Finding((*entry.path, "keys"), f"{what}; valid: `keys` in the first entry"))

    def _keys(self, section: Section) -> frozenset[KeyId] | None:
        """None where the target has no list of its own; an empty list stays one (CFG-11)."""
        if "keys" not in section.node:
            return None
        entries = (self.keyring.entry(text, path) for path, text in section.strings("keys"))
        return frozenset(key_id for key_id in entries if key_id is not None)

    def _providers(
        self, sections: Iterable[Section], *, sanitize: bool
    ) -> tuple[tuple[Provider, ...], tuple[JsonPath, ...]]:
        """All that have a usable URL, which in a file without errors are all; and their places."""
        usable: list[tuple[Section, str, CredentialId | None]] = []
        for section in sections:
            credential = self._credential(section)
            url = section.get("url")
            if url is not None:
                usable.append((section, normalise(url), credential))
        names = names_of([Unnamed(one.get("name"), url, one.get("onwards_model")) for one, url, _ in usable])
        providers = []
        for (section, url, credential), name in zip(usable, names, strict=True):
            provider = _provider(section, url, name, sanitize=sanitize)
            providers.append(attrs.evolve(provider, credential=credential, timeouts=self._timeouts(section)))
        return tuple(providers), tuple(section.path for section, _, _ in usable)

    def _timeouts(self, section: Section) -> Timeouts:
        """A provider's, whose `request_timeout_secs` is an older name for one of them (CFG-6)."""
        newer, older = timeouts(section.within("timeouts")), real(section.get("request_timeout_secs"))
        if newer.first_byte_s is None:
            return attrs.evolve(newer, first_byte_s=older)
        if older not in {None, newer.first_byte_s}:
            what = f"{newer.first_byte_s:g}, but `request_timeout_secs`, its older name, is {older:g}"
            hint = "one of the two, or the same number in both"
            path = (*section.path, "timeouts", "first_byte_secs")
            self.references.errors.append(Finding(path, f"{what}; valid: {hint}"))
        return newer

    def _credential(self, section: Section) -> CredentialId | None:
        secret = section.get("onwards_key")
        return None if secret is None else self.references.credential(secret, (*section.path, "onwards_key"))


def _provider(section: Section, url: str, name: ProviderName, *, sanitize: bool) -> Provider:
    """CFG-6, without the credential and the timeouts."""
    # Limits that are not known differ from nobody's.
    has_broken_limits = section.is_broken("rate_limit") or section.is_broken("concurrency_limit")
    return Provider(
        name=name,
        url=url,
        model=section.get("onwards_model"),
        auth_header=section.get("upstream_auth_header_name", "Authorization"),
        auth_prefix=section.get("upstream_auth_header_prefix", "Bearer "),
        weight=int(section.get("weight", 1)),
        limits=limits(section),
        deployment=None if has_broken_limits else section.get("deployment"),
        priority=whole(section.get("priority")),
        cost=float(section.get("cost", 0)),
        response_headers=dict(section.get("response_headers", {})),
        sanitize_response=sanitize or section.get("sanitize_response", default=False),
        trusted=section.get("trusted"),
        propagate_trace_context=section.get("propagate_trace_context"),
        open_responses_adapter=section.within("open_responses").get("adapter"),
    )
