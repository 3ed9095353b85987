"""Data: the fields that flows match, set, load and move, in the order in which Open vSwitch lists them.

Open vSwitch answers a flow dump with the fields of a match in one fixed order, each in one of several encodings that
it would accept. The table below is in that order and in those encodings (Open vSwitch 3.1, OpenFlow 1.3), so that what
is sent and what is dumped are the same bytes; a test proves it for each field and kind of mask on a real switch.

Sources: ovs-fields(7); OpenFlow Switch Specification 1.3.5, section 7.2.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

NXM_0 = 0x0000
NXM_1 = 0x0001
ERICSSON = 0x1000
BASIC = 0x8000
PACKET_REGISTERS = 0x8001
EXPERIMENTER = 0xFFFF
ONF = 0x4F4E4600

ETH_TYPE_IPV4, ETH_TYPE_ARP, ETH_TYPE_IPV6 = 0x0800, 0x0806, 0x86DD

Form = Literal["decimal", "hex", "mac", "ipv4", "ipv6", "port", "frag", "tcp_flags", "ct_state", "tun_flags"]
_STRUCT = {1: "B", 2: "H", 4: "I", 8: "Q"}


def _header(oxm_class: int, number: int, nbytes: int, *, masked: bool, experimenter: int) -> bytes:
    length = nbytes * (1 + masked) + 4 * bool(experimenter)
    header = (oxm_class << 16 | number << 9 | masked << 8 | length).to_bytes(4, "big")
    return header + experimenter.to_bytes(4, "big") if experimenter else header


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Field:
    """A field of a packet or of its metadata. There is one object for each, so identity is equality.

    `oxm_class`, `number` and `experimenter` are the encoding of matches and of set-field actions; `legacy` is the class
    and number that the Nicira actions (load, move, ct) use where it differs. `nbytes` is the width on the wire, `nbits`
    how many low bits of it actions reach, and `full` the mask of all that a match can ask for. `needs` names an entry
    of `PREREQUISITES`. `always_masked` fields come back from Open vSwitch with a mask even when matched exactly; of
    `variable_length` ones it cuts the leading zeros in set-field and load, so that here they are written by move alone.
    """

    name: str
    oxm_class: int
    number: int
    nbytes: int
    nbits: int
    form: Form = "hex"
    needs: str = ""
    maskable: bool = False
    writable: bool = False
    legacy: tuple[int, int] | None = None
    experimenter: int = 0
    always_masked: bool = False
    variable_length: bool = False
    full: int = 0
    order: int = 1 << 16
    header: bytes = attribute(init=False)
    masked_header: bytes = attribute(init=False)
    nxm_header: bytes = attribute(init=False)
    format: str = attribute(init=False)

    def __post_init__(self) -> None:
        def derive(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        oxm_class, number = self.legacy or (self.oxm_class, self.number)
        experimenter = 0 if self.legacy else self.experimenter
        derive("header", self._oxm(masked=False))
        derive("masked_header", self._oxm(masked=True))
        derive("nxm_header", _header(oxm_class, number, self.nbytes, masked=False, experimenter=experimenter))
        derive("format", _STRUCT.get(self.nbytes, f"{self.nbytes}s"))

    def _oxm(self, *, masked: bool) -> bytes:
        return _header(self.oxm_class, self.number, self.nbytes, masked=masked, experimenter=self.experimenter)

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str | tuple[object, ...]:
        return by_header, (self.header,)

    @property
    def in_bytes(self) -> bool:
        """Whether struct takes its values as bytes: those of 6 and 16 bytes, MAC and IPv6 addresses among them."""
        return self.format[-1] == "s"

    @property
    def nxm_masked_header(self) -> bytes:
        """Header of a masked load of the Nicira kind (NXAST_REG_LOAD2)."""
        oxm_class, number = self.legacy or (self.oxm_class, self.number)
        experimenter = 0 if self.legacy else self.experimenter
        return _header(oxm_class, number, self.nbytes, masked=True, experimenter=experimenter)

    def bits(self, offset: int, width: int, name: str = "") -> "BitField":
        """Some bits of this field, counted from the lowest."""
        return BitField(self, offset, width, name)


@dataclass(frozen=True, slots=True)
class BitField:
    """`width` bits of a field from bit `offset` up, with a name of its own: a variable kept in part of a register."""

    field: Field
    offset: int
    width: int
    name: str = attribute(default="", compare=False)

    def __post_init__(self) -> None:
        if self.offset < 0 or self.width < 1 or self.offset + self.width > self.field.nbits:
            raise ValueError(f"{self.field.name} has no bits {self.offset}..{self.offset + self.width - 1}")

    @property
    def mask(self) -> int:
        """These bits as a mask of the whole field."""
        return ((1 << self.width) - 1) << self.offset


class Prerequisite(NamedTuple):
    """`field` must be matched: exactly with one of `values`, or, where `bits` is given, with one of these bits set, or
    with `clear` known to be zero."""

    field: str
    values: tuple[int, ...] = ()
    bits: int = 0
    clear: int = 0


_IP = Prerequisite("eth_type", (ETH_TYPE_IPV4, ETH_TYPE_IPV6))
_IPV4 = Prerequisite("eth_type", (ETH_TYPE_IPV4,))
_IPV6 = Prerequisite("eth_type", (ETH_TYPE_IPV6,))
_ICMPV6 = (_IPV6, Prerequisite("ip_proto", (58,)))
# The original tuple of a connection exists for packets that are new, est, rel or rpl, or tracked and not invalid. Its
# ports are matched without its protocol too, but a dump then hides them.
_CT = Prerequisite("ct_state", bits=0x0F, clear=0x10)

PREREQUISITES: Mapping[str, tuple[Prerequisite, ...]] = MappingProxyType(
    {
        "": (),
        "vlan": (Prerequisite("vlan_vid", bits=0x1000),),
        "ip": (_IP,),
        "ipv4": (_IPV4,),
        "ipv6": (_IPV6,),
        "arp": (Prerequisite("eth_type", (ETH_TYPE_ARP, 0x8035)),),
        "tcp": (_IP, Prerequisite("ip_proto", (6,))),
        "udp": (_IP, Prerequisite("ip_proto", (17,))),
        "sctp": (_IP, Prerequisite("ip_proto", (132,))),
        "icmpv4": (_IPV4, Prerequisite("ip_proto", (1,))),
        "icmpv6": _ICMPV6,
        "nd": (*_ICMPV6, Prerequisite("icmpv6_type", (135, 136))),
        "nd_ns": (*_ICMPV6, Prerequisite("icmpv6_type", (135,))),
        "nd_na": (*_ICMPV6, Prerequisite("icmpv6_type", (136,))),
        "ct": (_CT,),
        "ct4": (_IPV4, _CT),
        "ct6": (_IPV6, _CT),
        "ct_port": (_CT, Prerequisite("ct_nw_proto", (6, 17, 132, 1, 58))),
    }
)


def _declare() -> dict[str, Field]:
    """The table. `w` can be written by actions, `m` matched under a mask, `v` is of variable length."""
    table: dict[str, Field] = {}

    def add(
        name: str,
        encoding: tuple[int, int],
        size: tuple[int, int],
        form: Form,
        needs: str = "",
        traits: str = "",
        *,
        legacy: tuple[int, int] | None = None,
        experimenter: int = 0,
        always_masked: bool = False,
        full: int = 0,
    ) -> None:
        table[name] = Field(
            name,
            *encoding,
            *size,
            form,
            needs,
            maskable="m" in traits,
            writable="w" in traits,
            legacy=legacy,
            experimenter=experimenter,
            always_masked=always_masked,
            variable_length="v" in traits,
            full=full or (1 << size[1]) - 1,
            order=len(table),
        )

    u8, u16, u32, u64, u128, mac = (1, 8), (2, 16), (4, 32), (8, 64), (16, 128), (6, 48)

    add("conj_id", (NXM_1, 37), u32, "decimal")
    add("in_port", (BASIC, 0), u32, "port", "", "w")
    add("actset_output", (EXPERIMENTER, 43), u32, "port", experimenter=ONF)

    add("eth_src", (BASIC, 4), mac, "mac", "", "mw", legacy=(NXM_0, 2))
    add("eth_dst", (BASIC, 3), mac, "mac", "", "mw", legacy=(NXM_0, 1))
    add("eth_type", (BASIC, 5), u16, "hex", legacy=(NXM_0, 3))
    add("vlan_vid", (BASIC, 6), (2, 12), "hex", "", "mw", full=0x1FFF)  # with 0x1000: there is a VLAN header
    add("vlan_pcp", (BASIC, 7), (1, 3), "decimal", "vlan", "w")

    add("ipv4_src", (BASIC, 11), u32, "ipv4", "ipv4", "mw", legacy=(NXM_0, 7))
    add("ipv4_dst", (BASIC, 12), u32, "ipv4", "ipv4", "mw", legacy=(NXM_0, 8))
    add("ipv6_src", (BASIC, 26), u128, "ipv6", "ipv6", "mw", legacy=(NXM_1, 19))
    add("ipv6_dst", (BASIC, 27), u128, "ipv6", "ipv6", "mw", legacy=(NXM_1, 20))
    add("ip_frag", (NXM_1, 26), (1, 2), "frag", "ip", "m")
    add("ip_dscp", (BASIC, 8), (1, 6), "decimal", "ip", "w")
    add("ip_ecn", (BASIC, 9), (1, 2), "decimal", "ip", "w", legacy=(NXM_1, 28))
    add("nw_ttl", (NXM_1, 29), u8, "decimal", "ip", "w")
    add("ipv6_flabel", (BASIC, 28), (4, 20), "hex", "ipv6", "mw", legacy=(NXM_1, 27))
    add("ip_proto", (BASIC, 10), u8, "decimal", "ip", legacy=(NXM_0, 6))

    add("tcp_src", (BASIC, 13), u16, "decimal", "tcp", "mw", legacy=(NXM_0, 9))
    add("tcp_dst", (BASIC, 14), u16, "decimal", "tcp", "mw", legacy=(NXM_0, 10))
    add("tcp_flags", (EXPERIMENTER, 42), (2, 12), "tcp_flags", "tcp", "m", legacy=(NXM_1, 34), experimenter=ONF)
    add("udp_src", (BASIC, 15), u16, "decimal", "udp", "mw", legacy=(NXM_0, 11))
    add("udp_dst", (BASIC, 16), u16, "decimal", "udp", "mw", legacy=(NXM_0, 12))
    add("sctp_src", (BASIC, 17), u16, "decimal", "sctp", "mw")
    add("sctp_dst", (BASIC, 18), u16, "decimal", "sctp", "mw")
    add("icmpv4_type", (BASIC, 19), u8, "decimal", "icmpv4", "w", legacy=(NXM_0, 13))
    add("icmpv4_code", (BASIC, 20), u8, "decimal", "icmpv4", "w", legacy=(NXM_0, 14))
    add("icmpv6_type", (BASIC, 29), u8, "decimal", "icmpv6", "w", legacy=(NXM_1, 21))
    add("icmpv6_code", (BASIC, 30), u8, "decimal", "icmpv6", "w", legacy=(NXM_1, 22))
    add("nd_reserved", (ERICSSON, 1), u32, "decimal", "nd", "w")
    add("nd_target", (BASIC, 31), u128, "ipv6", "nd", "mw", legacy=(NXM_1, 23))
    add("nd_options_type", (ERICSSON, 2), u8, "decimal", "nd", "w")
    add("nd_sll", (BASIC, 32), mac, "mac", "nd_ns", "mw", legacy=(NXM_1, 24))
    add("nd_tll", (BASIC, 33), mac, "mac", "nd_na", "mw", legacy=(NXM_1, 25))

    add("arp_op", (BASIC, 21), u16, "decimal", "arp", "w", legacy=(NXM_0, 15))
    add("arp_spa", (BASIC, 22), u32, "ipv4", "arp", "mw", legacy=(NXM_0, 16))
    add("arp_tpa", (BASIC, 23), u32, "ipv4", "arp", "mw", legacy=(NXM_0, 17))
    add("arp_sha", (BASIC, 24), mac, "mac", "arp", "mw", legacy=(NXM_1, 17))
    add("arp_tha", (BASIC, 25), mac, "mac", "arp", "mw", legacy=(NXM_1, 18))

    add("tun_id", (BASIC, 38), u64, "hex", "", "mw", legacy=(NXM_1, 16))
    add("tun_flags", (NXM_1, 104), (2, 1), "tun_flags", "", "mw", always_masked=True)
    add("tun_src", (NXM_1, 31), u32, "ipv4", "", "mw")
    add("tun_dst", (NXM_1, 32), u32, "ipv4", "", "mw")
    add("tun_ipv6_src", (NXM_1, 109), u128, "ipv6", "", "mw")
    add("tun_ipv6_dst", (NXM_1, 110), u128, "ipv6", "", "mw")
    for n in range(8):  # as wide as the option that the switch's TLV table maps to them: four bytes in our tables
        add(f"tun_metadata{n}", (NXM_1, 40 + n), u32, "hex", "", "mwv")

    for n in range(16):
        add(f"reg{n}", (NXM_1, n), u32, "hex", "", "mw")
    for n in range(8):  # views of two and four registers: a dump shows the registers
        add(f"xreg{n}", (PACKET_REGISTERS, n), u64, "hex", "", "mw")
    for n in range(4):
        add(f"xxreg{n}", (NXM_1, 111 + n), u128, "hex", "", "mw")

    add("pkt_mark", (NXM_1, 33), u32, "hex", "", "mw")
    add("ct_state", (NXM_1, 105), u32, "ct_state", "", "m", full=0xFF, always_masked=True)
    add("ct_zone", (NXM_1, 106), u16, "hex")
    add("ct_mark", (NXM_1, 107), u32, "hex", "", "mw")
    add("ct_label", (NXM_1, 108), u128, "hex", "", "mw")
    add("ct_nw_src", (NXM_1, 120), u32, "ipv4", "ct4", "m")
    add("ct_ipv6_src", (NXM_1, 122), u128, "ipv6", "ct6", "m")
    add("ct_nw_dst", (NXM_1, 121), u32, "ipv4", "ct4", "m")
    add("ct_ipv6_dst", (NXM_1, 123), u128, "ipv6", "ct6", "m")
    add("ct_nw_proto", (NXM_1, 119), u8, "decimal", "ct")
    add("ct_tp_src", (NXM_1, 124), u16, "decimal", "ct_port", "m")
    add("ct_tp_dst", (NXM_1, 125), u16, "decimal", "ct_port", "m")
    add("metadata", (BASIC, 2), u64, "hex", "", "mw")
    return table


FIELDS: Mapping[str, Field] = MappingProxyType(_declare())

CONJ_ID = FIELDS["conj_id"]
IN_PORT = FIELDS["in_port"]
ETH_DST = FIELDS["eth_dst"]
ETH_SRC = FIELDS["eth_src"]
ETH_TYPE = FIELDS["eth_type"]
VLAN_VID = FIELDS["vlan_vid"]
VLAN_PCP = FIELDS["vlan_pcp"]
IPV4_SRC = FIELDS["ipv4_src"]
IPV4_DST = FIELDS["ipv4_dst"]
IPV6_SRC = FIELDS["ipv6_src"]
IPV6_DST = FIELDS["ipv6_dst"]
IP_FRAG = FIELDS["ip_frag"]
IP_DSCP = FIELDS["ip_dscp"]
IP_ECN = FIELDS["ip_ecn"]
NW_TTL = FIELDS["nw_ttl"]
IPV6_FLABEL = FIELDS["ipv6_flabel"]
IP_PROTO = FIELDS["ip_proto"]
TCP_SRC = FIELDS["tcp_src"]
TCP_DST = FIELDS["tcp_dst"]
TCP_FLAGS = FIELDS["tcp_flags"]
UDP_SRC = FIELDS["udp_src"]
UDP_DST = FIELDS["udp_dst"]
SCTP_SRC = FIELDS["sctp_src"]
SCTP_DST = FIELDS["sctp_dst"]
ICMPV4_TYPE = FIELDS["icmpv4_type"]
ICMPV4_CODE = FIELDS["icmpv4_code"]
ICMPV6_TYPE = FIELDS["icmpv6_type"]
ICMPV6_CODE = FIELDS["icmpv6_code"]
ND_TARGET = FIELDS["nd_target"]
ND_RESERVED = FIELDS["nd_reserved"]
ND_OPTIONS_TYPE = FIELDS["nd_options_type"]
ND_SLL = FIELDS["nd_sll"]
ND_TLL = FIELDS["nd_tll"]
ARP_OP = FIELDS["arp_op"]
ARP_SPA = FIELDS["arp_spa"]
ARP_TPA = FIELDS["arp_tpa"]
ARP_SHA = FIELDS["arp_sha"]
ARP_THA = FIELDS["arp_tha"]
TUN_ID = FIELDS["tun_id"]
TUN_FLAGS = FIELDS["tun_flags"]
TUN_SRC = FIELDS["tun_src"]
TUN_DST = FIELDS["tun_dst"]
TUN_IPV6_SRC = FIELDS["tun_ipv6_src"]
TUN_IPV6_DST = FIELDS["tun_ipv6_dst"]
TUN_METADATA = tuple(FIELDS[f"tun_metadata{n}"] for n in range(8))
REG = tuple(FIELDS[f"reg{n}"] for n in range(16))
XREG = tuple(FIELDS[f"xreg{n}"] for n in range(8))
XXREG = tuple(FIELDS[f"xxreg{n}"] for n in range(4))
PKT_MARK = FIELDS["pkt_mark"]
CT_STATE = FIELDS["ct_state"]
CT_ZONE = FIELDS["ct_zone"]
CT_MARK = FIELDS["ct_mark"]
CT_LABEL = FIELDS["ct_label"]
CT_NW_SRC = FIELDS["ct_nw_src"]
CT_NW_DST = FIELDS["ct_nw_dst"]
CT_IPV6_SRC = FIELDS["ct_ipv6_src"]
CT_IPV6_DST = FIELDS["ct_ipv6_dst"]
CT_NW_PROTO = FIELDS["ct_nw_proto"]
CT_TP_SRC = FIELDS["ct_tp_src"]
CT_TP_DST = FIELDS["ct_tp_dst"]
METADATA = FIELDS["metadata"]

_BY_HEADER = {f.header: f for f in FIELDS.values()}
_BY_NXM_HEADER = {f.nxm_header: f for f in FIELDS.values()}

# The registers behind each wider view, the highest bits first.
REGISTERS_OF: Mapping[Field, tuple[Field, ...]] = MappingProxyType(
    {x: REG[2 * n : 2 * n + 2] for n, x in enumerate(XREG)} | {x: REG[4 * n : 4 * n + 4] for n, x in enumerate(XXREG)}
)


def by_nxm_header(header: bytes) -> Field:
    """The field of a Nicira action's four-byte header. ValueError where we declare none."""
    found = _BY_NXM_HEADER.get(header)
    if found is None:
        raise ValueError(f"unknown field {header.hex()}")
    return found


@lru_cache(maxsize=1024)
def by_header(header: bytes) -> Field:
    """The field of an exact match's header (of 4 bytes, or 8 with an experimenter).

    A field that is not declared, but well formed, gets a nameless entry, so that foreign flows can be listed too.
    """
    if found := _BY_HEADER.get(header):
        return found
    word, experimenter = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")
    oxm_class, number, nbytes = word >> 16, word >> 9 & 0x7F, (word & 0xFF) - 4 * bool(experimenter)
    if nbytes < 1:
        raise ValueError(f"a field without a value: {header.hex()}")
    name = f"oxm_{oxm_class:04x}_{number}"
    return Field(
        name,
        oxm_class,
        number,
        nbytes,
        nbytes * 8,
        "hex",
        maskable=True,
        experimenter=experimenter,
        full=(1 << nbytes * 8) - 1,
    )
