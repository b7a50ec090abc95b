"""How users, groups, funds, prices and keys differ from those that are wished for.

Law: what takes access away is told apart from what gives it, so that it can come first; what the source no longer has
goes where this importer made it, whoever changed a key, a user or a group of it since, and nothing else does.
"""

from collections.abc import Container, Iterator
from decimal import Decimal

from adapters.dwctl.ownership import Ownership
from adapters.dwctl.steps import Unit
from adapters.dwctl.wishes import Access
from engine.events import (
    NIL,
    CreditsCheckpointed,
    GrantAdded,
    GrantRemoved,
    GroupRemoved,
    MemberAdded,
    MemberRemoved,
    TariffDefined,
    TariffRemoved,
    UserRemoved,
)
from engine.names import GroupId, KeyId, ModelId, UserId
from engine.snapshot import Key

_ENDED = "not carried over: a tariff that ended in the past"
_NOT_LINKED = "not carried over: a membership or a grant of what another made"
_ENDING = "a tariff with an end is current until then, unlike in dwctl, where it is not current any more (SYNC-5)"


class AccessDifferences:
    def __init__(self, wished: Access, models_gone: Container[ModelId], own: Ownership, at_us: int) -> None:
        self._wished = wished
        self._own = own
        self._snapshot = own.snapshot
        self._models_gone = models_gone
        self._at_us = at_us
        self._users_gone = frozenset(
            user_id
            for user_id in self._snapshot.users
            if user_id not in wished.users and own.may_close(f"user:{user_id}")
        )
        self._groups_gone = frozenset(
            group_id
            for group_id in self._snapshot.catalogue.groups
            if group_id not in wished.groups and own.may_close(f"group:{group_id}")
        )
        self._ledgers = tuple(self._ledger_changes())

    def gone_keys(self) -> Iterator[KeyId]:
        """Beside those that go with their user."""
        for key_id, key in self._snapshot.keys.items():
            stays = key_id in self._wished.keys or key.user_id in self._users_gone
            if not stays and self._own.may_close(f"key:{key_id}"):
                yield key_id

    def closing(self) -> Iterator[Unit]:
        for user_id in sorted(self._users_gone):
            yield (UserRemoved(user_id),)
        for group_id in sorted(self._groups_gone):
            yield (GroupRemoved(group_id),)
        yield from self._links_gone()
        for checkpoint in self._ledgers:
            if Decimal(checkpoint.balance) <= 0 and checkpoint.user_id in self._snapshot.users:
                yield (checkpoint,)

    def pricing(self) -> Iterator[Unit]:
        """What models cost, before anybody new may use them."""
        for tariff in self._wished.tariffs.values():
            present = self._snapshot.catalogue.tariffs.get(tariff.tariff_id)
            if present is not None and present.defined == tariff:
                continue
            if self._is_over(tariff):
                if present is None:
                    self._own.findings.tell(_ENDED)
            elif self._own.may_change(f"tariff:{tariff.tariff_id}", exists=present is not None):
                yield (tariff,)
        for tariff in self._wished.tariffs.values():
            if tariff.valid_until is not None and not self._is_over(tariff):
                self._own.findings.tell(_ENDING, f"tariff {tariff.tariff_id}")

    def opening(self) -> Iterator[Unit]:
        yield from self._people()
        for checkpoint in self._ledgers:
            if Decimal(checkpoint.balance) > 0 or checkpoint.user_id not in self._snapshot.users:
                yield (checkpoint,)
        yield from self._links_new()

    def _people(self) -> Iterator[Unit]:
        for user_id, user in self._wished.users.items():
            there = self._snapshot.users.get(user_id)
            is_same = there is not None and there.name == user.name
            if not is_same and self._own.may_change(f"user:{user_id}", exists=there is not None):
                yield (user,)
        for group_id, group in self._wished.groups.items():
            present = self._snapshot.catalogue.groups.get(group_id)
            if present != group and self._own.may_change(f"group:{group_id}", exists=present is not None):
                yield (group,)

    def _links_new(self) -> Iterator[Unit]:
        for group_id, model_id in sorted(self._wished.grants):
            is_there = group_id in self._snapshot.catalogue.grants.get(model_id, frozenset())
            if not is_there and self._may_link(group_id, f"model:{model_id}", exists=self._is_model(model_id)):
                yield (GrantAdded(group_id, model_id),)
        for group_id, user_id in sorted(self._wished.members):
            exists = user_id in self._snapshot.users
            is_there = group_id in self._groups_of(user_id)
            if not is_there and self._may_link(group_id, f"user:{user_id}", exists=exists):
                yield (MemberAdded(group_id, user_id),)

    def keys(self) -> Iterator[Key]:
        for key_id, key in self._wished.keys.items():
            present = self._snapshot.keys.get(key_id)
            if present != key and self._own.may_change(f"key:{key_id}", exists=present is not None):
                yield key

    def leaving(self) -> Iterator[Unit]:
        """Tariffs whose going makes a model free."""
        for tariff_id, present in self._snapshot.catalogue.tariffs.items():
            if present.defined.model_id in self._models_gone:
                continue
            wish = self._wished.tariffs.get(tariff_id)
            is_gone = wish is None or (wish != present.defined and self._is_over(wish))
            if is_gone and self._own.may_remove(f"tariff:{tariff_id}"):
                yield (TariffRemoved(tariff_id),)

    def _links_gone(self) -> Iterator[Unit]:
        for user_id in self._wished.users:
            for group_id in sorted(self._groups_of(user_id)):
                is_wished = (group_id, user_id) in self._wished.members or group_id in self._groups_gone
                if not is_wished and self._is_link(group_id, f"user:{user_id}", exists=True):
                    yield (MemberRemoved(group_id, user_id),)
        for model_id, groups in self._snapshot.catalogue.grants.items():
            if model_id in self._models_gone:
                continue
            for group_id in sorted(groups):
                is_wished = (group_id, model_id) in self._wished.grants or group_id in self._groups_gone
                if not is_wished and self._is_link(group_id, f"model:{model_id}", exists=True):
                    yield (GrantRemoved(group_id, model_id),)

    def _is_link(self, group_id: GroupId, stream: str, *, exists: bool) -> bool:
        """Whether both ends are the importer's, or are about to be."""
        is_group = group_id == NIL or group_id not in self._snapshot.catalogue.groups
        return (is_group or self._own.made(f"group:{group_id}")) and (not exists or self._own.made(stream))

    def _may_link(self, group_id: GroupId, stream: str, *, exists: bool) -> bool:
        """As `_is_link`; a link that cannot be made is told."""
        is_link = self._is_link(group_id, stream, exists=exists)
        if not is_link:
            self._own.tell_left(_NOT_LINKED, f"group:{group_id} and {stream}")
        return is_link

    def _ledger_changes(self) -> Iterator[CreditsCheckpointed]:
        for user_id, checkpoint in self._wished.ledgers.items():
            ledger = self._snapshot.catalogue.ledgers.get(user_id)
            balance = Decimal(checkpoint.balance)
            if ledger is None and not balance and not checkpoint.seq:
                continue
            if ledger is not None and ledger.seq > checkpoint.seq:
                if ledger.balance != balance:
                    what = "left alone: a balance whose ledger has later entries here than in the source"
                    self._own.findings.tell(what, f"user {user_id}")
            elif ledger is None or (ledger.balance, ledger.seq) != (balance, checkpoint.seq):
                if user_id in self._snapshot.users and not self._own.made(f"user:{user_id}"):
                    self._own.tell_left("left alone: the balance of a user that another made", f"user:{user_id}")
                else:
                    yield checkpoint

    def _is_over(self, tariff: TariffDefined) -> bool:
        return tariff.valid_until is not None and tariff.valid_until <= self._at_us

    def _groups_of(self, user_id: UserId) -> frozenset[GroupId]:
        user = self._snapshot.users.get(user_id)
        return frozenset() if user is None else user.groups

    def _is_model(self, model_id: ModelId) -> bool:
        catalogue = self._snapshot.catalogue
        return model_id in catalogue.deployments or model_id in catalogue.composites
