"""data: the tables and columns of Open vSwitch's database that Daybreak reads (ovs-vswitchd.conf.db(5)).

All of them exist in Open vSwitch 2.13 and later. A column that isn't in an update has its default.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from daybreak.wire.ovsdb.values import UUID, NamedUUID

EMPTY: Any = msgspec.field(default_factory=lambda: _NOTHING)
"""A map without entries: one for all rows, which are never changed."""

_NOTHING: Final[dict[Any, Any]] = {}


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row; fields are columns, except for `uuid`, which is a name as long as the row is only planned."""

    table: ClassVar[str]

    uuid: UUID | NamedUUID


class OpenVSwitch(Row, frozen=True, kw_only=True, gc=False):
    """The root: one row in each database."""

    table: ClassVar[str] = "Open_vSwitch"

    bridges: tuple[UUID, ...] = ()
    datapaths: dict[str, UUID] = EMPTY
    external_ids: dict[str, str] = EMPTY
    iface_types: tuple[str, ...] = ()
    other_config: dict[str, str] = EMPTY
    ovs_version: str | None = None


class Bridge(Row, frozen=True, kw_only=True, gc=False):
    table: ClassVar[str] = "Bridge"

    name: str = ""
    controller: tuple[UUID, ...] = ()
    datapath_id: str | None = None
    datapath_type: str = ""
    external_ids: dict[str, str] = EMPTY
    fail_mode: str | None = None
    flow_tables: dict[int, UUID] = EMPTY
    other_config: dict[str, str] = EMPTY
    ports: tuple[UUID, ...] = ()
    protocols: tuple[str, ...] = ()


class Port(Row, frozen=True, kw_only=True, gc=False):
    table: ClassVar[str] = "Port"

    name: str = ""
    external_ids: dict[str, str] = EMPTY
    interfaces: tuple[UUID, ...] = ()


class Interface(Row, frozen=True, kw_only=True, gc=False):
    table: ClassVar[str] = "Interface"

    name: str = ""
    admin_state: str | None = None
    error: str | None = None
    external_ids: dict[str, str] = EMPTY
    link_state: str | None = None
    mtu_request: int | None = None
    ofport: int | None = None
    ofport_request: int | None = None
    options: dict[str, str] = EMPTY
    type: str = ""


class Controller(Row, frozen=True, kw_only=True, gc=False):
    table: ClassVar[str] = "Controller"

    target: str = ""
    external_ids: dict[str, str] = EMPTY
    inactivity_probe: int | None = None
    max_backoff: int | None = None


class Manager(Row, frozen=True, kw_only=True, gc=False):
    table: ClassVar[str] = "Manager"

    target: str = ""
    max_backoff: int | None = None


class Datapath(Row, frozen=True, kw_only=True, gc=False):
    table: ClassVar[str] = "Datapath"

    capabilities: dict[str, str] = EMPTY


class FlowTable(Row, frozen=True, kw_only=True, gc=False):
    table: ClassVar[str] = "Flow_Table"

    external_ids: dict[str, str] = EMPTY
    name: str | None = None


DATABASE: Final = "Open_vSwitch"
TABLES: Final[Mapping[str, type[Row]]] = {
    row.table: row for row in (OpenVSwitch, Bridge, Port, Interface, Controller, Manager, Datapath, FlowTable)
}
