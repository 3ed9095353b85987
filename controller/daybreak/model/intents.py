"""data: all kinds of records that clouds write."""

from daybreak.model.balancing import HealthMonitor, LoadBalancer, LoadBalancerListener, LoadBalancerPool
from daybreak.model.bgpvpn import Bgpvpn, BgpvpnNetworkAssociation, BgpvpnRouterAssociation
from daybreak.model.chaining import FlowClassifier, PortChain, PortPair, PortPairGroup
from daybreak.model.intent import Network, Port, Subnet
from daybreak.model.l2_gateway import L2Gateway, L2GatewayConnection
from daybreak.model.metering import MeteringLabel, MeteringLabelRule
from daybreak.model.network_log import NetworkLog
from daybreak.model.qos import QosPolicy
from daybreak.model.record import Record
from daybreak.model.routing import FloatingIp, NdpProxy, PortForwarding, Router
from daybreak.model.security import (
    AddressGroup,
    Firewall,
    FirewallPolicy,
    FirewallRule,
    SecurityGroup,
    SecurityGroupRule,
)
from daybreak.model.tap import TapFlow, TapService
from daybreak.model.trunk import Trunk
from daybreak.model.vpn import IkePolicy, IpsecPolicy, IpsecSiteConnection, VpnService

INTENTS: tuple[type[Record], ...] = (
    Network,
    Subnet,
    Port,
    Router,
    FloatingIp,
    PortForwarding,
    NdpProxy,
    SecurityGroup,
    SecurityGroupRule,
    AddressGroup,
    Firewall,
    FirewallPolicy,
    FirewallRule,
    QosPolicy,
    Trunk,
    LoadBalancer,
    LoadBalancerListener,
    LoadBalancerPool,
    HealthMonitor,
    VpnService,
    IkePolicy,
    IpsecPolicy,
    IpsecSiteConnection,
    MeteringLabel,
    MeteringLabelRule,
    NetworkLog,
    Bgpvpn,
    BgpvpnNetworkAssociation,
    BgpvpnRouterAssociation,
    L2Gateway,
    L2GatewayConnection,
    PortPair,
    PortPairGroup,
    PortChain,
    FlowClassifier,
    TapService,
    TapFlow,
)
"""In the order in which people want to read of them."""
