"""Which groups LiteLLM asks after a group has failed, as one chain for each group.

Law: a chain begins with its own group, names each group once and only groups with a usable deployment; what LiteLLM
would do by the fallbacks of a fallback is in it, in the order in which LiteLLM would come to it.
"""

from collections.abc import Collection, Mapping
from typing import Any

import attrs

from adapters.config.litellm_source import Source

_SHAPE = 'valid: a list of objects such as {"gpt-4o": ["claude"]}'


@attrs.define
class Fallbacks:
    targets: Mapping[str, str]
    "Each name that can be asked for, and the group it stands for: itself, or what it is an alias of."
    known: Collection[str]
    "All groups the file names, also those without a usable deployment."
    _own: dict[str, tuple[str, ...]] = attrs.field(factory=dict)
    _anyones: tuple[str, ...] = ()
    "For those that have none of their own."

    def read(self, *sources: Source) -> None:
        """`fallbacks` and `default_fallbacks`; of several sources the first that has one counts."""
        for name in ("fallbacks", "default_fallbacks"):
            stating = [source for source in sources if source.take(name) is not None]
            for source in stating[1:]:
                source.drop("they are stated in `router_settings` too, and those count", name)
            for source in stating[:1]:
                self._read(source, name)

    def chain(self, name: str) -> tuple[str, ...]:
        """The groups to ask for a name, in order."""
        first = self.targets[name]
        chain: list[str] = []
        waiting = [(first, self._own.get(name, self._own.get(first, self._anyones)))]
        while waiting:
            group, others = waiting.pop()
            if group not in chain:
                chain.append(group)
                waiting.extend((other, self._own.get(other, self._anyones)) for other in reversed(others))
        return tuple(chain)

    def _read(self, source: Source, name: str) -> None:
        entries = source.take(name)
        if not isinstance(entries, list):
            source.drop(_SHAPE, name)
            return
        for index, entry in enumerate(entries):
            if isinstance(entry, str):
                self._anyones += self._usable(source, [entry], (name,), index)
            elif isinstance(entry, dict):
                for group, others in entry.items():
                    self._add(source, group, others, (name, index))
            else:
                source.drop(_SHAPE, name, index)

    def _add(self, source: Source, group: str, others: object, path: tuple[str | int, ...]) -> None:
        listed = [others] if isinstance(others, str) else others
        if not isinstance(listed, list):
            source.drop("valid: a list of model names", *path, group)
        elif group == "*":
            self._anyones += self._usable(source, listed, (*path, group))
        elif group not in self.targets:
            source.drop(self._absent(group), *path, group)
        elif group in self._own:
            source.drop("this model's fallbacks are stated before", *path, group)
        else:
            self._own[group] = self._usable(source, listed, (*path, group))

    def _usable(
        self, source: Source, listed: list[Any], path: tuple[str | int, ...], start: int = 0
    ) -> tuple[str, ...]:
        usable = []
        for index, other in enumerate(listed, start):
            if isinstance(other, str) and other in self.targets:
                usable.append(self.targets[other])
            else:
                source.drop(self._absent(other) if isinstance(other, str) else "valid: a model's name", *path, index)
        return tuple(usable)

    def _absent(self, name: str) -> str:
        if name in self.known:
            return "no deployment of this model is in the document"
        return "no model of `model_list` has this name"


def aliases(router: Source, groups: Mapping[str, object]) -> dict[str, str]:
    """`model_group_alias`: other names, each with the group it stands for."""
    section = router.within("model_group_alias")
    found: dict[str, str] = {}
    for alias, target in section.node.items():
        if isinstance(target, dict):
            inner = section.at((alias,), target)
            target = inner.text("model")  # noqa: PLW2901 - the longer form of the same thing
            if inner.flag("hidden"):
                inner.drop("an alias can be asked for and seen like any other", "hidden")
            inner.leave({})
        if not isinstance(target, str) or target not in groups:
            section.drop("no model of the document has the name that this stands for", alias)
        elif "*" in alias or not alias.isprintable() or not 0 < len(alias) <= 256:
            section.drop("an alias is one name; valid: 1 to 256 printable characters without *", alias)
        else:
            if alias in groups and alias != target:
                section.tell("a model of `model_list` has this name too; as in LiteLLM, the alias comes first", alias)
            found[alias] = target
    return found
