"""The way from the table as it is to the source's wishes.

Law: pure; only what differs, and nothing where nothing does (DELTA-7, DEF-15).
"""

from adapters.dwctl.access_differences import AccessDifferences
from adapters.dwctl.model_differences import ModelDifferences
from adapters.dwctl.ownership import Ownership
from adapters.dwctl.steps import Steps, Unit
from adapters.dwctl.wishes import Wishes
from engine.events import EscalationChanged

_ESCALATION = "escalation"


def steps_to(wishes: Wishes, own: Ownership, at_us: int) -> Steps:
    """`at_us`: now, in Unix microseconds, for tariffs that have ended."""
    models = ModelDifferences(wishes.models, own)
    access = AccessDifferences(wishes.access, models.gone, own, at_us)
    narrowed, widened = _escalation(wishes, own)
    facts = (
        *access.closing(),
        *narrowed,
        *models.closing(),
        *models.defining(),
        *access.pricing(),
        *access.opening(),
    )
    last = (*models.leaving(), *access.leaving(), *widened)
    return Steps(tuple(access.gone_keys()), facts, tuple(access.keys()), last)


def _escalation(wishes: Wishes, own: Ownership) -> tuple[list[Unit], list[Unit]]:
    """What is taken away, then what is added. Nothing wished for leaves what others have set."""
    present, wished = own.snapshot.catalogue.escalation, frozenset(wishes.escalation)
    narrowed: list[Unit] = []
    widened: list[Unit] = []
    if present == wished or not (wished or own.has(_ESCALATION)):
        return narrowed, widened
    if own.may_change(_ESCALATION, exists=_ESCALATION in own.snapshot.streams):
        if present - wished:
            narrowed.append((EscalationChanged(tuple(sorted(present & wished))),))
        if wished - present:
            widened.append((EscalationChanged(tuple(sorted(wished))),))
    return narrowed, widened
