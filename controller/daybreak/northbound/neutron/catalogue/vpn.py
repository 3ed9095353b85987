"""data: IPsec VPNs."""

from daybreak.model import DeadPeerDetection, IkePolicy, IpsecPolicy, IpsecSiteConnection, Lifetime, VpnService
from daybreak.northbound.neutron.catalogue.identity import ADMIN, NAME, both_names, identity
from daybreak.northbound.neutron.codec import COUNT, PREFIX, TEXT, UUID_TEXT, listing
from daybreak.northbound.neutron.fields import field, struct
from daybreak.northbound.neutron.resource import Resource

LIFETIME = field("lifetime", struct(Lifetime, field("units", TEXT), field("value", COUNT)))
CIPHERS = (
    field("auth_algorithm", TEXT, query=True),
    field("encryption_algorithm", TEXT, query=True),
    field("pfs", TEXT, query=True),
    LIFETIME,
)

VPN_SERVICES = Resource(
    path="vpn/vpnservices",
    singular="vpnservice",
    plural="vpnservices",
    title="VPNService",
    record=VpnService,
    fields=(
        *identity(),
        NAME,
        *ADMIN,
        field("router_id", UUID_TEXT, query=True),
        field("subnet_id", UUID_TEXT, query=True),
    ),
)

IKE_POLICIES = Resource(
    path="vpn/ikepolicies",
    singular="ikepolicy",
    plural="ikepolicies",
    title="VPNIKEPolicy",
    record=IkePolicy,
    derive=both_names,
    fields=(
        *identity(),
        NAME,
        field("phase1_negotiation_mode", TEXT, query=True),
        field("ike_version", TEXT, query=True),
        *CIPHERS,
    ),
)

IPSEC_POLICIES = Resource(
    path="vpn/ipsecpolicies",
    singular="ipsecpolicy",
    plural="ipsecpolicies",
    title="VPNIPSECPolicy",
    record=IpsecPolicy,
    derive=both_names,
    fields=(
        *identity(),
        NAME,
        field("transform_protocol", TEXT, query=True),
        field("encapsulation_mode", TEXT, query=True),
        *CIPHERS,
    ),
)

IPSEC_SITE_CONNECTIONS = Resource(
    path="vpn/ipsecsiteconnections",
    singular="ipsec_site_connection",
    plural="ipsec_site_connections",
    title="VPNIPSECSiteConnection",
    record=IpsecSiteConnection,
    fields=(
        *identity(),
        NAME,
        *ADMIN,
        field("peer_address", TEXT, query=True),
        field("peer_id", TEXT, query=True),
        field("peer_cidrs", listing(PREFIX)),
        field("route_mode", TEXT, query=True),
        field("mtu", COUNT, query=True),
        field("auth_mode", TEXT, query=True),
        # No filter: a secret has no place in a URL.
        field("psk", TEXT),
        field("initiator", TEXT, query=True),
        field("ikepolicy_id", UUID_TEXT, query=True),
        field("ipsecpolicy_id", UUID_TEXT, query=True),
        field("vpnservice_id", UUID_TEXT, query=True),
        field(
            "dpd",
            struct(
                DeadPeerDetection,
                field("action", TEXT),
                field("interval", COUNT),
                field("timeout", COUNT),
            ),
        ),
    ),
)
