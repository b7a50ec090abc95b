"""Who may say where an upstream credential is sent: admins, whichever route it is said by.

Law: what a token of a smaller scope changes leaves every credential where it went before.
"""

from adapters.http.admin.mutation import Mutation, Wish
from adapters.http.admin.mutation import _placed as placed
from engine.decide import decide
from engine.destinations import sent_anew
from engine.errors import Rejected
from engine.snapshot import RoutingSnapshot


def allowed(mutation: Mutation, snapshot: RoutingSnapshot, wished: Wish) -> Wish:
    """The wish, if whoever asks may have it. Raises Refusal (403, naming the pool or the endpoint), Owned, Rejected.

    What is refused here for another reason is not passed on: it might be let through on a later table.
    """
    who = mutation.who
    if who.may("admin"):
        return wished
    try:
        events = decide(snapshot, wished.command, source=who.actor, change=mutation.office.change)
    except Rejected as error:
        raise Rejected(placed(error.problems, wished.where)) from None
    for stream in sent_anew(snapshot, events):
        who.needs("admin", f"To say where a credential is sent, as here for {stream},")
    return wished
