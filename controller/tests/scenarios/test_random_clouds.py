"""Clouds and hosts that do anything in any order: increments and full recompute agree, and no switch gets two flows for
one match."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.engine.engine import Engine
from daybreak.features import pipeline
from daybreak.model import (
    AddressGroup,
    AddressPair,
    FixedIp,
    Host,
    Interface,
    Location,
    Network,
    Port,
    Record,
    SecurityGroup,
    SecurityGroupRule,
    Transaction,
)
from daybreak.store.memory import MemoryStore

from .transcript import KINDS, faults

PIPELINE = pipeline()

hosts, networks, ports = st.sampled_from(["h1", "h2"]), st.sampled_from(["blue", "red"]), st.sampled_from("abc")
macs = st.sampled_from(["fa:16:3e:00:00:01", "fa:16:3e:00:00:02"])
addresses = st.sampled_from(["10.1.0.1", "10.1.0.2", "fd00::1"])
groups = st.sampled_from(["front", "back"])
switched = st.sampled_from([None, True, False])

pairs = st.builds(AddressPair, st.sampled_from(["10.1.0.9", "10.2.0.0/16", "::/0"]), st.none() | macs)

records = st.one_of(
    st.builds(
        Network,
        networks,
        admin_state_up=switched,
        network_type=st.sampled_from([None, "vxlan", "geneve", "flat", "vlan"]),
        physical_network=st.sampled_from([None, "physnet1"]),
        segmentation_id=st.sampled_from([None, "5", "6"]),
    ),
    st.builds(
        Port,
        ports,
        networks,
        admin_state_up=switched,
        mac_address=st.none() | macs,
        fixed_ips=st.none() | st.tuples(st.builds(FixedIp, addresses)),
        allowed_address_pairs=st.none() | st.tuples(pairs) | st.tuples(pairs, pairs),
        host_id=st.none() | hosts,
        port_security_enabled=switched,
        security_groups=st.none() | st.lists(groups, max_size=2, unique=True).map(tuple),
    ),
    st.builds(SecurityGroup, id=groups, stateful=switched),
    st.builds(AddressGroup, id=st.just("office"), addresses=st.none() | st.tuples(addresses, st.just("10.0.0.0/8"))),
    st.builds(
        SecurityGroupRule,
        id=st.sampled_from(["r1", "r2", "r3"]),
        security_group_id=groups,
        direction=st.sampled_from(["ingress", "egress"]),
        ethertype=st.sampled_from(["IPv4", "IPv6"]),
        protocol=st.sampled_from([None, "tcp", "icmp", "sctp", "gre"]),
        port_range_min=st.sampled_from([None, 1, 80]),
        port_range_max=st.sampled_from([None, 90]),
        remote_group_id=st.none() | groups,
        remote_address_group_id=st.none() | st.just("office"),
    ),
    st.builds(
        Host,
        hosts,
        st.just("ovs"),
        vtep=st.sampled_from([None, "10.0.0.1", "10.0.0.2", "2001:db8::1"]),
        capabilities=st.sampled_from([(), ("nd_ext",)]),
        patches=st.sampled_from([(), (("physnet1", 40),)]),
    ),
    st.builds(Interface, hosts, st.sampled_from(["tap1", "tap2", "tap3"]), ports, ofport=st.sampled_from([None, 5, 6])),
    st.builds(Location, ports, hosts),
)

steps = st.lists(st.tuples(st.sampled_from([True, True, True, False]), records), min_size=1, max_size=3)


BASE: tuple[Record, ...] = (
    *(Host(f"h{n}", "ovs", vtep=f"10.0.0.{n}", patches=(("physnet1", 40),)) for n in (1, 2)),
    Network("blue", network_type="vxlan", segmentation_id="5"),
    Network("red", network_type="flat", physical_network="physnet1"),
    SecurityGroup(id="front"),
    SecurityGroupRule(id="r1", security_group_id="front", direction="ingress", remote_group_id="front"),
    *(
        record
        for port, network, host, n in (("a", "blue", "h1", 1), ("b", "blue", "h2", 2), ("c", "red", "h1", 3))
        for record in (
            Port(
                port,
                network,
                mac_address=f"fa:16:3e:00:00:0{n}",
                fixed_ips=(FixedIp(f"10.1.0.{n}"),),
                security_groups=("front",),
            ),
            Interface(host, f"tap{n}", port, ofport=4 + n),
            Location(port, host),
        )
    ),
)
"""A cloud in which all is well, where every story begins."""


async def live(story: list[list[tuple[bool, Record]]]) -> None:
    """Commit each step's records, or delete those of their keys; look at the engine after each."""
    store, engine = MemoryStore(KINDS, PIPELINE.pools), Engine(PIPELINE)
    for step in [[(True, record) for record in BASE], *story]:
        put = {(type(record), record.key): record for there, record in step if there}
        delete = tuple({(type(record), record.key) for there, record in step if not there} - put.keys())
        committed = await store.commit(Transaction(tuple(put.values()), delete))
        engine.apply(committed.revision, committed.changes)
        assert faults(engine) == []


@settings(max_examples=200, deadline=None)
@given(st.lists(steps, min_size=15, max_size=25))
def test_whatever_happens_the_tables_are_what_the_records_say(story: list[list[tuple[bool, Record]]]) -> None:
    asyncio.run(live(story))
