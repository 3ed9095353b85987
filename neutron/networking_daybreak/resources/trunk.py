"""io: trunks with their sub-ports."""

from collections.abc import Iterable, Sequence
from typing import Any

from neutron.services.trunk.models import SubPort, Trunk

from networking_daybreak.resources.kind import Body, Kind, Opendaylight, chosen, column
from networking_daybreak.resources.reading import belonging, objects, paged


def read(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    """Trunks with their sub-ports."""
    found = objects(context, Trunk, ids)
    members = belonging(context, SubPort, "trunk_id", found, "port_id")
    for id, body in found.items():
        body["sub_ports"] = [
            {name: each[name] for name in ("port_id", "segmentation_type", "segmentation_id")} for each in members[id]
        ]
    return found


def parents(body: Body) -> Iterable[tuple[str, str]]:
    yield "port", body["port_id"]
    yield from (("port", each["port_id"]) for each in body["sub_ports"])


KINDS = (
    Kind(
        "trunk",
        read,
        paged(Trunk),
        lambda body: chosen(body, "name", "admin_state_up", "port_id", "sub_ports"),
        parents=parents,
        parent_kinds=("port",),
        opendaylight=Opendaylight("trunks", "trunk"),
        model=Trunk,
        rows={Trunk: column("id"), SubPort: column("trunk_id")},
    ),
)
