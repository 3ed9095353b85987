"""data: service function chains."""

from daybreak.model import FlowClassifier, PortChain, PortPair, PortPairGroup
from daybreak.northbound.neutron.catalogue.identity import NAME, both_names, identity
from daybreak.northbound.neutron.catalogue.security import ETHERTYPE, PROTOCOL, port_range
from daybreak.northbound.neutron.codec import IP_OR_PREFIX, MAPPING, UUID_TEXT, listing
from daybreak.northbound.neutron.fields import Kept, field
from daybreak.northbound.neutron.resource import Resource

PORT_PAIRS = Resource(
    path="sfc/portpairs",
    singular="portpair",
    plural="portpairs",
    title="Sfc Port Pair",
    record=PortPair,
    derive=both_names,
    fields=(
        *identity(tenant=Kept.ALWAYS),
        NAME,
        field("ingress", UUID_TEXT, query=True),
        field("egress", UUID_TEXT, query=True),
        field("service_function_parameters", MAPPING),
    ),
)

PORT_PAIR_GROUPS = Resource(
    path="sfc/portpairgroups",
    singular="portpairgroup",
    plural="portpairgroups",
    title="Sfc Port Pair Group",
    record=PortPairGroup,
    derive=both_names,
    fields=(*identity(tenant=Kept.ALWAYS), NAME, field("port_pairs", listing(UUID_TEXT), query=True)),
)

PORT_CHAINS = Resource(
    path="sfc/portchains",
    singular="portchain",
    plural="portchains",
    title="Sfc Port Chain",
    record=PortChain,
    derive=both_names,
    fields=(
        *identity(tenant=Kept.ALWAYS),
        NAME,
        field("port_pair_groups", listing(UUID_TEXT)),
        field("flow_classifiers", listing(UUID_TEXT)),
        field("chain_parameters", MAPPING),
    ),
)

FLOW_CLASSIFIERS = Resource(
    path="sfc/flowclassifiers",
    singular="flowclassifier",
    plural="flowclassifiers",
    title="Sfc Flow Classifier",
    record=FlowClassifier,
    derive=both_names,
    fields=(
        *identity(tenant=Kept.ALWAYS),
        NAME,
        field("ethertype", ETHERTYPE, default="IPv4", query=True),
        field("protocol", PROTOCOL, query=True),
        *port_range("source_"),
        *port_range("destination_"),
        field("source_ip_prefix", IP_OR_PREFIX, query=True),
        field("destination_ip_prefix", IP_OR_PREFIX, query=True),
        field("logical_source_port", UUID_TEXT, query=True),
        field("logical_destination_port", UUID_TEXT, query=True),
        field("l7_parameters", MAPPING),
    ),
)
