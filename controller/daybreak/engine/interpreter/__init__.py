"""rules: what a switch does with a packet: a frame and flow tables in, these as the bytes that were sent or dumped; the
way through the tables, what leaves, and what the switch then remembers out.

It follows Open vSwitch: what it does not know it refuses (`NotInterpreted`) rather than guesses. Held against Open
vSwitch itself by the three-way proof in the tests. Not known are groups, NAT, conjunctions, fragments in connection
tracking, and the ports NORMAL, FLOOD, ALL and TABLE; meters let everything pass.

Sources: OpenFlow Switch Specification 1.3.5, section 5; ovs-actions(7), ovs-fields(7), measured on Open vSwitch 3.1.
"""

from daybreak.engine.interpreter.machine import NotInterpreted, interpret
from daybreak.engine.interpreter.outcome import Copy, Event, Lookup, Outcome, Stop, Visit
from daybreak.engine.interpreter.tables import Flow, Tables
from daybreak.engine.interpreter.tracking import Connection, Connections, Tracked, Tuple

__all__ = [
    "Connection",
    "Connections",
    "Copy",
    "Event",
    "Flow",
    "Lookup",
    "NotInterpreted",
    "Outcome",
    "Stop",
    "Tables",
    "Tracked",
    "Tuple",
    "Visit",
    "interpret",
]
