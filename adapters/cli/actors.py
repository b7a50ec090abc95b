"""Who made a change, for people: an admin token by its name, where that is one token's alone.

Law: a name stands for one token in all that is printed together; JSON keeps the ids.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

from adapters.cli.gateway_client import AdminApi, Declined
from engine.errors import StartFailed

Names = Mapping[str, str]
"""Of admin tokens, by their ids."""
_TOKEN: Final = re.compile(r"(?<!\S)token:(\S+)")
_LOCAL: Final = "local"
"""`token:local` is no token of the log."""
_FORBIDDEN: Final = 403


async def token_names(api: AdminApi) -> Names:
    """As the table has them; none for a token that may not know the others. Raises Declined, StartFailed."""
    try:
        return {one["token_id"]: one["name"] for one in await api.all("tokens")}
    except Declined as declined:
        if declined.status != _FORBIDDEN:
            raise
        return {}


def named(actor: str, names: Names) -> str:
    """`token:NAME` for `token:ID` where the name is no other token's, and none's id."""
    counts = Counter(names.values())

    def called(token: re.Match[str]) -> str:
        name = names.get(token[1], "")
        is_clear = name.isprintable() and " " not in name and counts[name] == 1 and name not in {_LOCAL, *names}
        return f"token:{name}" if name and is_clear else token[0]

    return _TOKEN.sub(called, actor)


def actor_of(text: str, names: Names) -> str:
    """Who made a change, also by a token's name or id, with or without `token:`. Raises StartFailed for a name that
    several have.
    """
    name = text.removeprefix("token:")
    if name in names:
        return f"token:{name}"
    found = [one for one, called in names.items() if called == name]
    if len(found) > 1:
        ids = ", ".join(f"token:{one}" for one in found)
        raise StartFailed(f"{len(found)} admin tokens are called {name!r}; valid: {ids}.", wrong_input=True)
    return f"token:{found[0]}" if found else text
