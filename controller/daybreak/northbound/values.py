"""rules: addresses as clients write them, read into the one form that records hold; shared by the dialects.

What can't be taken is refused with a reason. An empty text is null, for an address of no characters makes no sense.
"""

import json
import re
from ipaddress import ip_address, ip_network
from typing import Any, Self

MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}")


class Invalid(Exception):
    """A value that can't be taken. As text: where it is, and what would be right ("port.mtu: expected …")."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.reason = reason
        self.path = path

    def at(self, name: str) -> Self:
        """The same, seen from one level up."""
        joint = "" if not self.path or self.path.startswith("[") else "."
        return type(self)(self.reason, f"{name}{joint}{self.path}")


def expected(what: str, value: object) -> Invalid:
    """The refusal of `value` where `what` belongs; long values are cut."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | int | float) else KINDS[type(value)]
    return Invalid(f"expected {what}, got {text if len(text) <= 60 else text[:57] + '…'}")


KINDS: dict[type, str] = {dict: "an object", list: "a list", type(None): "null"}


def read_mac(value: Any) -> str | None:
    if value == "":
        return None
    if isinstance(value, str) and MAC.fullmatch(value.lower()):
        return value.lower().replace("-", ":")
    raise expected("a MAC address such as fa:16:3e:00:00:01", value)


def read_ip(value: Any) -> str | None:
    if value == "":
        return None
    try:
        if isinstance(value, str) and "%" not in value:
            return str(ip_address(value))
    except ValueError:
        pass
    raise expected("an IP address", value)


def read_prefix(value: Any) -> str | None:
    """ADDRESS/LENGTH; bits beyond the length are cleared."""
    if value == "":
        return None
    try:
        if isinstance(value, str) and "%" not in value and value.rpartition("/")[2].isdecimal():
            return str(ip_network(value, strict=False))
    except ValueError:
        pass
    raise expected("a prefix such as 10.0.0.0/24", value)


def read_cidr(value: Any) -> str | None:
    """The block of a subnet: as Neutron does, one with host bits is refused rather than guessed at."""
    block = read_prefix(value)
    if block is not None and ip_address(value.partition("/")[0]) != ip_network(block).network_address:
        raise Invalid(f"{value} has bits beyond its length; did you mean {block}?")
    return block


def read_ip_or_prefix(value: Any) -> str | None:
    return read_prefix(value) if isinstance(value, str) and "/" in value else read_ip(value)
