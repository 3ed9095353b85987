"""io: a small certificate authority for those who have none: the controller's certificate, and one for each host.

Switches believe the controller by its certificate, and the controller believes switches by theirs; nobody else signs
either. A host's certificate is good for a client only (RFC 5280, 4.2.1.12): with what it carries, one hypervisor can't
pose as the controller of another.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS: Final = 3650
DAYS: Final = 1095
"""Days for which other certificates are good, unless told otherwise."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
CA, CONTROLLER = "ca", "controller"

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


class PkiError(Exception):
    """It can't be done. The text is one line."""


def init(directory: Path, addresses: Sequence[str], days: int = DAYS) -> tuple[Path, Path, Path]:
    """Make the authority and the controller's certificate: its files of certificate, key and authority.

    `addresses`: names and IP addresses by which clouds reach the controller with HTTPS.
    """
    for each in addresses:
        alternative(each)  # refused before anything is made
    make_directory(directory)
    for name in (CA, CONTROLLER):
        check_free(directory, name)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = named("Daybreak CA")
    builder = unsigned(subject, subject, key, CA_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage(is_ca=True), critical=True)
    write(directory, CA, key, builder.sign(key, hashes.SHA256()))
    issue(directory, CONTROLLER, (CLIENT, SERVER), addresses, days)
    return directory / f"{CONTROLLER}.pem", directory / f"{CONTROLLER}.key", directory / f"{CA}.pem"


def issue_host(directory: Path, name: str, days: int = DAYS, listens: bool = False) -> tuple[Path, Path, Path]:
    """Make a host's certificate: its files of key, certificate and authority, as `ovs-vsctl set-ssl` wants them.

    `listens`: its ovsdb-server listens (pssl:), so that its certificate has to be one of a server too.
    """
    issue(directory, name, (CLIENT, SERVER) if listens else (CLIENT,), (), days)
    return directory / f"{name}.key", directory / f"{name}.pem", directory / f"{CA}.pem"


def issue(
    directory: Path, name: str, purposes: Sequence[x509.ObjectIdentifier], addresses: Sequence[str], days: int
) -> None:
    """Make a key and have the authority sign its certificate."""
    if not NAME.fullmatch(name):
        raise PkiError(f"{name}: a name has letters, digits, dots, hyphens and underscores, at most 63")
    check_free(directory, name)
    authority, ca_key = read_authority(directory)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = unsigned(named(name), authority.subject, key, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(usage(is_ca=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
    )
    builder = builder.add_extension(
        x509.SubjectAlternativeName([alternative(each) for each in (name, *addresses)]), critical=False
    )
    write(directory, name, key, builder.sign(ca_key, hashes.SHA256()))


def read_authority(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate((directory / f"{CA}.pem").read_bytes())
        key = load_pem_private_key((directory / f"{CA}.key").read_bytes(), None)
    except FileNotFoundError as error:
        raise PkiError(f"there is no {error.filename}; `daybreak pki init` makes it") from None
    except (OSError, ValueError, TypeError) as error:
        raise PkiError(f"{directory}: the authority can't be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PkiError(f"{directory}/{CA}.key is no key of an elliptic curve")
    return certificate, key


def unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    """What all certificates have. They begin an hour ago, for clocks of hosts that are late."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def alternative(text: str) -> x509.GeneralName:
    """A name or an address. Raises PkiError for what is neither."""
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", text):
            raise PkiError(f"{text} is neither a name nor an address") from None
        return x509.DNSName(text)


def usage(is_ca: bool) -> x509.KeyUsage:
    """An authority signs certificates, all others sign handshakes."""
    return x509.KeyUsage(
        digital_signature=not is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PkiError(f"{directory}: {error.strerror}") from None


def check_free(directory: Path, name: str) -> None:
    """Nothing is overwritten: a key that is lost makes its certificate worthless, the authority's all of them."""
    for path in (directory / f"{name}.key", directory / f"{name}.pem"):
        if path.exists():
            raise PkiError(f"{path} is there already; it is not overwritten")


def write(directory: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    """Both files, readable by their owner alone."""
    contents = {
        "key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "pem": certificate.public_bytes(Encoding.PEM),
    }
    for suffix, content in contents.items():
        path = directory / f"{name}.{suffix}"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
        except OSError as error:
            raise PkiError(f"{path}: {error.strerror}") from None
