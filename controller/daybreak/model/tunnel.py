"""data: tunnels: names and ports are the same on every host, so that flows can be the same bytes."""

TUNNEL_PORTS = {"vxlan": 65001, "geneve": 65002, "gre": 65003}
"""Encapsulation → OpenFlow port of its one flow-based port on br-int (Interface.ofport_request)."""

TUNNEL_NAMES = {encap: f"daybreak-{encap}" for encap in TUNNEL_PORTS}
"""Encapsulation → name of its port; no longer than the 15 characters of an interface name."""
