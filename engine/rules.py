"""Routing rules: the first match on the caller's labels decides, once, before any limit is touched."""

from collections.abc import Mapping

from engine.snapshot import Pool, Rule


def first_match(pool: Pool, labels: Mapping[str, str]) -> Rule | None:
    """The first rule all of whose pairs the labels have (RULE-1); an empty condition matches everyone (RULE-2)."""
    for rule in pool.rules:
        if all(labels.get(name) == value for name, value in rule.match_labels.items()):
            return rule
    return None
