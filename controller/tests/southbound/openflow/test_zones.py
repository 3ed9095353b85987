"""Which conntrack zones are emptied before flows use them: those that the same rule's key did not have last."""

from daybreak.southbound.openflow.zones import Zones, zones_of
from daybreak.wire.openflow.actions import Ct, Output, instructions
from daybreak.wire.openflow.fields import REG
from daybreak.wire.openflow.flow import Condition, flow_key

ONE, OTHER = 0xDB00000000000001, 0xDB00000000000002


def flow(port: int, cookie: int, *actions: Ct | Output) -> tuple[bytes, bytes]:
    """A flow for packets from a port."""
    return flow_key(0, 1, (Condition(REG[0], port),)), cookie.to_bytes(8, "big") + instructions(actions)


def into(zone: int, cookie: int = ONE, port: int = 1) -> dict[bytes, bytes]:
    """A flow that leads into a zone."""
    return dict([flow(port, cookie, Ct(zone, table=5))])


def test_a_zone_is_used_by_flows_that_lead_into_it_by_number() -> None:
    flows = into(7) | dict([flow(2, OTHER, Ct(REG[1], commit=True)), flow(3, OTHER, Ct(9)), flow(4, OTHER, Output(1))])
    assert zones_of(flows) == {7: ONE}


ONES, OTHERS = {7: ONE}, {7: OTHER}


def test_another_user_takes_a_zone_and_the_same_one_keeps_it() -> None:
    zones = Zones()
    zones.seen(ONES)
    assert zones.taken(ONES) == []
    assert zones.taken({}) == []  # the flow goes
    assert zones.taken(ONES) == []  # and comes back
    assert zones.taken(OTHERS) == [7]
    zones.seen(OTHERS)
    assert zones.taken(OTHERS) == []
    assert zones.taken(ONES) == [7]


def test_a_zone_of_which_nothing_is_known_is_emptied() -> None:
    zones = Zones()
    zones.seen(ONES)
    assert zones.taken({8: ONE, 9: OTHER}) == [8, 9]


def test_a_switch_that_lost_its_flows_may_have_the_connections_of_those_who_were_there() -> None:
    """The kernel's are as they were when ovs-vswitchd has restarted: nobody's are cut, and none go to another."""
    zones = Zones()
    zones.seen({7: ONE, 8: ONE})
    assert zones.inherited({7: ONE, 8: OTHER, 9: OTHER}) == [8]
