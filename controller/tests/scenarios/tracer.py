"""io: a real Open vSwitch that is asked what becomes of a packet, and the transcript's words for it.

    expect trace h1 in_port=5,tcp,eth_src=…     what h1's tables do with a packet

The packet is given as ofproto/trace takes it (ovs-vswitchd(8)). The answer is one line for each copy that leaves, or
the table in which the packet ends. The switch has the dummy datapath that Open vSwitch's own tests use: no packets, no
devices. Tunnel destinations all have a route.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from daybreak.engine.pipeline import Pipeline
from daybreak.features.vocabulary import SUBSCRIPTIONS
from daybreak.model import Host, Interface
from daybreak.model.tunnel import TUNNEL_NAMES, TUNNEL_PORTS
from daybreak.wire.openflow.text import format_flow

from .transcript import SHOWN_STEPS, Player

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
DEADLINE = 30.0
NAMED = r"-> NXM_NX_ND_([ST]LL)\[\] is now (.*)"
PORTS = (*range(1, 10), 40)
ANSWER = (
    "arp_op",
    "arp_spa",
    "arp_tpa",
    "arp_sha",
    "arp_tha",
    "ipv6_src",
    "ipv6_dst",
    "icmp_type",
    "nd_target",
    "nd_tll",
)


class DummySwitch:
    """ovsdb-server and ovs-vswitchd in a directory and a network namespace of their own, with one bridge."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = os.environ | {f"OVS_{kind}DIR": str(directory) for kind in ("RUN", "DB", "LOG")}
        self.daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        database, socket = f"{self.directory}/conf.db", f"unix:{self.directory}/db.sock"
        self.run("ovsdb-tool", "create", database, SCHEMA)
        quiet = ("-vconsole:off", "-vsyslog:off")
        self._daemon("ovsdb-server", database, f"--remote=p{socket}", f"--unixctl={self.directory}/db.ctl", *quiet)
        control = f"--unixctl={self.directory}/switch.ctl"
        self._daemon("ovs-vswitchd", socket, "--enable-dummy", "--disable-system", control, *quiet)
        self._await(self.directory / "db.sock")
        ports: list[tuple[str, int, tuple[str, ...]]] = [(f"p{number}", number, ("type=dummy",)) for number in PORTS]
        tunnel = ("options:remote_ip=flow", "options:local_ip=flow", "options:key=flow")
        ports += [(TUNNEL_NAMES[kind], TUNNEL_PORTS[kind], (f"type={kind}", *tunnel)) for kind in TUNNEL_PORTS]
        bridge = ("datapath_type=dummy", "fail_mode=secure", "protocols=OpenFlow13")
        command = ["add-br", "br-int", "--", "set", "bridge", "br-int", *bridge]
        command += ["--", "add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=dummy"]
        for name, number, settings in ports:
            command += ["--", "add-port", "br-int", name]
            command += ["--", "set", "interface", name, f"ofport_request={number}", *settings]
        self.run("ovs-vsctl", f"--db={socket}", f"--timeout={DEADLINE:.0f}", *command)
        for version, address, network in (
            ("4", "10.255.0.1/8", "10.0.0.0/8"),
            ("6", "2001:db8::ff/32", "2001:db8::/32"),
        ):
            self.control(f"netdev-dummy/ip{version}addr", "br-phy", address)
            self.control("ovs/route/add", network, "br-phy")

    def stop(self) -> None:
        for daemon in reversed(self.daemons):
            daemon.terminate()
            daemon.wait(DEADLINE)

    def load(self, flows: Iterator[str]) -> None:
        """Make these the bridge's flows."""
        path = self.directory / "flows"
        path.write_text("\n".join(flows))
        self.run("ovs-ofctl", "-O", "OpenFlow13", "replace-flows", f"unix:{self.directory}/br-int.mgmt", str(path))

    def trace(self, *packet: str) -> str:
        """What becomes of a packet, step by step."""
        return self.control("ofproto/trace", "br-int", *packet)

    def control(self, *command: str) -> str:
        return self.run("ovs-appctl", "-t", f"{self.directory}/switch.ctl", *command)

    def run(self, *command: str) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout

    def _daemon(self, *command: str) -> None:
        self.daemons.append(subprocess.Popen(("unshare", "--net", *command), env=self.environment))

    def _await(self, path: Path) -> None:
        end = time.monotonic() + DEADLINE
        while not path.exists():
            assert time.monotonic() < end, f"no {path}"
            time.sleep(0.01)


class Tracer(Player):
    """A player that knows `expect trace`."""

    def __init__(self, pipeline: Pipeline, switch: DummySwitch) -> None:
        super().__init__(pipeline)
        self.switch = switch

    def _expected(self, words: list[str]) -> list[str]:
        match words:
            case ["trace", host, *packet]:
                self.switch.load(self._lines(host))
                return list(self._fate(host, self.switch.trace(*packet)))
        return super()._expected(words)

    def _lines(self, host: str) -> Iterator[str]:
        for topic in self.engine.values(SUBSCRIPTIONS, host):
            for key, body in self._topic(topic).items():
                yield format_flow(key, body)

    def _fate(self, host: str, trace: str) -> Iterator[str]:
        """A line for each copy that leaves; else where the packet ended."""
        lines = trace.splitlines()
        final = next((line for line in lines if line.startswith("Final flow: ")), "")
        steps = [line.strip() for line in lines[: lines.index(final)]]
        left = [copy for number, step in enumerate(steps) if (copy := self._copy(host, steps, number, final))]
        tables = [int(found[1]) for step in steps if (found := re.match(r"(\d+)\. ", step))]
        if len(left) > SHOWN_STEPS:
            left[4:-4] = [f"… {len(left) - 8} more …"]
        yield from left or [f"ends in {self._names.table(tables[-1])}"]

    def _copy(self, host: str, steps: list[str], number: int, final: str) -> str | None:
        """What leaves at a step of a trace."""
        step, behind = steps[number], steps[number + 1 : number + 3]
        if step == "IN_PORT":
            fields = dict(part.split("=", 1) for part in final.split(",") if "=" in part)
            return "answer " + " ".join(f"{name}={fields[name]}" for name in ANSWER if name in fields)
        if not step.startswith("output:") or ">> skipping output to input port" in behind:
            return None
        port = int(step.removeprefix("output:"))
        for kind, tunnel in TUNNEL_PORTS.items():
            if port == tunnel:
                vni = next(s for s in reversed(steps[:number]) if s.endswith("->tun_id"))
                via = re.search(r"tunneling to (\S+) via", " ".join(behind))
                return f"{kind} {int(vni[10:-8], 16)} to {via[1] if via else 'nowhere'}"
        interfaces = self.store.rows(Interface).values()
        ports = {interface.ofport: interface.iface_id for interface in interfaces if interface.host == host}
        record = self.store.get(Host, host)
        ports |= {ofport: name for name, ofport in (record.patches if record else ())}
        before = "\n".join(steps[:number])
        changed = [f" vlan={int(vid, 0) & 0xFFF}" for vid in re.findall(r"set_field:(.*)->vlan_vid", before)]
        changed += [f" nd_{name.lower()}={mac}" for name, mac in re.findall(NAMED, before)]
        return f"{ports.get(port, port)}" + "".join(changed)
