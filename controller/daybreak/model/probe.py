"""data: a packet of the controller's own that is on its way through the switches, so that no VM is shown it."""

from typing import ClassVar

from daybreak.model.record import Record


class Probe(Record, frozen=True, gc=False, omit_defaults=True):
    """Exactly one packet, from the moment before it is sent until nobody waits for it any more.

    `network` is that of the port that it begins at. `protocol` is tcp, udp, sctp or icmp (echo requests, of IPv6 too);
    the ports of ICMP are 0, for switches can't match the identifier. `ttl` is the TTL or hop limit that marks it.
    """

    kind: ClassVar[str] = "probe"

    network: str
    source_mac: str
    target_mac: str
    source: str
    target: str
    protocol: str
    ttl: int
    source_port: int = 0
    target_port: int = 0

    @property
    def key(self) -> str:
        ends = f"{self.source_mac} {self.source} {self.source_port} {self.target_mac} {self.target} {self.target_port}"
        return f"{self.network} {self.protocol} {ends}"
