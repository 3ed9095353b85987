"""rules: the features that are on, in the order in which their tables stand within a stage.

To add a feature, add its folder and its line here; to take it away, remove both.
"""

from daybreak.engine.pipeline import Pipeline, feature_of
from daybreak.features import l2, placement, port_security, provider, responder

FEATURES = (placement, l2, provider, port_security, responder)


def pipeline() -> Pipeline:
    """All features, linked."""
    return Pipeline([feature_of(module) for module in FEATURES])
