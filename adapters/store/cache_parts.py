"""A snapshot in parts of some hundred entries, as the cache stores them.

Law: putting together what was taken apart gives an equal snapshot. Every field is covered, because the fields are what
is gone through. The interpreter is held for one entry at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import chain, islice
from typing import Any, Final, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import attrs
import immutables
import msgspec

from adapters.store.packing import Form, form_of
from engine.catalogue import Catalogue
from engine.snapshot import RoutingSnapshot

T = TypeVar("T")
Entries: TypeAlias = immutables.MapMutation[Any, Any]

PART: Final = 512
"Entries in a part."
_LINKS: Final = 256
"Of what hangs on one entry, at most so many in one entry of a part: a group may have all users."

_encoder: Final = msgspec.msgpack.Encoder()


@attrs.frozen
class Part:
    kind: str
    "A field of the snapshot, or after a full stop of its catalogue."
    doc: bytes = attrs.field(repr=False)


class _One:
    """A field with one value."""

    def __init__(self, kind: str, hint: Any) -> None:
        self.kind = kind
        self._form = form_of(hint)
        self._decoder = msgspec.msgpack.Decoder(self._form.wire)

    def docs(self, snapshot: RoutingSnapshot) -> Iterator[bytes]:
        yield _encoder.encode(_changed(self._form.pack, _read(snapshot, self.kind)))

    def value(self, docs: Iterable[bytes], before: Mapping[str, Any]) -> Any:  # noqa: ARG002 - as `_Many`
        (doc,) = docs
        return _changed(self._form.unpack, self._decoder.decode(doc))


class _Many:
    """A field with a mapping of values, of mappings, or (callers) of another field's values."""

    def __init__(self, kind: str, hint: Any) -> None:
        self.kind = kind
        key, value = get_args(hint)
        self._is_links = get_origin(value) is Mapping
        self._form = Form(str) if kind == "callers" else form_of(value)
        self._decoder = msgspec.msgpack.Decoder(list[tuple[form_of(key).wire, self._form.wire]])  # type: ignore[misc]

    def docs(self, snapshot: RoutingSnapshot) -> Iterator[bytes]:
        items = iter(_read(snapshot, self.kind).items())
        if self.kind == "callers":
            entries: Iterator[tuple[Any, Any]] = ((digest, _known_key(snapshot, key)) for digest, key in items)
        elif self._is_links:
            entries = ((one, some) for one, others in items for some in _pieces(others))
        else:
            entries = ((key, _changed(self._form.pack, value)) for key, value in items)
        for first in entries:
            yield _array(chain([first], islice(entries, PART - 1)))

    def value(self, docs: Iterable[bytes], before: Mapping[str, Any]) -> immutables.Map[Any, Any]:
        whole: Entries = immutables.Map[Any, Any]().mutate()
        unpack = before["keys"].__getitem__ if self.kind == "callers" else self._form.unpack
        for doc in docs:
            entries = self._decoder.decode(doc)
            if self._is_links:
                for one, others in entries:
                    whole[one] = whole.get(one, _NOTHING).update(others)
            elif unpack is None:
                whole.update(entries)
            else:
                whole.update([(key, unpack(row)) for key, row in entries])
        return whole.finish()


_NOTHING: Final = immutables.Map[Any, Any]()


def parts(snapshot: RoutingSnapshot) -> Iterator[Part]:
    """Raises ValueError where a value has no place in the cache."""
    for field in fields():
        for doc in field.docs(snapshot):
            yield Part(field.kind, doc)


def assembled(stored: Iterable[Part]) -> RoutingSnapshot:
    """The snapshot of parts in the order they were made. Raises ValueError, LookupError, TypeError."""
    remaining = iter(stored)
    head = next(remaining, None)
    values: dict[str, Any] = {}

    def docs_of(kind: str) -> Iterator[bytes]:
        nonlocal head
        while head is not None and head.kind == kind:
            yield head.doc
            head = next(remaining, None)

    for field in fields():
        values[field.kind] = field.value(docs_of(field.kind), values)
    if head is not None:
        raise ValueError(f"there is a part {head.kind!r} out of place")
    catalogue = {kind.removeprefix(_CATALOGUE): values.pop(kind) for kind in list(values) if _CATALOGUE in kind}
    return RoutingSnapshot(catalogue=Catalogue(**catalogue), **values)


_CATALOGUE: Final = "catalogue."


@cache
def fields() -> tuple[_One | _Many, ...]:
    """Every field of a snapshot, in the order of their parts. Raises TypeError where one has a type without a form."""
    return tuple(_fields_of(RoutingSnapshot, ""))


def _fields_of(cls: type[Any], prefix: str) -> Iterator[_One | _Many]:
    hints = get_type_hints(cls)
    for field in attrs.fields(cls):
        kind, hint = prefix + field.name, hints[field.name]
        if hint is Catalogue:
            yield from _fields_of(Catalogue, f"{kind}.")
        elif get_origin(hint) is Mapping:
            yield _Many(kind, hint)
        else:
            yield _One(kind, hint)


def _read(snapshot: RoutingSnapshot, kind: str) -> Any:
    name = kind.removeprefix(_CATALOGUE)
    return getattr(snapshot if name == kind else snapshot.catalogue, name)


def _known_key(snapshot: RoutingSnapshot, key: Any) -> str:
    if snapshot.keys.get(key.key_id) != key:
        raise ValueError(f"a caller's key {key.key_id!r} is not the one of that id")
    return str(key.key_id)


def _pieces(others: Mapping[Any, Any]) -> Iterator[dict[Any, Any]]:
    """At least one, so that a mapping of nothing comes back as one."""
    items = iter(others.items())
    yield dict(islice(items, _LINKS))
    for first in items:
        yield dict(chain([first], islice(items, _LINKS - 1)))


def _array(entries: Iterable[Any]) -> bytes:
    """What msgspec makes of them as a list, but encoded one by one: one call for all would hold up other threads."""
    doc, count = bytearray(5), 0
    for entry in entries:
        _encoder.encode_into(entry, doc, -1)
        count += 1
    doc[:5] = b"\xdd" + count.to_bytes(4, "big")  # msgpack's array 32
    return bytes(doc)


def _changed(change: Callable[[Any], Any] | None, value: Any) -> Any:
    return value if change is None else change(value)
