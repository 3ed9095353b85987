"""rules: what the clouds asked for and no feature that is on does."""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.engine.engine import Engine
from daybreak.model import (
    INTENTS,
    Firewall,
    FirewallPolicy,
    FirewallRule,
    Record,
    SecurityGroup,
    SecurityGroupRule,
)
from daybreak.northbound.admin.answers import Finding

PROTECTIVE: tuple[type[Record], ...] = (SecurityGroupRule, Firewall, FirewallPolicy, FirewallRule)
"""Without effect, they leave open what their owner believes to be closed."""

NAMES_ALONE: tuple[type[Record], ...] = (SecurityGroup,)
"""They have nothing but a name, and what belongs to them has the effect."""


def without_effect(engine: Engine) -> Iterator[tuple[type[Record], int]]:
    """Kinds that no rule declares to read, and how many of each there are."""
    read = {source for rule in engine.pipeline.rules for source in (rule.root, *rule.reads)}
    for kind in INTENTS:
        number = len(engine.records.get(kind, ()))
        if number and kind not in read and kind not in NAMES_ALONE:
            yield kind, number


def warnings(engine: Engine) -> Iterator[Finding]:
    """What is open and should not be."""
    for kind, number in without_effect(engine):
        if kind in PROTECTIVE:
            text = f"{kind.kind}: {number} stored, and no feature enforces any: what they should stop gets through"
            yield Finding(kind="not_enforced", text=text)


def notes(engine: Engine) -> Iterator[Finding]:
    """What is merely kept."""
    for kind, number in without_effect(engine):
        if kind not in PROTECTIVE:
            text = f"{kind.kind}: {number} stored, and no feature acts on any"
            yield Finding(kind="not_in_effect", text=text)
