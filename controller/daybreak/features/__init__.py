"""rules: the features that are on, in the order in which their tables stand within a stage.

To add a feature, add its folder and its line here; to take it away, remove both.
"""

from daybreak.engine.pipeline import Pipeline, feature_of
from daybreak.features import l2, placement, port_security, probe, provider, responder, security_group, security_log
from daybreak.features.vocabulary import Vni
from daybreak.model import Pool

FEATURES = (placement, l2, provider, port_security, responder, security_group, security_log, probe)


def pipeline() -> Pipeline:
    """All features, linked."""
    return Pipeline([feature_of(module) for module in FEATURES])


def pools(linked: Pipeline, vnis: tuple[int, int]) -> tuple[Pool, ...]:
    """The numbers that the features need; VNIs from `vnis` (lowest, highest), which the operator decides."""
    low, high = vnis
    return tuple(pool._replace(low=low, high=high) if pool.number is Vni else pool for pool in linked.pools)
