"""rules: a probe goes to the controller where it would leave by a VM's port, on every host that has its network.

The flow stands in the last table, before those that lead out of ports: by then the packet has gone through all that any
packet of the VM goes through, tunnels included. Its match names the whole packet: addresses, ports, and the TTL that no
VM's packet is likely to have. It is as wanted as every other flow, so the comparison of tables leaves it alone.
"""

from collections.abc import Iterator

from daybreak.engine.pipeline import Shape
from daybreak.engine.rule import Output, rule
from daybreak.engine.view import View
from daybreak.features.vocabulary import OUTPUT, network_topic
from daybreak.model import Probe
from daybreak.model.address import ipv4_number, ipv6_bytes, mac_bytes
from daybreak.wire.openflow.actions import to_controller
from daybreak.wire.openflow.fields import FIELDS
from daybreak.wire.openflow.layout import Var
from daybreak.wire.packet import EtherType, IpProtocol

PROTOCOLS = {"tcp": IpProtocol.TCP, "udp": IpProtocol.UDP, "sctp": 132}
FAMILIES = {4: (EtherType.IPV4, "ipv4"), 6: (EtherType.IPV6, "ipv6")}
ECHO = {4: (IpProtocol.ICMP, "icmpv4_type", 8), 6: (IpProtocol.ICMPV6, "icmpv6_type", 128)}
PRIORITY = 65_000


def _caught(version: int, protocol: str) -> Shape:
    ethertype, family = FAMILIES[version]
    match = [
        (FIELDS["eth_type"], ethertype),
        (FIELDS["eth_src"], Var("source_mac")),
        (FIELDS["eth_dst"], Var("target_mac")),
        (FIELDS[f"{family}_src"], Var("source")),
        (FIELDS[f"{family}_dst"], Var("target")),
        (FIELDS["nw_ttl"], Var("ttl")),
    ]
    variables = "source_mac target_mac source target ttl"
    if protocol == "icmp":
        number, field, kind = ECHO[version]
        match += [(FIELDS["ip_proto"], number), (FIELDS[field], kind)]
    else:
        match.append((FIELDS["ip_proto"], PROTOCOLS[protocol]))
        match += [(FIELDS[f"{protocol}_{end}"], Var(f"{end}_port")) for end in ("src", "dst")]
        variables += " src_port dst_port"
    name, doc = f"caught_{protocol}{version}", "a probe has arrived, and its VM is not shown it"
    return Shape(name, OUTPUT, PRIORITY, match, [to_controller()], variables, doc)


CAUGHT = {(version, protocol): _caught(version, protocol) for version in (4, 6) for protocol in (*PROTOCOLS, "icmp")}
"""(IP version, protocol) → the flow."""


@rule(Probe)
def caught(probe: Probe, view: View) -> Iterator[Output]:
    """Where a probe would leave by a port, it is shown to the controller instead."""
    version = 6 if ":" in probe.source else 4
    packed = ipv4_number if version == 4 else ipv6_bytes
    macs, addresses = (probe.source_mac, probe.target_mac), (probe.source, probe.target)
    values = (*map(mac_bytes, macs), *map(packed, addresses), probe.ttl)
    ports = () if probe.protocol == "icmp" else (probe.source_port, probe.target_port)
    yield network_topic(probe.network), CAUGHT[version, probe.protocol], (*values, *ports)
