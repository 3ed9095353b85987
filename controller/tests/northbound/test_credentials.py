"""Passwords and their hashes."""

from base64 import b64encode

import pytest

from daybreak.northbound.credentials import Credentials, hash_password, parse_hash

# RFC 7914, section 12: scrypt("pleaseletmein", "SodiumChloride", N=16384, r=8, p=1), 64 bytes.
DIGEST = bytes.fromhex(
    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
)


def unpadded(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")


def test_a_hash_made_elsewhere_is_understood() -> None:
    hashed = f"$scrypt$ln=14,r=8,p=1${unpadded(b'SodiumChloride')}${unpadded(DIGEST)}"
    credentials = Credentials({"ann": hashed})
    assert credentials.verify("ann", "pleaseletmein")
    assert not credentials.verify("ann", "Pleaseletmein")
    assert not credentials.verify("bob", "pleaseletmein")


def test_the_same_password_has_another_hash_each_time() -> None:
    first, second = hash_password("pässword"), hash_password("pässword")
    assert first != second
    assert Credentials({"ann": first}).verify("ann", "pässword")
    assert Credentials({"ann": second}).verify("ann", "pässword")


def test_only_what_was_verified_is_remembered() -> None:
    credentials = Credentials({"ann": hash_password("right"), "bob": hash_password("other")})
    assert not credentials.remembers("ann", "right")
    assert credentials.verify("ann", "right")
    assert credentials.remembers("ann", "right")
    assert not credentials.verify("ann", "wrong")
    assert not credentials.remembers("ann", "wrong")
    assert not credentials.remembers("bob", "right")
    assert not credentials.remembers("", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "admin",
        "$2b$12$abcdefghijklmnopqrstuv",
        f"$scrypt$ln=30,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA${'A' * 43}",
        f"$scrypt$ln=1,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA${'A' * 43}",
        f"$scrypt$ln=14,r=0,p=1$c2FsdHNhbHRzYWx0c2FsdA${'A' * 43}",
        f"$scrypt$ln=14,r=8,p=1$short${'A' * 43}",
        f"$scrypt$ln=14,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA${'A' * 45}",
    ],
)
def test_what_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_hash(text)
