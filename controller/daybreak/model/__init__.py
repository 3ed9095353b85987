"""data: the records that everything is said in. What the clouds want and what the switches report are both records.

A record is frozen, compares by value and has a string `key` that is unique within its kind. Its class is its kind.
Nothing in this package does input or output, and it imports nothing from the rest of Daybreak.
"""

from daybreak.model.balancing import (
    HealthMonitor,
    LoadBalancer,
    LoadBalancerListener,
    LoadBalancerMember,
    LoadBalancerPool,
    SessionPersistence,
)
from daybreak.model.bgpvpn import Bgpvpn, BgpvpnNetworkAssociation, BgpvpnRouterAssociation
from daybreak.model.chaining import FlowClassifier, PortChain, PortPair, PortPairGroup
from daybreak.model.intent import (
    AddressPair,
    AllocationPool,
    DhcpOption,
    FixedIp,
    HostRoute,
    Network,
    Port,
    PortBinding,
    Segment,
    Subnet,
)
from daybreak.model.intents import INTENTS
from daybreak.model.l2_gateway import GatewayDevice, GatewayInterface, L2Gateway, L2GatewayConnection
from daybreak.model.metering import MeteringLabel, MeteringLabelRule
from daybreak.model.network_log import NetworkLog
from daybreak.model.number import Number, Pool
from daybreak.model.observed import Host, Interface, Location, PortStatus
from daybreak.model.owned import Owned
from daybreak.model.probe import Probe
from daybreak.model.qos import (
    BandwidthLimit,
    DscpMarking,
    MinimumBandwidth,
    MinimumPacketRate,
    PacketRateLimit,
    QosPolicy,
)
from daybreak.model.record import Record
from daybreak.model.routing import (
    ConntrackHelper,
    ExternalGateway,
    FloatingIp,
    NdpProxy,
    PortForwarding,
    Route,
    Router,
)
from daybreak.model.security import (
    AddressGroup,
    Firewall,
    FirewallPolicy,
    FirewallRule,
    SecurityGroup,
    SecurityGroupRule,
)
from daybreak.model.settings import SETTINGS, Settings
from daybreak.model.tap import TapFlow, TapService
from daybreak.model.transaction import Change, Expect, Transaction
from daybreak.model.trunk import SubPort, Trunk
from daybreak.model.vpn import DeadPeerDetection, IkePolicy, IpsecPolicy, IpsecSiteConnection, Lifetime, VpnService

__all__ = [
    "INTENTS",
    "SETTINGS",
    "AddressGroup",
    "AddressPair",
    "AllocationPool",
    "BandwidthLimit",
    "Bgpvpn",
    "BgpvpnNetworkAssociation",
    "BgpvpnRouterAssociation",
    "Change",
    "ConntrackHelper",
    "DeadPeerDetection",
    "DhcpOption",
    "DscpMarking",
    "Expect",
    "ExternalGateway",
    "Firewall",
    "FirewallPolicy",
    "FirewallRule",
    "FixedIp",
    "FloatingIp",
    "FlowClassifier",
    "GatewayDevice",
    "GatewayInterface",
    "HealthMonitor",
    "Host",
    "HostRoute",
    "IkePolicy",
    "Interface",
    "IpsecPolicy",
    "IpsecSiteConnection",
    "L2Gateway",
    "L2GatewayConnection",
    "Lifetime",
    "LoadBalancer",
    "LoadBalancerListener",
    "LoadBalancerMember",
    "LoadBalancerPool",
    "Location",
    "MeteringLabel",
    "MeteringLabelRule",
    "MinimumBandwidth",
    "MinimumPacketRate",
    "NdpProxy",
    "Network",
    "NetworkLog",
    "Number",
    "Owned",
    "PacketRateLimit",
    "Pool",
    "Port",
    "PortBinding",
    "PortChain",
    "PortForwarding",
    "PortPair",
    "PortPairGroup",
    "PortStatus",
    "Probe",
    "QosPolicy",
    "Record",
    "Route",
    "Router",
    "SecurityGroup",
    "SecurityGroupRule",
    "Segment",
    "SessionPersistence",
    "Settings",
    "SubPort",
    "Subnet",
    "TapFlow",
    "TapService",
    "Transaction",
    "Trunk",
    "VpnService",
]
