"""Data: OFPT_ERROR, and the names that Open vSwitch gives to the errors which it sends.

Source: OpenFlow 1.3.5, section 7.5.4; OpenFlow extensions for 1.3.x (experimenter errors of bundles); ovs-ofctl(8)
prints the same names.
"""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

from daybreak.wire.openflow.messages_header import HEADER, NICIRA, ONF, Type, frame, xid_of

EXPERIMENTER: Final = 0xFFFF
"""The error type whose code is an experimenter's own."""

_CODE: Final = struct.Struct(">HH")
_EXPERIMENTER: Final = struct.Struct(">HHI")


class Error(Struct, frozen=True):
    """OFPT_ERROR. `data` begins with the message at fault: 64 bytes of it at least, all of it from Open vSwitch 3.1.

    `experimenter` is 0 for the standard's own errors; otherwise `type` is 0xffff and `code` is the experimenter's.
    """

    type: int
    code: int
    data: bytes = b""
    experimenter: int = 0
    xid: int = 0

    @property
    def name(self) -> str:
        """The name that Open vSwitch uses, such as OFPBRC_EPERM; the bare numbers where it has none."""
        number = f"error type {self.type} code {self.code}" + (
            f" of {self.experimenter:#x}" if self.experimenter else ""
        )
        return NAMES.get((self.experimenter, self.type, self.code), number)

    def encode(self) -> bytes:
        """Return the whole message."""
        if self.experimenter:
            return frame(Type.ERROR, _EXPERIMENTER.pack(self.type, self.code, self.experimenter) + self.data, self.xid)
        return frame(Type.ERROR, _CODE.pack(self.type, self.code) + self.data, self.xid)


def decode_error(message: bytes) -> Error:
    """Read an OFPT_ERROR; struct.error if it is too short."""
    kind, code = _CODE.unpack_from(message, HEADER.size)
    if kind != EXPERIMENTER:
        return Error(kind, code, message[HEADER.size + _CODE.size :], 0, xid_of(message))
    kind, code, experimenter = _EXPERIMENTER.unpack_from(message, HEADER.size)
    return Error(kind, code, message[HEADER.size + _EXPERIMENTER.size :], experimenter, xid_of(message))


HELLO_FAILED: Final = 0
INCOMPATIBLE: Final = 0

