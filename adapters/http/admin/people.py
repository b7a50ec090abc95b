"""Users and groups, who is in which, and what they may use (SYNC-2, SYNC-4)."""

from collections.abc import Callable, Collection
from typing import Any, Final

import attrs
from litestar import Response, delete, get, put
from litestar.params import FromPath

from adapters.http.admin.answers import PAGE, After, Limit, page_of, paged
from adapters.http.admin.entrance import OPERATE, READ
from adapters.http.admin.given import Given
from adapters.http.admin.mutation import Mutation, Receipt, Wish, wish
from adapters.http.admin.office import Office
from adapters.http.admin.problems import CHANGES, READS, Fault, Invalid, missing
from adapters.http.admin.resource import Resource, routes_of
from engine import events
from engine.catalogue import Ledger
from engine.events import NIL, EntityEvent
from engine.names import GroupId
from engine.snapshot import RoutingSnapshot


@attrs.frozen(kw_only=True)
class User:
    name: str = ""


@attrs.frozen(kw_only=True)
class UserShown:
    id: str
    name: str
    groups: tuple[str, ...]
    balance: str
    "A decimal number."
    is_funded: bool


@attrs.frozen(kw_only=True)
class Group:
    name: str = ""


@attrs.frozen(kw_only=True)
class GroupShown:
    id: str
    "The public group, which everybody is in, is there by itself: 00000000-0000-0000-0000-000000000000."
    name: str
    members: int
    "How many, as the one below."
    grants: int


@attrs.frozen(kw_only=True)
class Belonging:
    """A member or a grant of a group."""

    id: str
    "Of the user, or of the model."


def _show_user(snapshot: RoutingSnapshot, user_id: str) -> UserShown:
    user = snapshot.users[user_id]
    ledger = snapshot.catalogue.ledgers.get(user_id) or Ledger()
    groups = tuple(sorted(user.groups))
    return UserShown(id=user_id, name=user.name, groups=groups, balance=f"{ledger.balance:f}", is_funded=user.is_funded)


def _groups(snapshot: RoutingSnapshot) -> Collection[str]:
    return {*snapshot.catalogue.groups, NIL}


def _show_group(snapshot: RoutingSnapshot, group_id: GroupId) -> GroupShown:
    catalogue = snapshot.catalogue
    group = catalogue.groups.get(group_id)
    return GroupShown(
        id=group_id,
        name="public" if group is None else group.name,
        members=len(catalogue.members.get(group_id, ())),
        grants=len(catalogue.granted.get(group_id, ())),
    )


def _remove_group(group_id: str) -> EntityEvent:
    if group_id == NIL:
        raise Invalid((Fault(where="", what="the public group is there by itself", valid="another group"),))
    return events.GroupRemoved(group_id)


USERS: Final = Resource(
    path="/users",
    word="user",
    name="User",
    stream="user",
    body=User,
    model=UserShown,
    there=lambda snapshot: snapshot.users,
    show=_show_user,
    define=lambda _, _snapshot, user_id, body: wish(events.UserDefined(user_id, body.name)),
    remove=events.UserRemoved,
)
GROUPS: Final = Resource(
    path="/groups",
    word="group",
    name="Group",
    stream="group",
    body=Group,
    model=GroupShown,
    there=_groups,
    show=_show_group,
    define=lambda _, _snapshot, group_id, body: wish(events.GroupDefined(group_id, body.name)),
    remove=_remove_group,
)

_Page = page_of("Belonging", Belonging)
Links = Callable[[RoutingSnapshot, GroupId], Collection[str]]
Fact = Callable[[GroupId, str], EntityEvent]


def _belongings(path: str, name: str, links: Links, add: Fact, take: Fact) -> list[Any]:
    """What a group has, by id: the routes of its members and those of its grants."""
    every = f"/groups/{{group_id:str}}/{path}"
    one = every + "/{other_id:str}"

    def found(snapshot: RoutingSnapshot, group_id: GroupId) -> Collection[str]:
        if group_id not in _groups(snapshot):
            raise missing("group", group_id)
        return links(snapshot, group_id)

    @get(every, opt=READ, responses=READS, tags=["Group"], operation_id=f"list{name}s", description=f"All {path}.")
    async def belongings(
        group_id: FromPath[str], office: Given[Office], limit: Limit = PAGE, after: After = None
    ) -> Response[_Page]:  # type: ignore[valid-type]
        snapshot = office.follower.snapshot
        return paged(snapshot, found(snapshot, group_id), lambda other: Belonging(id=other), limit=limit, after=after)

    async def changed(mutation: Mutation, group_id: str, other_id: str, fact: Fact) -> Response[Any]:
        def compose(snapshot: RoutingSnapshot) -> Wish:
            found(snapshot, group_id)
            return wish(fact(group_id, other_id))

        return await mutation.make(
            compose, about=f"group:{group_id}", exists=lambda snapshot: other_id in links(snapshot, group_id)
        )

    @put(
        one,
        opt=OPERATE,
        responses=CHANGES,
        tags=["Group"],
        operation_id=f"put{name}",
        description="Takes no body. The ETag is the group's.",
    )
    async def put_one(group_id: FromPath[str], other_id: FromPath[str], mutation: Given[Mutation]) -> Response[Receipt]:
        return await changed(mutation, group_id, other_id, add)

    @delete(
        one,
        opt=OPERATE,
        status_code=200,
        responses=CHANGES,
        tags=["Group"],
        operation_id=f"delete{name}",
        description="One that is not there changes nothing.",
    )
    async def delete_one(
        group_id: FromPath[str], other_id: FromPath[str], mutation: Given[Mutation]
    ) -> Response[Receipt]:
        return await changed(mutation, group_id, other_id, take)

    return [belongings, put_one, delete_one]


routes: list[Any] = [
    *routes_of(USERS),
    *routes_of(GROUPS),
    *_belongings(
        "members",
        "Member",
        lambda snapshot, group_id: snapshot.catalogue.members.get(group_id, {}),
        events.MemberAdded,
        events.MemberRemoved,
    ),
    *_belongings(
        "grants",
        "Grant",
        lambda snapshot, group_id: snapshot.catalogue.granted.get(group_id, {}),
        events.GrantAdded,
        events.GrantRemoved,
    ),
]
