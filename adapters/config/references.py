"""Secrets as they stand in a file: written out, as `env:NAME`, or as `file:PATH`.

Law: what is returned here is the only place a secret is; every finding names the place and the variable or the
secret's file, no more. An environment variable is read from the mapping given, never from the process. A reference
that leads to no usable secret is an error when the configuration is read.
"""

import re
from collections.abc import Callable, Mapping

import attrs

from adapters.config.findings import Finding, JsonPath
from adapters.secret_files import FILE, SENDABLE, UnusableSecret, is_path, read_secret
from engine.names import CredentialId

_ENV = "env:"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOREIGN = re.compile(r"os\.environ/(?P<litellm>.*)|\$\{(?P<shell>[^}]*)\}.*", re.DOTALL)
_CLIENT = re.compile(r"[!-~](?:[ -~]*[!-~])?")


@attrs.frozen
class References:
    environ: Mapping[str, str] = attrs.field(repr=False)
    credential_id: Callable[[str], CredentialId]
    errors: list[Finding]
    warnings: list[Finding]
    credentials: dict[CredentialId, str] = attrs.field(factory=dict, repr=False)
    "Upstream secrets written out in the file, by the id the vault gives them."

    def client_secret(self, text: str, path: JsonPath) -> str | None:
        """The secret clients present; None if it cannot be used, which is then among the errors."""
        return self._secret(text, path, _CLIENT, "printable ASCII characters, no space at either end")

    def credential(self, text: str, path: JsonPath) -> CredentialId | None:
        """The id of an upstream credential: the reference itself, or the vault's id of what is written out."""
        secret = self._secret(text, path, SENDABLE, "characters a header may have, no space at either end")
        if secret is None:
            return None
        if text.startswith((_ENV, FILE)):
            return text
        credential = self.credential_id(secret)
        self.credentials[credential] = secret
        return credential

    def _secret(self, text: str, path: JsonPath, allowed: re.Pattern[str], valid: str) -> str | None:
        if text.startswith(_ENV):
            return self._variable(text.removeprefix(_ENV), path, allowed, valid)
        if text.startswith(FILE):
            return self._file(text.removeprefix(FILE), path, allowed, valid)
        self._warn_of_foreign(text, path)
        if allowed.fullmatch(text):
            return text
        self.errors.append(Finding(path, f"the secret has a character that cannot be sent; valid: {valid}"))
        return None

    def _file(self, name: str, path: JsonPath, allowed: re.Pattern[str], valid: str) -> str | None:
        if not is_path(name):
            hint = "file: and an absolute path such as file:/run/secrets/openai"
            self.errors.append(Finding(path, f"`file:` is not followed by an absolute path; valid: {hint}"))
            return None
        try:
            secret = read_secret(name)
        except UnusableSecret as unusable:
            hint = f"a file this process may read, of one line and at most 16 KiB: {valid}"
            self.errors.append(Finding(path, f"{unusable}; valid: {hint}"))
            return None
        if not allowed.fullmatch(secret):
            what = f"the file {name} has a character that cannot be sent"
            self.errors.append(Finding(path, f"{what}; valid: {valid}"))
            return None
        return secret

    def _variable(self, name: str, path: JsonPath, allowed: re.Pattern[str], valid: str) -> str | None:
        if not _VARIABLE.fullmatch(name):
            hint = "env: and a variable's name of letters, digits and _"
            self.errors.append(Finding(path, f"`env:` is not followed by a variable's name; valid: {hint}"))
            return None
        value = self.environ.get(name)
        if not value:
            state = "not set" if value is None else "empty"
            hint = f"start the gateway with {name} set to the secret"
            self.errors.append(Finding(path, f"the environment variable {name} is {state}; valid: {hint}"))
            return None
        if not allowed.fullmatch(value):
            reason = "has a character that cannot be sent, perhaps a line break at the end"
            self.errors.append(Finding(path, f"the environment variable {name} {reason}; valid: {valid}"))
            return None
        return value

    def _warn_of_foreign(self, text: str, path: JsonPath) -> None:
        match = _FOREIGN.fullmatch(text)
        if match is None:
            return
        name = match["litellm"] or match["shell"] or ""
        written = f"env:{name}" if _VARIABLE.fullmatch(name) else "env:NAME"
        what = "looks like a reference, but is taken as the secret itself"
        self.warnings.append(Finding(path, f"{what}; a variable of the environment is written {written}"))
