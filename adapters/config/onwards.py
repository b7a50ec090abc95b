"""A file in the onwards format to a manifest.

Law: `load_text` returns a manifest that `engine.decide` accepts, or raises every problem of the file at once; no secret
is in the manifest, in a warning, in an error or in a `repr`. It is synchronous and may take a second for thousands
of pools: a running gateway calls it in a thread.
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import attrs

from adapters.config.findings import ConfigError, Finding, JsonPath, line, lines
from adapters.config.inert import inert_fields
from adapters.config.keyring import Keyring
from adapters.config.origins import Origins
from adapters.config.policies import limits
from adapters.config.readers import parse, read
from adapters.config.references import References
from adapters.config.sections import Section, with_ancestors
from adapters.config.shape import examine
from adapters.config.targets import Target, TargetReader
from adapters.config.unread import unread_keys
from engine.checks import problems_of
from engine.errors import Rejected
from engine.names import CredentialId
from engine.snapshot import Manifest, Settings


@attrs.frozen
class Loaded:
    """What a file wishes for."""

    path: Path
    manifest: Manifest
    credentials: Mapping[CredentialId, str] = attrs.field(repr=False)
    "Upstream secrets still to be put into the vault, by the id the manifest uses."
    warnings: tuple[str, ...]
    "Complete lines: file, place in it, what is worth knowing."
    content_digest: str
    "SHA-256 of the bytes that were read, 64 hexadecimal digits."
    origins: Origins = attrs.field(repr=False)

    def explain(self, rejected: Rejected) -> ConfigError:
        """A rejection of this manifest in terms of its file."""
        return ConfigError(tuple(line(self.path, self.origins.find(problem)) for problem in rejected.problems))


def load(
    path: Path,
    *,
    strict: bool,
    credential_id: Callable[[str], CredentialId],
    environ: Mapping[str, str],
) -> Loaded:
    """Read a file, whose ending names its format, into a manifest.

    `strict` makes what would be ignored an error (CFG-1); `credential_id` gives an upstream secret its name in the
    vault. Raises ConfigError.
    """
    return load_text(path, read(path), strict=strict, credential_id=credential_id, environ=environ)


def load_text(
    path: Path,
    content: bytes,
    *,
    strict: bool,
    credential_id: Callable[[str], CredentialId],
    environ: Mapping[str, str],
) -> Loaded:
    """As `load`, for the content of a file that need not be there. Raises ConfigError."""
    document = parse(path, content)
    examined = examine(document)
    errors, warnings, ignored = list(examined.errors), list[Finding](), list(examined.ignored)
    root = Section.at((), document, with_ancestors(found.path for found in examined.errors))

    references = References(environ, credential_id, errors, warnings)
    keyring = _keyring(root.within("auth"), references)
    reader = TargetReader(references, keyring, ignored)
    targets = root.within("targets")
    read_targets = {alias: reader.read(targets, alias) for alias in targets.node}
    manifest = Manifest(
        pools={alias: target.pool for alias, target in read_targets.items()},
        keys=keyring.keys,
        settings=_settings(root),
    )

    origins = _origins(keyring, read_targets)
    errors.extend(_meant(origins, manifest, {found.path for found in examined.errors}))
    warnings.extend((*inert_fields(root), *unread_keys(root)))
    (errors if strict else warnings).extend(ignored)
    if errors:
        raise ConfigError(lines(path, document, errors))
    return Loaded(
        path=path,
        manifest=manifest,
        credentials=references.credentials,
        warnings=lines(path, document, warnings),
        content_digest=sha256(content).hexdigest(),
        origins=origins,
    )


def _meant(origins: Origins, manifest: Manifest, told: set[JsonPath]) -> Iterator[Finding]:
    """What is wrong with what the file means. A broken value counts as absent (`sections`), which is not its problem:
    of a field that is told already nothing more is said.
    """
    for problem in problems_of(manifest):
        found = origins.find(problem)
        is_of_alias = len(found.path) <= len(("targets", "alias"))
        if is_of_alias or found.path not in told:
            yield found


def _keyring(auth: Section, references: References) -> Keyring:
    definitions = auth.within("key_definitions")
    keyring = Keyring(references, frozenset(definitions.node))
    for key_id, definition in definitions.named():
        secret = definition.get("key")
        if secret is not None:
            keyring.define(key_id, secret, definition.path, dict(definition.get("labels", {})), limits(definition))
    for path, text in auth.strings("global_keys"):
        keyring.open_all_pools(text, path)
    return keyring


def _settings(root: Section) -> Settings:
    pool = root.within("http_pool")
    return Settings(
        strict_mode=root.get("strict_mode", default=False),
        max_idle_per_host=int(pool.get("max_idle_per_host", 100)),
        idle_timeout_s=float(pool.get("idle_timeout_secs", 90.0)),
    )


def _origins(keyring: Keyring, targets: Mapping[str, Target]) -> Origins:
    return Origins(
        providers={alias: target.places for alias, target in targets.items()},
        keys=keyring.origins,
        definitions=keyring.definition_ids,
    )
