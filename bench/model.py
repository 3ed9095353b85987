"""data: a model of a cloud of any size, for benchmarks: ports spread over hosts and networks, as records."""

from collections.abc import Iterator

from daybreak.features.vocabulary import NetworkKey, PortKey, Vni
from daybreak.model import Change, FixedIp, Host, Interface, Location, Network, Port, Record


def identity(kind: int, number: int) -> str:
    """A UUID-shaped id."""
    return f"{kind:08x}-0000-4000-8000-{number:012x}"


def hosts(count: int) -> Iterator[Record]:
    """Hypervisors with a tunnel address each."""
    for n in range(count):
        yield Host(f"host-{n}", f"ovs-{n}", vtep=f"10.0.{n >> 8}.{n & 255}", dpid=n + 1, capabilities=("nd_ext",))


def networks(count: int) -> Iterator[Record]:
    """VXLAN networks with their numbers."""
    for n in range(count):
        key = identity(1, n)
        yield Network(key, name=f"net-{n}", tenant_id=identity(9, n % 100), admin_state_up=True, mtu=1450)
        yield NetworkKey(key, n + 1)
        yield Vni(key, (1 << 20) + n)


def port(n: int, ports: int, host_count: int, network_count: int) -> Iterator[Record]:
    """The n-th port, plugged in and located: ports of one network are spread over hosts."""
    key = identity(2, n)
    host = f"host-{(n * 7919) % host_count}"
    network = n % network_count
    yield Port(
        key,
        identity(1, network),
        tenant_id=identity(9, network % 100),
        name=f"port-{n}",
        admin_state_up=True,
        mac_address=f"fa:16:{n >> 24 & 255:02x}:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}",
        fixed_ips=(FixedIp(f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"),),
        device_id=identity(3, n),
        device_owner="compute:nova",
        host_id=host,
        port_security_enabled=True,
    )
    yield PortKey(key, n + 1)
    yield Interface(host, f"tap{n:08x}"[:14], key, 1 + n // host_count, attached_mac=None)
    yield Location(key, host)


def cloud(ports: int, host_count: int, network_count: int) -> list[Change]:
    """The whole model as the changes that make it."""
    records: list[Record] = [*hosts(host_count), *networks(network_count)]
    for n in range(ports):
        records.extend(port(n, ports, host_count, network_count))
    return [Change(type(record), record.key, None, record) for record in records]
