"""What one request leaves behind on its way through the gateway.

Law: one for each request, made by whoever reads it, filled by whoever comes to know something, read by all who tell of
the request: journal, log, metrics, and the caller where it may ask. Nothing is written down twice.
"""

import attrs

from engine.access import Admission
from engine.names import Nanoseconds, ProviderName, Ticket
from engine.pool.decision import Decision
from engine.recording import Attempted, Served
from engine.snapshot import Key


@attrs.define(eq=False)
class Trail:
    served: Served
    "For the journal."
    details: list[str] = attrs.field(factory=list)
    "For the log only, one an attempt: what exactly failed. May name addresses, never a credential."
    decision: Decision | None = None
    "The last one, where it came to one."
    key: Key | None = None
    "That let the request in."

    def admitted(self, ticket: Ticket, admission: Admission) -> None:
        """The request may ask the actors."""
        served, self.key = self.served, admission.key
        served.ticket, served.pool = ticket, admission.pool.alias
        if admission.key is not None:
            served.key_id = admission.key.key_id

    def attempt(self, provider: ProviderName, at: Nanoseconds) -> Attempted:
        """An attempt begins; it counts as abandoned until something comes of it."""
        attempted = Attempted(provider, at, 0, None, "abandoned")
        self.served.attempts += (attempted,)
        self.details.append("")
        return attempted
