"""What a change costs does not depend on how much there is: counted in runs of rules, not in time."""

from daybreak.engine.engine import Engine
from daybreak.features import pipeline
from daybreak.features.vocabulary import GroupKey, NetworkKey, PortKey, RuleKey, Vni
from daybreak.model import (
    FixedIp,
    Host,
    Interface,
    Location,
    Network,
    Port,
    Record,
    SecurityGroup,
    SecurityGroupRule,
)

from .tiny import feed, put

PIPELINE = pipeline()


def port(n: int, hosts: int, groups: tuple[str, ...] | None = None) -> tuple[Record, ...]:
    """A port that is plugged in and applied, with security groups."""
    name, host = f"port-{n}", f"host-{n % hosts}"
    mac = f"fa:16:3e:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}"
    address = FixedIp(f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}")
    return (
        Port(name, "blue", mac_address=mac, fixed_ips=(address,), security_groups=groups),
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


def rule(n: int, group: str, remote: str | None = None) -> tuple[Record, ...]:
    """A rule for one port of TCP."""
    name = f"rule-{n}"
    said = {"direction": "ingress", "protocol": "tcp", "port_range_min": n, "port_range_max": n}
    return SecurityGroupRule(id=name, security_group_id=group, remote_group_id=remote, **said), RuleKey(name, n)


def grouped(ports: int, hosts: int) -> Engine:
    """So many ports in a group whose rule names its own members."""
    engine = Engine(PIPELINE)
    records: list[Record] = [Network("blue", network_type="vxlan"), NetworkKey("blue", 1), Vni("blue", 5000)]
    records += [Host(f"host-{n}", f"ovs-{n}", vtep=f"10.1.{n >> 8}.{n & 255}") for n in range(hosts)]
    records += [SecurityGroup(id="all"), GroupKey("all", 1), SecurityGroup(id="new"), GroupKey("new", 2)]
    records += rule(1, "all", "all")
    for n in range(ports):
        records += port(n, hosts, ("all",))
    feed(engine, put(*records))
    return engine


def test_a_rule_more_costs_the_same_however_many_ports_have_its_group() -> None:
    """Its own flows, and for another side that no rule named yet one run for each host that has ports of the group."""
    engine = grouped(1000, 10)
    wave = feed(engine, put(*rule(2, "all")))
    assert (wave.runs, sum(map(len, wave.flows.values()))) == (1, 2)
    wave = feed(engine, put(*rule(3, "all", "new")))
    assert (wave.runs, sum(map(len, wave.flows.values()))) == (1 + 1 + 10, 3)


def test_a_member_more_costs_the_same_however_many_there_are() -> None:
    """Its own flows and those of its port; nobody else's change."""
    few, many = (feed(grouped(ports, 10), put(*port(ports, 10, ("all",)))) for ports in (20, 5000))
    assert many.runs == few.runs <= 14
    assert sum(map(len, many.flows.values())) == sum(map(len, few.flows.values())) <= 25
