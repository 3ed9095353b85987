"""rules: connections that clouds want logged are shown to the controller: those that were admitted, or were not.

Before a packet is admitted or dropped (tables ADMITTED and DENIED, to which the first packet of every connection comes)
a copy of it goes to the controller, behind a meter, and the packet itself goes on as if nothing were. What the
controller is told comes with it: the port (the flow's cookie), the verdict and the direction (registers).

A log names a port, a security group, or a port with a group; one that names neither means all ports of its project
(Neutron API reference, "Logging"). Each log has a meter of its own on each host, so that one does not drown the others;
a port that several logs name goes behind the first one's. Ports with stateless groups alone have no connections: of
theirs only drops are logged.
"""

from collections.abc import Iterator
from typing import ClassVar, cast

from daybreak.engine.pipeline import MeterShape, Register, Shape, Stage, Table, load, resubmit
from daybreak.engine.rule import Contradiction, Output, Relation, rule
from daybreak.engine.view import View
from daybreak.features.vocabulary import (
    ADMITTED,
    DENIED,
    INBOUND,
    LOGS,
    PLACED,
    SUBJECT,
    Log,
    Place,
    PortKey,
    host_topic,
    local_key,
    logs_of,
    split_local,
)
from daybreak.model import SETTINGS, NetworkLog, Number, Pool, Port, Settings
from daybreak.wire.openflow.actions import Clone, Meter, to_controller
from daybreak.wire.openflow.layout import Var
from daybreak.wire.openflow.messages_group import MeterFlags

HEADERS = 128
"""Bytes of a packet that are shown: enough for Ethernet, IPv6 with an extension or two, and ports."""

ACCEPT, DROP, ALL = "ACCEPT", "DROP", "ALL"


class LogMeter(Number, frozen=True, gc=False, omit_defaults=True):
    """The meter of a network log."""

    kind: ClassVar[str] = "log_meter"


log_meters = Pool(LogMeter, NetworkLog, 1, 4095)

LOG = Table("LOG", Stage.VERDICT, "a copy of what is logged goes to the controller, as long as the meter lets it")
LOGGED = {
    0: Register("logged_out", 1, "1: the packet was logged as one that the subject port sends"),
    1: Register("logged_in", 1, "1: the packet was logged as one that is for the subject port"),
}
LIMITED = Relation("limited", "host and number of a log's meter → whether a port there is logged behind it")

RATE = MeterShape("rate", MeterFlags.PKTPS, "what a log may show of a host")
TOLD = Shape(
    "told",
    LOG,
    100,
    [(SUBJECT, Var("port"))],
    [Meter(Var("meter")), to_controller(HEADERS)],
    "port meter",
    "the port is logged",
)


def _logging(name: str, table: Table, inbound: int, doc: str) -> Shape:
    """Log once, then look the table up again: its other flows decide."""
    register = LOGGED[inbound]
    match = [(SUBJECT, Var("port")), (INBOUND, inbound), (register, 0)]
    actions = [load(register, 1), Clone((resubmit(LOG),)), resubmit(table), load(register, 0)]
    return Shape(f"{name}_{('out', 'in')[inbound]}", table, 200, match, actions, "port", doc)


SHOW = {
    (event, inbound): _logging(name, table, inbound, doc)
    for event, name, table, doc in (
        (ACCEPT, "log_admitted", ADMITTED, "a connection that a rule allows is logged"),
        (DROP, "log_denied", DENIED, "what no rule allows is logged"),
    )
    for inbound in (0, 1)
}
"""(event, INBOUND) → the flow."""


@rule(NetworkLog, reads=(LogMeter,), emits=(LOGS,))
def asked(log: NetworkLog, view: View) -> Iterator[Output]:
    """Whose connections a log is about."""
    meter = view.get(LogMeter, log.id)
    if meter is None or log.enabled is False or log.resource_type not in (None, "security_group"):
        return
    event = (log.event or ALL).upper()
    if event not in (ACCEPT, DROP, ALL):
        raise Contradiction(f"its event {log.event} is none of {ACCEPT}, {DROP}, {ALL}")
    if log.target_id:
        about = f"port {log.target_id}"
    elif log.resource_id:
        about = f"group {log.resource_id}"
    else:
        about = f"project {log.project_id or log.tenant_id or ''}"
    yield LOGS, about, Log(meter.value, event, log.id, log.resource_id or "")


@rule(PLACED, reads=(Port, PortKey, LOGS), emits=(LIMITED,))
def logged(port_id: str, places: tuple[Place, ...], view: View) -> Iterator[Output]:
    """A port whose connections are logged, on its host, or hosts."""
    port, key = view.get(Port, port_id), view.get(PortKey, port_id)
    if port is None or key is None or port.admin_state_up is False:
        return
    logs = logs_of(port, lambda about: view.all(LOGS, about))
    if not logs:
        return
    meter = min(log.meter for log in logs)
    wanted = {event for log in logs for event in ((ACCEPT, DROP) if log.event == ALL else (log.event,))}
    for host, ofport, _interface in places:
        if not ofport:
            continue
        yield host_topic(host), TOLD, (key.value, meter)
        yield LIMITED, local_key(host, str(meter)), True
        for event, inbound in SHOW:
            if event in wanted:
                yield host_topic(host), SHOW[event, inbound], (key.value,)


@rule(LIMITED, reads=(Settings,))
def limit(key: str, present: tuple[bool, ...], view: View) -> Iterator[Output]:
    """The meter of a log on a host."""
    host, meter = split_local(key)
    settings = cast(Settings, view.get(Settings, SETTINGS) or Settings())
    yield host_topic(host), RATE, (int(meter), settings.log_rate, settings.log_burst)
