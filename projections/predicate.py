"""A question about replayed decisions, such as `share(provider="b") > 0.5`, and its answer for a tally.

Law: nothing is executed: the text is parsed as an expression and walked, and whatever is not in the tables below is
refused with its place and what would be valid.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs

from engine.errors import Reason
from projections.tally import Tally
from projections.traffic import OWN_WORDS, SCOPES, Verdict

_LONGEST: Final = 1000
_EXAMPLE: Final = 'share(provider="b") > 0.5, refused(scope="pool", alias="x") > 0'
_REASONS: Final = tuple(
    reason.value
    for reason in (
        Reason.UNAUTHENTICATED,
        Reason.FORBIDDEN,
        Reason.PAYMENT_REQUIRED,
        Reason.MODEL_NOT_FOUND,
        Reason.RATE_LIMIT,
        Reason.CONCURRENCY_LIMIT,
        Reason.UNAVAILABLE,
        Reason.BAD_GATEWAY,
    )
)
"""Those for which a table, or what is live, turns a request away."""
Filters: TypeAlias = Mapping[str, str]


@attrs.frozen
class Malformed(Exception):
    """The text is no predicate."""

    column: int
    "From 1."
    what: str
    valid: str

    def __str__(self) -> str:
        return f"column {self.column}: {self.what}; valid: {self.valid}"


def share(tally: Tally, filters: Filters) -> float:
    """The part of all attempts, or of the pool's, that the provider got; 0 where there were none."""
    of_pool = {name: value for name, value in filters.items() if name == "pool"}
    total = attempts(tally, of_pool)
    return attempts(tally, filters) / total if total else 0.0


def attempts(tally: Tally, filters: Filters) -> float:
    """Attempts sent."""
    return sum(
        count
        for (pool, provider), count in tally.attempts.items()
        if filters.get("pool", pool) == pool and filters.get("provider", provider) == provider
    )


def refused(tally: Tally, filters: Filters) -> float:
    """Requests refused."""
    return sum(
        count
        for one, count in tally.refused.items()
        if filters.get("scope", one.verdict.scope) == one.verdict.scope
        and _is_for(one.verdict, filters.get("reason"))
        and filters.get("alias", one.alias) == one.alias
        and filters.get("key", one.key) == one.key
    )


def _is_for(verdict: Verdict, reason: str | None) -> bool:
    """Whether a refusal has this reason, as callers are told it or by a pool's own word."""
    return reason in {None, verdict.reason} or OWN_WORDS.get(reason or "") == verdict


def requests(tally: Tally, filters: Filters) -> float:
    """All requests that were replayed."""
    del filters
    return tally.requests


_MEASURES: Final[dict[str, tuple[Callable[[Tally, Filters], float], tuple[str, ...]]]] = {
    "share": (share, ("provider", "pool")),
    "attempts": (attempts, ("provider", "pool")),
    "refused": (refused, ("scope", "reason", "alias", "key")),
    "requests": (requests, ()),
}
_ORDER: Final[dict[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_WORDS: Final[dict[str, tuple[str, ...]]] = {"scope": SCOPES, "reason": (*_REASONS, *OWN_WORDS)}
"""Filters with a fixed vocabulary."""
_FORMS: Final = ", ".join(f"{name}({', '.join(filters)})" for name, (_, filters) in _MEASURES.items())


@attrs.frozen
class Predicate:
    """`text` as it was parsed."""

    text: str
    _root: ast.expr = attrs.field(repr=False, eq=False)

    def holds(self, tally: Tally) -> bool:
        return _holds(self._root, tally)

    def names(self) -> set[tuple[str, str]]:
        """What it calls by name, as `("provider", "b")`: pools, providers, aliases, keys."""
        words = (node for node in ast.walk(self._root) if isinstance(node, ast.keyword))
        return {
            (word.arg, str(word.value.value))
            for word in words
            if word.arg is not None and word.arg not in _WORDS and isinstance(word.value, ast.Constant)
        }

    def values(self, tally: Tally) -> dict[str, float]:
        """What each measure in it comes to, by its text."""
        calls = (node for node in ast.walk(self._root) if isinstance(node, ast.Call))
        return {ast.get_source_segment(self.text, call) or "": _number(call, tally) for call in calls}


def parse(text: str) -> Predicate:
    """Raises Malformed."""
    if len(text) > _LONGEST:
        raise Malformed(_LONGEST, f"it is longer than {_LONGEST} characters", _EXAMPLE)
    try:
        root = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = _indent(text) + (getattr(error, "offset", None) or 1)
        raise Malformed(column, "this is no comparison", _EXAMPLE) from None
    try:
        _check(root)
    except Malformed as malformed:
        # The parser counts bytes, and from where the text begins.
        before = text.strip().encode()[: malformed.column - 1].decode(errors="replace")
        raise attrs.evolve(malformed, column=_indent(text) + len(before) + 1) from None
    return Predicate(text.strip(), root)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _check(node: ast.expr) -> None:
    match node:
        case ast.BoolOp(values=parts):
            for part in parts:
                _check(part)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _check(operand)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _ORDER for op in ops):
            for part in (left, *others):
                _check_number(part)
        case _:
            raise _malformed(node, "this is no comparison", f"comparisons by >, >=, <, <=, ==, != such as {_EXAMPLE}")


def _check_number(node: ast.expr) -> None:
    match node:
        case ast.Constant(value=bool()):
            raise _malformed(node, "this is no number", "a number")
        case ast.Constant(value=int() | float()):
            return
        case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords) if name in _MEASURES:
            for keyword in keywords:
                _check_filter(name, keyword)
        case ast.Call(func=ast.Name(id=name)) if name in _MEASURES:
            raise _malformed(node, f"{name} takes its filters by name", _FORMS)
        case ast.Call(func=ast.Name(id=name)):
            raise _malformed(node, f"there is no measure {name[:64]!r}", _FORMS)
        case _:
            raise _malformed(node, "this is no number and no measure", f"a number, or {_FORMS}")


def _check_filter(name: str, keyword: ast.keyword) -> None:
    valid = _MEASURES[name][1]
    if keyword.arg not in valid:
        raise _malformed(keyword, f"{name} has no filter {keyword.arg!r}", ", ".join(valid) or "no filter at all")
    if not (isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str)):
        raise _malformed(keyword.value, f"{keyword.arg} is a text", f'{keyword.arg}="..."')
    word, words = keyword.value.value, _WORDS.get(keyword.arg)
    if words is not None and word not in words:
        raise _malformed(keyword.value, f"there is no {keyword.arg} {word[:64]!r}", ", ".join(words))


def _malformed(node: Any, what: str, valid: str) -> Malformed:
    return Malformed(node.col_offset + 1, what, valid)


def _holds(node: ast.expr, tally: Tally) -> bool:
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_holds(part, tally) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_holds(part, tally) for part in parts)
        case ast.UnaryOp(operand=operand):
            return not _holds(operand, tally)
        case ast.Compare(left=left, ops=ops, comparators=others):
            numbers = [_number(part, tally) for part in (left, *others)]
            return all(_ORDER[type(op)](a, b) for op, a, b in zip(ops, numbers, numbers[1:], strict=False))
        case _:
            raise AssertionError("it was checked")


def _number(node: ast.expr, tally: Tally) -> float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.Call(func=ast.Name(id=name), keywords=keywords):
            filters = {
                word.arg: word.value.value for word in keywords if word.arg and isinstance(word.value, ast.Constant)
            }
            return _MEASURES[name][0](tally, {key: str(value) for key, value in filters.items()})
        case _:
            raise AssertionError("it was checked")
