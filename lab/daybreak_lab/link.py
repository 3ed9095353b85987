"""io: the cable between a hypervisor and one of the two networks, and what can happen to a cable."""

import sys
from dataclasses import dataclass
from pathlib import Path

from daybreak_lab.namespace import Namespace
from daybreak_lab.process import LabError, end, processes

RELAY = "daybreak_lab.relay"


@dataclass(frozen=True)
class Link:
    """A veth pair from a node to a port of a Linux bridge in the fabric's namespace."""

    fabric: Namespace
    bridge: str
    port: str
    """The end on the fabric's side."""
    node: Namespace
    device: str
    """The end on the node's side."""

    def connect(self) -> None:
        """Make the pair and plug it into the bridge."""
        self.node.ip(
            f"link add {self.device} type veth peer name {self.port} netns {self.fabric.name}",
            f"link set {self.device} up",
        )
        self.fabric.ip(f"link set {self.port} master {self.bridge} up")

    def cut(self) -> None:
        """Lose every frame from now on, silently: both ends keep their carrier, as behind a switch that failed."""
        self._end_relay()
        self.fabric.ip(f"link set {self.port} nomaster")

    def heal(self) -> None:
        """As new: neither cut, nor slow, nor lossy."""
        self._end_relay()
        self.fabric.ip(f"link set {self.port} master {self.bridge}")

    def impair(self, delay: float = 0.0, loss: float = 0.0, seed: int = 0) -> None:
        """Delay every frame by `delay` seconds and lose a share `loss` of them (0 to 1), in each direction.

        A relay process between cable and bridge does this, for netem (tc-netem(8)) is missing from small kernels. The
        same seed loses the same frames.
        """
        if delay < 0 or not 0 <= loss <= 1:
            raise LabError("a delay is 0 s or more, a loss is between 0 and 1")
        self.cut()
        inner, outer = f"{self.port}.i", f"{self.port}.o"
        self.fabric.ip(f"link add {inner} type veth peer name {outer}", f"link set {inner} up", f"link set {outer} up")
        # The relay reads frames as they are, so their checksums have to be complete: no offload to a veth's other end.
        self.node.exec("ethtool", "-K", self.device, "tx", "off")
        self.fabric.exec("ethtool", "-K", outer, "tx", "off")
        settings = (f"--delay={delay}", f"--loss={loss}", f"--seed={seed}")
        self.fabric.exec(sys.executable, "-m", RELAY, self.port, inner, *settings)
        self.fabric.ip(f"link set {outer} master {self.bridge}")

    def state(self) -> str:
        """`up`, `cut` or `impaired`."""
        if self._relays():
            return "impaired"
        return (
            "up" if f"master {self.bridge}" in self.fabric.exec("ip", "-o", "link", "show", self.port).stdout else "cut"
        )

    def _end_relay(self) -> None:
        relays = self._relays()
        for pid in relays:
            end(pid, self.fabric.directory, {self.fabric.inode})
        if relays:
            self.fabric.ip(f"link delete {self.port}.i")

    def _relays(self) -> list[int]:
        wanted = f"\0{RELAY}\0{self.port}\0".encode()
        ours = processes(self.fabric.directory, {self.fabric.inode})
        return [pid for pid in ours if wanted in Path(f"/proc/{pid}/cmdline").read_bytes()]
