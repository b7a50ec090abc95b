"""Who may say where an upstream credential is sent: admins, whichever route it is said by.

Law: what a token of a smaller scope changes leaves every credential where it went before.
"""

from adapters.http.admin.mutation import Mutation, Wish
from engine.decide import decide
from engine.destinations import sent_anew
from engine.errors import Owned, Rejected
from engine.snapshot import RoutingSnapshot


def allowed(mutation: Mutation, snapshot: RoutingSnapshot, wished: Wish) -> Wish:
    """The wish, if whoever asks may have it. Raises Refusal (403), which names the pool or the endpoint."""
    who = mutation.who
    if who.may("admin"):
        return wished
    try:
        events = decide(snapshot, wished.command, source=who.actor, change=mutation.office.change)
    except (Owned, Rejected):
        # It is decided once more on this table, and then told in the request's own terms.
        return wished
    for stream in sent_anew(snapshot, events):
        who.needs("admin", f"To say where a credential is sent, as here for {stream},")
    return wished
