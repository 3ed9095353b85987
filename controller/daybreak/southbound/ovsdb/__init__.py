"""io: Open vSwitch databases: a session for each, what is learned from it, and what is written to it."""

from daybreak.southbound.ovsdb.apply import Applier
from daybreak.southbound.ovsdb.desired import InterfaceWant, Wants
from daybreak.southbound.ovsdb.session import EVERYWHERE, LOOPBACK, Listener, Owner, Session, listen

__all__ = ["EVERYWHERE", "LOOPBACK", "Applier", "InterfaceWant", "Listener", "Owner", "Session", "Wants", "listen"]
