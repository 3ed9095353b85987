"""data: quality of service, and metering."""

from daybreak.model import (
    BandwidthLimit,
    DscpMarking,
    MeteringLabel,
    MeteringLabelRule,
    MinimumBandwidth,
    QosPolicy,
)
from daybreak.northbound.neutron.catalogue.identity import NAME, both_names, identity
from daybreak.northbound.neutron.catalogue.security import DIRECTION
from daybreak.northbound.neutron.codec import (
    BOOL,
    COUNT,
    IP_OR_PREFIX,
    TENANT,
    UUID_TEXT,
    listing,
    whole,
)
from daybreak.northbound.neutron.fields import field, struct
from daybreak.northbound.neutron.resource import Resource

DSCP = whole(0, 63)
RULE = (field("id", UUID_TEXT), field("tenant_id", TENANT))

QOS_POLICIES = Resource(
    path="qos/policies",
    singular="policy",
    plural="policies",
    title="Qos Policy",
    record=QosPolicy,
    derive=both_names,
    fields=(
        *identity(),
        NAME,
        field("shared", BOOL, query=True),
        field(
            "bandwidth_limit_rules",
            listing(
                struct(
                    BandwidthLimit,
                    *RULE,
                    field("max_kbps", COUNT),
                    field("max_burst_kbps", COUNT),
                    field("direction", DIRECTION),
                )
            ),
        ),
        field("dscp_marking_rules", listing(struct(DscpMarking, *RULE, field("dscp_mark", DSCP)))),
        field(
            "minimum_bandwidth_rules",
            listing(struct(MinimumBandwidth, *RULE, field("min_kbps", COUNT), field("direction", DIRECTION))),
        ),
    ),
)

METERING_LABELS = Resource(
    path="metering/metering-labels",
    singular="metering_label",
    plural="metering_labels",
    title="Metering Label",
    record=MeteringLabel,
    derive=both_names,
    editable=False,
    fields=(*identity(), NAME, field("shared", BOOL)),
)

METERING_LABEL_RULES = Resource(
    path="metering/metering-label-rules",
    singular="metering_label_rule",
    plural="metering_label_rules",
    title="Metering Label Rule",
    record=MeteringLabelRule,
    derive=both_names,
    editable=False,
    no_bulk="Only singleton meteringLabelRule creates supported",
    fields=(
        *identity(),
        field("direction", DIRECTION, query=True),
        field("excluded", BOOL),
        field("remote_ip_prefix", IP_OR_PREFIX, query=True),
        field("metering_label_id", UUID_TEXT, query=True),
    ),
)
