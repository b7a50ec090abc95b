"""The rows of a dwctl database to wishes.

Law: pure and deterministic: the same rows are the same wishes and findings, whatever the clock says (SYNC-30). No
secret is in a wish but in `credentials`, and none in a finding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.dwctl.findings import Findings
from adapters.dwctl.queries import tell_unread
from adapters.dwctl.translate_access import access_of
from adapters.dwctl.translate_models import models_of
from adapters.dwctl.wishes import Wishes
from engine.names import Alias, CredentialId

_UNREAD = "unread:"


def translate(
    source: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    credential_id: Callable[[str], CredentialId],
    findings: Findings,
    escalation: tuple[Alias, ...] = (),
    opens_redirects: bool = False,
) -> Wishes:
    """`source`: the rows of each of `queries_of`. `credential_id` names a provider's key without telling it.

    `opens_redirects`: whether redirects admit callers that may not use the target, as they do in dwctl (RULE-7).
    """
    for query, rows in source.items():
        if query.startswith(_UNREAD):
            tell_unread(rows[0], query.removeprefix(_UNREAD), findings)
    models = models_of(source, credential_id, findings, opens_redirects=opens_redirects)
    named = {model.alias for model in models.models.values()}
    for alias in escalation:
        if alias not in named:
            findings.tell("the source has no model of an alias that is to be an escalation model", alias)
    return Wishes(models, access_of(source, models.models, findings), tuple(sorted(set(escalation))))
