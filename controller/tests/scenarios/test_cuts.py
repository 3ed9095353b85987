"""Which rules hold connections no longer after a change: those that a plan shows as cut."""

import asyncio

import pytest

from daybreak.engine.supposition import Supposition
from daybreak.features import pipeline
from daybreak.features.security_group.cuts import cut

from .transcript import Player

CLOUD = """
together
    host h1 vtep=10.0.0.1
    network blue type=vxlan vni=5000
    group servers
    group clients
    group nobodys
    addresses office 198.51.100.7,2001:db8::7
    rule web group=servers ingress tcp 80
    rule mysql group=servers ingress tcp 3306 of=clients
    rule mysql6 group=servers ingress v6 tcp 3306 of=clients
    rule mail group=servers ingress tcp 25 addresses=office
    rule mail6 group=servers ingress v6 tcp 25 addresses=office
    rule report group=servers egress tcp 514 addresses=office
    rule idle group=nobodys ingress tcp 3306 of=clients
    rule out group=clients egress
    port server network=blue mac=fa:16:3e:00:00:01 ips=10.1.0.1 groups=servers
    port client network=blue mac=fa:16:3e:00:00:02 ips=10.1.0.2 groups=clients
    port twin network=blue mac=fa:16:3e:00:00:03 ips=10.1.0.3 groups=clients,servers
    plug server h1 ofport=1
    plug client h1 ofport=2
    plug twin h1 ofport=3
"""

PIPELINE = pipeline()
SERVERS = "mail mail6 mysql mysql6 report web"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("delete rule web", "web"),
        ("rule web group=servers ingress tcp 443", "web"),
        ("rule more group=servers ingress tcp 443", ""),
        ("delete rule idle", ""),
        # A group that goes takes all of its rules along, and is nobody's other side any more.
        ("delete group servers", SERVERS),
        ("delete group clients", "mysql mysql6 out"),
        # A port that leaves a group is still judged, but not one that is gone, or whose security is off.
        ("port server groups=none", SERVERS),
        ("port twin groups=clients", SERVERS),
        ("port server groups=servers,clients", ""),
        ("port server security=off", ""),
        ("port server down", ""),
        ("delete port server", ""),
        # An address that leaves a group, for the rules that ask for it: those of its family.
        ("port client groups=servers", "mysql out"),
        ("port client ips=10.1.0.9", "mysql"),
        ("delete port client", "mysql"),
        ("addresses office 2001:db8::7", "mail report"),
        ("addresses office 198.51.100.7", "mail6"),
        ("delete addresses office", "mail mail6 report"),
        # What is in a prefix that comes is a member still.
        ("addresses office 198.51.100.0/24,2001:db8::/32", ""),
        ("addresses office 198.51.101.0/24,2001:db8::/32", "mail report"),
    ],
)
def test_what_a_change_cuts(change: str, expected: str) -> None:
    now, then = Player(PIPELINE), Player(PIPELINE)
    asyncio.run(now.play(CLOUD))
    asyncio.run(then.play(f"{CLOUD}{change}\n"))

    supposed = Supposition(now.engine)
    wave = supposed.apply(then.engine.revision, then.transactions[-1])
    found = cut(now.engine, supposed, supposed.shifts(wave))
    assert " ".join(rule.id for rule in found) == expected
