"""A real switch over TCP and over TLS, on the loops of asyncio and of uvloop; with TLS both sides show certificates."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from daybreak.southbound.accept import listen
from daybreak.southbound.openflow.listener import Listener
from daybreak.wire.openflow.flow import flow_mod
from daybreak_lab.namespace import FOLDER, inside

from .conftest import OpenVSwitch, Owner
from .test_session_switch import body, goto, key

pytestmark = pytest.mark.ovs

RUNNERS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A private key, and a certificate that vouches for itself; both sides use them."""
    folder = tmp_path_factory.mktemp("tls")
    private, public = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-subj", "/CN=daybreak test", "-keyout", str(private), "-out", str(public)),
        ],
        check=True,
        capture_output=True,
    )
    return private, public


async def exchange(openvswitch: OpenVSwitch, scheme: str, context: ssl.SSLContext | None) -> str:
    """Let a new bridge connect, fill and read its table; return its peer name."""
    owner = Owner()
    openvswitch.run("ip", "-n", openvswitch.namespace, "link", "set", "lo", "up")
    with inside(FOLDER / openvswitch.namespace):  # the listening socket is made where the switch is
        server = listen("127.0.0.1", 0, Listener(owner), None if context is None else lambda: context)
    port = server.sockets[0].getsockname()[1]
    openvswitch.bridge(controller=f"{scheme}:127.0.0.1:{port}")
    switch = await owner.switch()
    flows = {key(0, n): body(goto(1)) for n in range(5000)}
    await switch.bundle([flow_mod(*flow) for flow in flows.items()])
    assert await switch.dump_flows() == flows
    server.close()
    switch.close()
    await owner.until(lambda: owner.reasons == ["closed by us"])
    return switch.peer


@RUNNERS
def test_over_tcp(openvswitch, run: Callable[[Any], str]) -> None:
    assert run(exchange(openvswitch, "tcp", None)).startswith("127.0.0.1:")


@RUNNERS
def test_over_tls(openvswitch, certificate: tuple[Path, Path], run: Callable[[Any], str]) -> None:
    private, public = certificate
    openvswitch.vsctl("set-ssl", str(private), str(public), str(public))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    context.load_verify_locations(public)
    context.verify_mode = ssl.CERT_REQUIRED
    assert run(exchange(openvswitch, "ssl", context)).startswith("127.0.0.1:")
