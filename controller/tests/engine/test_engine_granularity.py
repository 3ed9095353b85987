"""What a change costs does not depend on how much there is: counted in runs of rules, not in time."""

from daybreak.engine.engine import Engine
from daybreak.features import pipeline
from daybreak.features.vocabulary import NetworkKey, PortKey, Vni
from daybreak.model import FixedIp, Host, Interface, Location, Network, Port, Record

from .tiny import feed, put

PIPELINE = pipeline()


def port(n: int, hosts: int) -> tuple[Record, ...]:
    """A port that is plugged in and applied."""
    name, host = f"port-{n}", f"host-{n % hosts}"
    mac = f"fa:16:3e:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"
    address = FixedIp(f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}")
    return (
        Port(name, "blue", mac_address=mac, fixed_ips=(address,)),
        PortKey(name, n + 1),
        Interface(host, f"tap-{n}", name, n + 1),
        Location(name, host),
    )


def runs_of_one_more(ports: int, hosts: int) -> tuple[int, int]:
    """Rule runs for one more port in a network of so many, and flows that change by it."""
    engine = Engine(PIPELINE)
    records: list[Record] = [Network("blue", network_type="vxlan"), NetworkKey("blue", 1), Vni("blue", 5000)]
    records += [Host(f"host-{n}", f"ovs-{n}", vtep=f"10.1.{n >> 8}.{n & 255}") for n in range(hosts)]
    for n in range(ports):
        records += port(n, hosts)
    feed(engine, put(*records))
    wave = feed(engine, put(*port(ports, hosts)))
    return wave.runs, sum(len(keys) for keys in wave.flows.values())


def test_one_port_more_in_a_network_of_10_000_runs_a_handful_of_rules() -> None:
    runs, flows = runs_of_one_more(10_000, 10)
    assert (runs, flows) == runs_of_one_more(20, 10)
    assert runs <= 12
    assert flows <= 15
