"""data: the collections that are served, a row each, as OpenDaylight's Neutron northbound had them from Fluorine on.

Sources: the API references of OpenStack's networking projects for the meaning of fields; opendaylight/neutron,
northbound-api and neutron-spi, for names, defaults, filters, and for what PUT keeps.
"""

from daybreak.northbound.neutron.catalogue.attachment import (
    BGPVPN_NETWORK_ASSOCIATIONS,
    BGPVPN_ROUTER_ASSOCIATIONS,
    BGPVPNS,
    L2_GATEWAY_CONNECTIONS,
    L2_GATEWAYS,
    TRUNKS,
)
from daybreak.northbound.neutron.catalogue.balancing import HEALTH_MONITORS, LISTENERS, LOAD_BALANCERS, POOLS
from daybreak.northbound.neutron.catalogue.chaining import FLOW_CLASSIFIERS, PORT_CHAINS, PORT_PAIR_GROUPS, PORT_PAIRS
from daybreak.northbound.neutron.catalogue.quality import METERING_LABEL_RULES, METERING_LABELS, QOS_POLICIES
from daybreak.northbound.neutron.catalogue.routing import FLOATING_IPS, ROUTERS
from daybreak.northbound.neutron.catalogue.security import (
    FIREWALL_POLICIES,
    FIREWALL_RULES,
    FIREWALLS,
    SECURITY_GROUP_RULES,
    SECURITY_GROUPS,
)
from daybreak.northbound.neutron.catalogue.switching import NETWORKS, PORTS, SUBNETS
from daybreak.northbound.neutron.catalogue.tap import TAP_SERVICES
from daybreak.northbound.neutron.catalogue.vpn import IKE_POLICIES, IPSEC_POLICIES, IPSEC_SITE_CONNECTIONS, VPN_SERVICES

RESOURCES = (
    NETWORKS,
    SUBNETS,
    PORTS,
    ROUTERS,
    FLOATING_IPS,
    SECURITY_GROUPS,
    SECURITY_GROUP_RULES,
    FIREWALLS,
    FIREWALL_POLICIES,
    FIREWALL_RULES,
    QOS_POLICIES,
    TRUNKS,
    LOAD_BALANCERS,
    LISTENERS,
    POOLS,
    HEALTH_MONITORS,
    VPN_SERVICES,
    IKE_POLICIES,
    IPSEC_POLICIES,
    IPSEC_SITE_CONNECTIONS,
    METERING_LABELS,
    METERING_LABEL_RULES,
    BGPVPNS,
    BGPVPN_NETWORK_ASSOCIATIONS,
    BGPVPN_ROUTER_ASSOCIATIONS,
    L2_GATEWAYS,
    L2_GATEWAY_CONNECTIONS,
    PORT_PAIRS,
    PORT_PAIR_GROUPS,
    PORT_CHAINS,
    FLOW_CLASSIFIERS,
    TAP_SERVICES,
)
"""All but those within others: members of pools and flows of tap services, which `nested` serves."""
