"""TLS on all three listeners, with real switches: who is let in, who is refused and why, and certificates renewed."""

import base64
import http.client
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daybreak.northbound.credentials import hash_password
from daybreak.service.pki import init, issue_host
from daybreak_lab import Hypervisor, Lab, wait_for

pytestmark = pytest.mark.ovs

DAYBREAK = str(Path(sys.executable).with_name("daybreak"))
DEADLINE = 30.0
OPENFLOW_HELLO = bytes.fromhex("0400000800000001")


class Controller:
    """A controller that speaks TLS alone, in a lab."""

    def __init__(self, lab: Lab, directory: Path, *ovsdb: str) -> None:
        self.lab, self.directory = lab, directory
        self.address = lab.controller_address
        self.ovsdb = ("pssl:6640", *ovsdb)
        self.certificates = directory / "pki"
        init(self.certificates, [self.address])
        self.user("first")
        self.log = directory / "log"

    def user(self, password: str) -> None:
        """Write the configuration with one user, ann."""
        (self.directory / "daybreak.toml").write_text(
            f'data = "{self.directory}/data"\n'
            f'northbound = "{self.address}:8181"\n'
            f"https = true\n"
            f"ovsdb = {list(self.ovsdb)}\n"
            f'openflow = ["pssl:6653"]\n'
            f'certificate = "{self.certificates}/controller.pem"\n'
            f'private_key = "{self.certificates}/controller.key"\n'
            f'ca_certificate = "{self.certificates}/ca.pem"\n'
            f'[[users]]\nname = "ann"\npassword_hash = "{hash_password(password)}"\n'
        )

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start it; in the end SIGTERM has to end it, without complaint."""
        process = self.start()
        try:
            yield process
        finally:
            process.terminate()
            code = process.wait(DEADLINE)
            print(self.log.read_text())  # shown where a test fails
        assert code == 0
        assert not self.said("Traceback")

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            configuration = str(self.directory / "daybreak.toml")
            process: subprocess.Popen[bytes] = self.lab.controller_namespace.popen(
                DAYBREAK, "serve", "--config", configuration, stderr=log
            )
        self.until_said("event=ready")
        return process

    def said(self, *words: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if all(word in line for word in words)]

    def until_said(self, *words: str, times: int = 1) -> None:
        wait_for(f"{words} in the log", lambda: len(self.said(*words)) >= times, DEADLINE)

    def connect(self, port: int) -> socket.socket:
        with self.lab.controller_namespace.entered():
            return socket.create_connection((self.address, port), DEADLINE)

    def ask(self, password: str) -> int:
        """The status of a request by HTTPS; the certificate has to be the one of the authority in the files now."""
        connection = http.client.HTTPSConnection(self.address, 8181, timeout=DEADLINE)
        context = ssl.create_default_context(cafile=self.certificates / "ca.pem")
        connection.sock = context.wrap_socket(self.connect(8181), server_hostname=self.address)
        token = base64.b64encode(f"ann:{password}".encode()).decode()
        path = "/controller/nb/v2/neutron/networks"
        connection.request("GET", path, headers={"Authorization": f"Basic {token}"})
        status = connection.getresponse().status
        connection.close()
        return status

    def identify(self, host: Hypervisor, authority: Path | None = None, listens: bool = False) -> None:
        """Give a hypervisor its certificate."""
        files = issue_host(authority or self.certificates, host.name, listens=listens)
        host.ovs_vsctl("set-ssl", *map(str, files))

    def until_in_sync(self, host: Hypervisor, times: int = 1) -> None:
        dpid = wait_for("br-int", lambda: bridge_id(host), DEADLINE)
        self.until_said('event="in sync"', f"dpid={dpid}", times=times)


def bridge_id(host: Hypervisor) -> str:
    return host.ovs_vsctl("--if-exists", "get", "Bridge", "br-int", "datapath_id").strip('"[]')


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def hypervisor(lab: Lab, name: str) -> Hypervisor:
    return lab.hypervisor(name, external_ids={"hostname": name, "daybreak-datapath-type": "netdev"})


def test_who_is_let_in_and_who_is_not(lab: Lab, tmp_path: Path) -> None:
    caller, called, stranger = (hypervisor(lab, name) for name in ("caller", "called", "stranger"))
    controller = Controller(lab, tmp_path, f"ssl:{called.management_address}:6640")
    controller.identify(caller)
    controller.identify(called, listens=True)
    init(tmp_path / "other", [])
    controller.identify(stranger, tmp_path / "other")
    with controller.running():
        # A switch that calls and one that is called; their bridges come to the OpenFlow listener by TLS as well.
        caller.ovs_vsctl("set-manager", f"ssl:{controller.address}:6640")
        called.ovs_vsctl("set-manager", "pssl:6640")
        for host in (caller, called):
            controller.until_in_sync(host)
            assert host.ovs_vsctl("get-controller", "br-int") == f"ssl:{controller.address}:6653"

        # One whose certificate another authority signed; and what doesn't speak TLS at all.
        stranger.ovs_vsctl(
            "set-ssl",
            *(str(tmp_path / "other" / f"stranger.{each}") for each in ("key", "pem")),
            str(tmp_path / "pki/ca.pem"),
        )
        stranger.ovs_vsctl("set-manager", f"ssl:{controller.address}:6640")
        refused = ('event="TLS peer refused"', "listener=pssl:6640", f"peer={stranger.management_address}:")
        controller.until_said(
            *refused, 'reason="its certificate is not accepted: unable to get local issuer certificate"'
        )
        with controller.connect(6653) as plain:
            plain.sendall(OPENFLOW_HELLO)
            controller.until_said('event="TLS peer refused"', "listener=pssl:6653", 'reason="it doesn\'t speak TLS"')

        # Clouds are known by their passwords.
        assert (controller.ask("first"), controller.ask("wrong")) == (200, 401)


def test_certificates_and_users_are_renewed_without_a_restart(lab: Lab, tmp_path: Path) -> None:
    controller, host = Controller(lab, tmp_path), hypervisor(lab, "h1")
    controller.identify(host)
    with controller.running() as process:
        host.ovs_vsctl("set-manager", f"ssl:{controller.address}:6640")
        controller.until_in_sync(host)
        assert controller.ask("first") == 200

        # What is wrong is said, and changes nothing.
        key = controller.certificates / "controller.key"
        kept = key.read_text()
        key.write_text("no key\n")
        process.send_signal(signal.SIGHUP)
        controller.until_said('event="users and certificates stay as they are"', "controller.key")
        key.write_text(kept)
        assert controller.ask("first") == 200

        # Another authority, another password: connections that stand are kept, new ones are held to it.
        shutil.rmtree(controller.certificates)
        init(controller.certificates, [controller.address])
        controller.user("second")
        process.send_signal(signal.SIGHUP)
        controller.until_said('event="users and certificates read again"')
        assert (controller.ask("second"), controller.ask("first")) == (200, 401)
        assert not controller.said("host's OVSDB lost")
        host.restart_database()
        controller.until_said('event="TLS peer refused"', "listener=pssl:6640", f"peer={host.management_address}:")
        controller.identify(host)
        controller.until_said('event="OVSDB connected"', "host=h1", times=2)
