"""io: TLS with switches: what is asked of their certificates, and the reason for people where that fails."""

from __future__ import annotations

from pathlib import Path
from ssl import CERT_REQUIRED, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER, SSLCertVerificationError, SSLContext, SSLError
from typing import Final, NamedTuple

NO_TLS: Final = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "UNSUPPORTED_PROTOCOL", "BAD_RECORD_TYPE"}
"""What OpenSSL calls the first bytes of something else."""


class Contexts(NamedTuple):
    """For connections that come to us, and for those that we make."""

    server: SSLContext
    client: SSLContext


def contexts(certificate: Path, private_key: Path, ca_certificate: Path) -> Contexts:
    """Both sides show a certificate; that of the switch must be signed by `ca_certificate`. All are PEM files.

    Raises OSError (ssl.SSLError is one) where a file is not what it should be. Names aren't compared: switches are
    known by their datapath id and host name, which say more than the address from which they come.
    """
    server, client = SSLContext(PROTOCOL_TLS_SERVER), SSLContext(PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    server.num_tickets = 0  # a resumed session would not show its certificate again
    for context in (server, client):
        context.verify_mode = CERT_REQUIRED
        context.load_verify_locations(ca_certificate)
        context.load_cert_chain(certificate, private_key)
    return Contexts(server, client)


def explain(error: OSError) -> str:
    """Why a handshake failed, for people."""
    if isinstance(error, SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if not isinstance(error, SSLError):
        return str(error) or type(error).__name__
    reason = error.reason or str(error)
    if reason in NO_TLS:
        return "it doesn't speak TLS"
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "it shows no certificate"
    words = reason.lower().replace("_", " ")
    return f"it refuses ours: {words}" if "alert" in words else words
