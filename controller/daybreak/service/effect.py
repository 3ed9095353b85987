"""rules: what the clouds asked for and no feature that is on does."""

from __future__ import annotations

from collections.abc import Iterator

from daybreak.engine.engine import Engine
from daybreak.engine.pipeline import Pipeline
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


def acted_on(pipeline: Pipeline) -> set[type[Record]]:
    """Kinds that a rule reads, and those that are nothing but a name for what rules read."""
    read = {source for rule in pipeline.rules for source in (rule.root, *rule.reads)}
    return {kind for kind in INTENTS if kind in read or kind in NAMES_ALONE}


def without_effect(engine: Engine) -> Iterator[tuple[type[Record], int]]:
    """Kinds that no rule declares to read, and how many of each there are."""
    done = acted_on(engine.pipeline)
    for kind in INTENTS:
        number = len(engine.records.get(kind, ()))
        if number and kind not in done:
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