_STANDARD: Final = {
    0: ("OFPHFC", "INCOMPATIBLE EPERM"),
    1: (
        "OFPBRC",
        "BAD_VERSION BAD_TYPE BAD_STAT BAD_VENDOR BAD_SUBTYPE EPERM BAD_LEN BUFFER_EMPTY BUFFER_UNKNOWN BAD_TABLE_ID "
        "IS_SECONDARY BAD_PORT BAD_PACKET MULTIPART_BUFFER_OVERFLOW",
    ),
    2: (
        "OFPBAC",
        "BAD_TYPE BAD_LEN BAD_VENDOR BAD_VENDOR_TYPE BAD_OUT_PORT BAD_ARGUMENT EPERM TOO_MANY BAD_QUEUE BAD_OUT_GROUP "
        "MATCH_INCONSISTENT UNSUPPORTED_ORDER BAD_TAG BAD_SET_TYPE BAD_SET_LEN BAD_SET_ARGUMENT",
    ),
    3: (
        "OFPBIC",
        "UNKNOWN_INST UNSUP_INST BAD_TABLE_ID UNSUP_METADATA UNSUP_METADATA_MASK BAD_EXPERIMENTER BAD_EXP_TYPE BAD_LEN "
        "EPERM",
    ),
    4: (
        "OFPBMC",
        "BAD_TYPE BAD_LEN BAD_TAG BAD_DL_ADDR_MASK BAD_NW_ADDR_MASK BAD_WILDCARDS BAD_FIELD BAD_VALUE BAD_MASK "
        "BAD_PREREQ DUP_FIELD EPERM",
    ),
    5: ("OFPFMFC", "UNKNOWN TABLE_FULL BAD_TABLE_ID OVERLAP EPERM BAD_TIMEOUT BAD_COMMAND BAD_FLAGS"),
    6: (
        "OFPGMFC",
        "GROUP_EXISTS INVALID_GROUP WEIGHT_UNSUPPORTED OUT_OF_GROUPS OUT_OF_BUCKETS CHAINING_UNSUPPORTED "
        "WATCH_UNSUPPORTED LOOP UNKNOWN_GROUP CHAINED_GROUP BAD_TYPE BAD_COMMAND BAD_BUCKET BAD_WATCH EPERM",
    ),
    7: ("OFPPMFC", "BAD_PORT BAD_HW_ADDR BAD_CONFIG BAD_ADVERTISE EPERM"),
    8: ("OFPTMFC", "BAD_TABLE BAD_CONFIG EPERM"),
    9: ("OFPQOFC", "BAD_PORT BAD_QUEUE EPERM"),
    10: ("OFPSCFC", "BAD_FLAGS BAD_LEN EPERM"),
    11: ("OFPRRFC", "STALE UNSUP BAD_ROLE"),
    12: (
        "OFPMMFC",
        "UNKNOWN METER_EXISTS INVALID_METER UNKNOWN_METER BAD_COMMAND BAD_FLAGS BAD_RATE BAD_BURST BAD_BAND "
        "BAD_BAND_VALUE OUT_OF_METERS OUT_OF_BANDS",
    ),
}
_BUNDLE: Final = (
    "UNKNOWN EPERM BAD_ID BUNDLE_EXIST BUNDLE_CLOSED OUT_OF_BUNDLES BAD_TYPE BAD_FLAGS MSG_BAD_LEN MSG_BAD_XID "
    "MSG_UNSUP MSG_CONFLICT MSG_TOO_MANY MSG_FAILED TIMEOUT BUNDLE_IN_PROGRESS"
)
_NICIRA: Final = {
    2: "NXBRC_NXM_INVALID",
    3: "NXBRC_NXM_BAD_TYPE",
    4: "NXBRC_MUST_BE_ZERO",
    5: "NXBRC_BAD_REASON",
    6: "OFPMOFC_MONITOR_EXISTS",
    7: "OFPMOFC_BAD_FLAGS",
    8: "OFPMOFC_UNKNOWN_MONITOR",
    9: "NXBRC_FM_BAD_EVENT",
    10: "NXBRC_UNENCODABLE_ERROR",
    11: "NXBAC_MUST_BE_ZERO",
    12: "NXFMFC_HARDWARE",
    13: "NXFMFC_BAD_TABLE_ID",
    15: "NXBAC_BAD_CONJUNCTION",
    16: "NXTTMFC_BAD_COMMAND",
    17: "NXTTMFC_BAD_OPT_LEN",
    18: "NXTTMFC_BAD_FIELD_IDX",
    19: "NXTTMFC_TABLE_FULL",
    20: "NXTTMFC_ALREADY_MAPPED",
    21: "NXTTMFC_DUP_ENTRY",
    34: "NXR_NOT_SUPPORTED",
    35: "NXR_STALE",
    36: "NXST_NOT_CONFIGURED",
}
_ONF: Final = {2600: "OFPBIC_DUP_INST", 4250: "OFPBAC_BAD_SET_MASK"}

# An experimenter's error has one number only (its "exp_type"); it stands where the standard's errors have their code.
NAMES: Final[dict[tuple[int, int, int], str]] = {
    **{
        (0, kind, code): f"{prefix}_{name}"
        for kind, (prefix, names) in _STANDARD.items()
        for code, name in enumerate(names.split())
    },
    **{(ONF, EXPERIMENTER, 2300 + code): f"OFPBFC_{name}" for code, name in enumerate(_BUNDLE.split())},
    **{(ONF, EXPERIMENTER, code): name for code, name in _ONF.items()},
    **{(NICIRA, EXPERIMENTER, code): name for code, name in _NICIRA.items()},
}
"""(experimenter, type, code) of an error to its name."""

METER_EXISTS: Final = NAMES[0, 12, 1]
"""The name of the refusal to add a meter that is there already."""

BUNDLE_MESSAGE_FAILED: Final = 2313
