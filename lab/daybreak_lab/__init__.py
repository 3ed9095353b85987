"""Hypervisors, virtual machines, networks and faults on one machine: network namespaces and real Open vSwitch."""

from daybreak_lab.frames import Capture, Frame
from daybreak_lab.hypervisor import Hypervisor, PhysicalNetwork
from daybreak_lab.lab import Lab
from daybreak_lab.link import Link
from daybreak_lab.machine import Machine
from daybreak_lab.namespace import Namespace
from daybreak_lab.ping import Outage, Ping, PingResult
from daybreak_lab.process import LabError, wait_for
from daybreak_lab.traffic import Reply, Server

__all__ = [
    "Capture",
    "Frame",
    "Hypervisor",
    "Lab",
    "LabError",
    "Link",
    "Machine",
    "Namespace",
    "Outage",
    "PhysicalNetwork",
    "Ping",
    "PingResult",
    "Reply",
    "Server",
    "wait_for",
]
