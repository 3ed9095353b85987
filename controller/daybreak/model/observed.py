"""data: what the switches report, and what only the past can explain.

These are durable like the clouds' intent: after a restart the flows are computed from the last known state of every
host, so a host that has not come back yet loses nothing. Silence is not absence.
"""

from typing import ClassVar

from daybreak.model.record import Record


class Host(Record, frozen=True, gc=False, omit_defaults=True):
    """A hypervisor (chassis), as its OVSDB tells it.

    `id` is the name that clouds bind ports to: external_ids:odl_os_hostconfig_hostid, else external_ids:hostname,
    else external_ids:system-id, else "ovs-" and the first eight characters of the Open_vSwitch row's UUID. `vtep` is
    the tunnel address (other_config:local_ip, else the OVSDB connection's remote address). `dpid` is br-int's
    datapath id. `capabilities` are the names of what the datapath can do (Datapath.capabilities, those that are true
    or a number above zero), sorted. `patches` maps a physical network to the OpenFlow port on br-int that leads to
    its bridge. `tunnels` are the encapsulations whose flow-based port exists. `vhost_user` are the interface types by
    which it takes VMs over shared memory (those of Open_vSwitch.iface_types that begin with dpdkvhostuser).
    `availability_zone` is that of external_ids:availability-zone, for clouds that choose by it.
    """

    kind: ClassVar[str] = "host"

    id: str
    ovs_uuid: str
    vtep: str | None = None
    dpid: int | None = None
    ovs_version: str | None = None
    datapath_type: str | None = None
    capabilities: tuple[str, ...] = ()
    bridge_mappings: tuple[tuple[str, str], ...] = ()
    patches: tuple[tuple[str, int], ...] = ()
    tunnels: tuple[str, ...] = ()
    hostconfigs: tuple[tuple[str, str], ...] = ()
    vhost_user: tuple[str, ...] = ()
    availability_zone: str | None = None

    @property
    def key(self) -> str:
        return self.id


class Interface(Record, frozen=True, gc=False, omit_defaults=True):
    """An interface of br-int with an `external_ids:iface-id`: a host's claim to a port.

    `ofport` is None while the switch has not given one (or could not open the device: then `error` says why).
    """

    kind: ClassVar[str] = "interface"

    host: str
    name: str
    iface_id: str
    ofport: int | None = None
    attached_mac: str | None = None
    link_up: bool = True
    error: str | None = None

    @property
    def key(self) -> str:
        return f"{self.host}/{self.name}"


class Location(Record, frozen=True, gc=False, omit_defaults=True):
    """Where a port is: the host on which the barrier behind its flows was answered.

    Replaced only by another host's claim, an unbinding or a deletion; never because a connection broke.
    """

    kind: ClassVar[str] = "location"

    port_id: str
    host: str

    @property
    def key(self) -> str:
        return self.port_id


class PortStatus(Record, frozen=True, gc=False, omit_defaults=True):
    """What clouds are told of a port: `active` and, where it is not, `reason` in words.

    `prepared` are further hosts among its bindings that have its flows: a live migration can begin.
    """

    kind: ClassVar[str] = "port_status"

    port_id: str
    active: bool
    host: str | None = None
    reason: str | None = None
    prepared: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.port_id
