"""rules: tickets: who has shown a password is let in at another door for a while, without showing it again.

networking-odl sends its password with RESTCONF requests, but not to the websocket whose address it gets by one. So
the address has to be the credential: its last segment is a ticket, which nobody can guess or make (HMAC-SHA-256, RFC
2104) and which is soon worth nothing.
"""

import hashlib
import hmac


class Tickets:
    """Issued and checked with a secret `key`. A ticket is good for one `place` for `seconds`; nothing is kept."""

    def __init__(self, key: bytes, seconds: int) -> None:
        self._key = key
        self._seconds = seconds

    def issue(self, place: str, now: float) -> str:
        """A ticket of letters and digits; `now` in seconds, of any clock that does not go back."""
        end = f"{int(now) + self._seconds:x}"
        return f"{end}g{self._seal(place, end)}"

    def admits(self, place: str, ticket: str, now: float) -> bool:
        end, _, seal = ticket.partition("g")
        return hmac.compare_digest(seal.encode(), self._seal(place, end).encode()) and now <= int(end, 16)

    def _seal(self, place: str, end: str) -> str:
        return hmac.new(self._key, f"{end} {place}".encode(), hashlib.sha256).hexdigest()
