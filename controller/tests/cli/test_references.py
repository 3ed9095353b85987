"""Which things a record names."""

from typing import ClassVar

import msgspec

from daybreak.model import FixedIp, Network, Port, Record, Subnet
from daybreak.service.references import References


class Gateway(msgspec.Struct, frozen=True):
    network_id: str | None = None


class Gate(Record, frozen=True):
    kind: ClassVar[str] = "gate"

    id: str
    tenant_id: str = "tenant"
    floating_network_id: str | None = None
    gate_id: str | None = None
    gateway: Gateway | None = None
    ports: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


REFERENCES = References((Network, Subnet, Port, Gate))


def test_a_port_names_its_network_and_the_subnets_of_its_addresses() -> None:
    port = Port("p", "n", name="network_id", device_id="d", fixed_ips=(FixedIp("10.0.0.1", "s"), FixedIp("10.0.0.2")))
    assert [*REFERENCES.of(port)] == [(Network, "n"), (Subnet, "s")]


def test_names_that_end_alike_lists_and_what_stands_inside_count() -> None:
    gate = Gate("g", floating_network_id="n", gate_id="g2", gateway=Gateway("n2"), ports=("p1", "p2"), routes=("r",))
    assert [*REFERENCES.of(gate)] == [(Network, "n"), (Gate, "g2"), (Network, "n2"), (Port, "p1"), (Port, "p2")]


def test_what_is_not_said_and_kinds_that_are_not_kept_name_nothing() -> None:
    assert [*REFERENCES.of(Gate("g", floating_network_id=""))] == []
    assert [*References((Port,)).of(Port("p", "n"))] == []
