"""`daybreak pki`: files, modes, refusals, and what OpenSSL thinks of the certificates."""

import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from daybreak.service.main import main


def pki(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["pki", *arguments])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "pki"
    made = pki("init", "--directory", str(directory), "--address", "cloud.example.org", "--address", "192.0.2.1")
    assert made.exit_code == 0
    return directory


def verify(directory: Path, name: str, *options: str) -> bool:
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", directory / "ca.pem", *options, directory / f"{name}.pem"],
        capture_output=True,
    )
    return done.returncode == 0


def test_what_is_to_be_done_with_the_files_is_printed(directory: Path) -> None:
    issued = pki("issue", "compute-1", "--directory", str(directory))
    assert issued.stdout == (
        f"# Copy {directory}/compute-1.key, {directory}/compute-1.pem, {directory}/ca.pem to compute-1, "
        "say to /etc/openvswitch, and run there:\n"
        "ovs-vsctl set-ssl /etc/openvswitch/compute-1.key /etc/openvswitch/compute-1.pem /etc/openvswitch/ca.pem\n"
    )


def test_files_are_their_owners_alone(directory: Path) -> None:
    pki("issue", "compute-1", "--directory", str(directory))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    names = ("ca", "controller", "compute-1")
    assert modes == {f"{name}.{suffix}": 0o600 for name in names for suffix in ("key", "pem")}


def test_certificates_are_good_for_what_they_are_for(directory: Path) -> None:
    pki("issue", "caller", "--directory", str(directory))
    pki("issue", "listener", "--listens", "--directory", str(directory))
    good = {
        (name, purpose): verify(directory, name, "-purpose", purpose)
        for name in ("controller", "caller", "listener")
        for purpose in ("sslclient", "sslserver")
    }
    assert good.pop(("caller", "sslserver")) is False
    assert all(good.values())
    for host in ("cloud.example.org", "controller"):
        assert verify(directory, "controller", "-verify_hostname", host)
    assert verify(directory, "controller", "-verify_ip", "192.0.2.1")
    assert not verify(directory, "controller", "-verify_ip", "192.0.2.2")


def test_nothing_is_overwritten(directory: Path) -> None:
    pki("issue", "h1", "--directory", str(directory))
    before = {path: path.read_bytes() for path in directory.iterdir()}
    for arguments, file in ((("init",), "ca.key"), (("issue", "h1"), "h1.key"), (("issue", "ca"), "ca.key")):
        refused = pki(*arguments, "--directory", str(directory))
        assert refused.exit_code == 1
        assert refused.stderr == f"daybreak: {directory}/{file} is there already; it is not overwritten\n"
    assert {path: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("issue", "../etc"), "../etc: a name has letters, digits, dots, hyphens and underscores, at most 63"),
        (("issue", "h1"), "there is no {}/ca.pem; `daybreak pki init` makes it"),
        (("init", "--address", "a b"), "a b is neither a name nor an address"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(arguments: tuple[str, ...], line: str, tmp_path: Path) -> None:
    refused = pki(*arguments, "--directory", str(tmp_path))
    assert (refused.exit_code, refused.stderr) == (1, f"daybreak: {line.format(tmp_path)}\n")
