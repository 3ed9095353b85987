"""What a cloud asks for and no feature does is told, by kind."""

from daybreak.engine.engine import Engine
from daybreak.engine.pipeline import Pipeline, feature_of
from daybreak.features import l2, pipeline, placement
from daybreak.model import INTENTS, Change, Network, Port, Record, Router, SecurityGroup, SecurityGroupRule, Trunk
from daybreak.service import effect

ROUTERS = (Router("r1"), Router("r2"))
GROUPS = (SecurityGroup("g"), SecurityGroupRule("g1", security_group_id="g"))


def engine_with(*records: Record, features: Pipeline | None = None) -> Engine:
    engine = Engine(features or pipeline())
    engine.apply(1, [Change(type(each), each.key, None, each) for each in records])
    return engine


def told(engine: Engine) -> tuple[list[str], list[str]]:
    """Kinds and numbers of the warnings, and of the notes."""
    warnings, notes = (
        [each.text.partition(" stored")[0] for each in part] for part in (effect.warnings(engine), effect.notes(engine))
    )
    return warnings, notes


def test_kinds_that_rules_read_are_in_effect() -> None:
    assert told(engine_with(Network("n"), Port("p", "n"))) == ([], [])


def test_what_nobody_reads_is_counted_and_what_nobody_enforces_is_a_warning() -> None:
    features = Pipeline([feature_of(placement), feature_of(l2)])
    engine = engine_with(Network("n"), *ROUTERS, *GROUPS, Trunk("t"), features=features)
    assert told(engine) == (["security_group_rule: 1"], ["router: 2", "trunk: 1"])


def test_what_is_gone_is_not_counted() -> None:
    features = Pipeline([feature_of(placement), feature_of(l2)])
    engine = engine_with(*ROUTERS, features=features)
    engine.apply(2, [Change(Router, each.key, each, None) for each in ROUTERS])
    assert told(engine) == ([], [])


def test_every_protection_is_something_that_clouds_write() -> None:
    assert set(effect.PROTECTIVE) <= set(INTENTS)
