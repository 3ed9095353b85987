"""rules: passwords as salted hashes, and whether a user name and password are right.

Hashes are scrypt (RFC 7914) in the form of PHC strings: $scrypt$ln=14,r=8,p=1$SALT$HASH, both in base64 without "=".
"""

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import NamedTuple

PHC = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{16,86})\$([A-Za-z0-9+/]{43,86})")
MEMORY = 64 << 20
"""Bytes that scrypt may use: 128 · r · 2^ln of them."""


class Hash(NamedTuple):
    """A salted hash and the work that it takes (RFC 7914: N = 2^`ln`, `r`, `p`)."""

    ln: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def of(self, password: str) -> bytes:
        return hashlib.scrypt(
            password.encode(), salt=self.salt, n=1 << self.ln, r=self.r, p=self.p, maxmem=MEMORY, dklen=len(self.digest)
        )


def parse_hash(text: str) -> Hash:
    """A PHC string as what it says. Raises ValueError, also for one that asks for more memory than is allowed."""
    match = PHC.fullmatch(text)
    if match is None:
        raise ValueError("not a password hash; `daybreak hash-password` makes one")
    ln, r, p = (int(each) for each in match.group(1, 2, 3))
    if not (10 <= ln <= 20 and r and p and 128 * r * ((1 << ln) + p + 2) <= MEMORY):
        raise ValueError("a password hash of strange cost; `daybreak hash-password` makes a usual one")
    salt, digest = (b64decode(each + "=" * (-len(each) % 4)) for each in match.group(4, 5))
    return Hash(ln, r, p, salt, digest)


def hash_password(password: str) -> str:
    """A PHC string for the configuration; takes some 50 ms and 16 MiB by intent."""
    blank = Hash(14, 8, 1, secrets.token_bytes(16), bytes(32))
    salt, digest = (b64encode(each).decode().rstrip("=") for each in (blank.salt, blank.of(password)))
    return f"$scrypt$ln={blank.ln},r={blank.r},p={blank.p}${salt}${digest}"


class Credentials:
    """User names and the hashes of their passwords.

    `remembers` is cheap: a password that `verify` found right once is known again by a keyed digest, so that not every
    request pays for scrypt. `verify` is slow by intent, and as slow for users that don't exist.
    """

    def __init__(self, hashes: Mapping[str, str]) -> None:
        """`hashes`: user name → PHC string. Raises ValueError for one that is none."""
        self._nobody = Hash(14, 8, 1, secrets.token_bytes(16), secrets.token_bytes(32))
        self._key = secrets.token_bytes(32)
        self.renew(hashes)

    def renew(self, hashes: Mapping[str, str]) -> None:
        """From now on these users and passwords, and no others. Raises ValueError as the constructor."""
        self._hashes = {user: parse_hash(text) for user, text in hashes.items()}
        self._seen: dict[str, bytes] = {}

    def remembers(self, user: str, password: str) -> bool:
        return hmac.compare_digest(self._seen.get(user, b""), self._digest(password))

    def verify(self, user: str, password: str) -> bool:
        known, seen = self._hashes.get(user), self._seen  # `renew` may come in between
        wanted = known or self._nobody
        right = hmac.compare_digest(wanted.of(password), wanted.digest) and known is not None
        if right:
            seen[user] = self._digest(password)
        return right

    def _digest(self, password: str) -> bytes:
        return hashlib.blake2b(password.encode(), key=self._key, digest_size=32).digest()
