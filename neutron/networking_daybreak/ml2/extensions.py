"""io: which of Neutron's API extensions the driver and its controller can carry out.

What the controller can do stands in its row of Neutron's agents, written by the status worker; so nobody waits for
the controller, and an API process that starts while it is away offers what it could do last. Before the controller was
ever reached everything is offered that its present version can do. Processes ask once: after the controller was
upgraded, restart the API.
"""

from collections.abc import Collection, Mapping

from neutron.objects.agent import Agent
from neutron_lib import context
from oslo_log import log as logging

from networking_daybreak.ml2.host import CONTROLLER_TYPE
from networking_daybreak.services import needs as services

LOG = logging.getLogger(__name__)

NEEDS: Mapping[str, str] = {
    "address-group": "address_group",
    "rbac-address-group": "address_group",
    "security-groups-remote-address-group": "security_group_rule.remote_address_group_id",
    "stateful-security-group": "security_group.stateful",
    "security-groups-default-statefulness": "security_group.stateful",
    "binding-extended": "port.bindings",
}
"""Alias → the kind of object, or the field of one, that the controller must act on."""

NEVER: Mapping[str, str] = {
    "vlan-transparent": "frames with VLAN tags of VMs are dropped",
    "qinq": "frames with VLAN tags of VMs are dropped",
    "port-hints": "no hint has an effect",
    "port-hint-ovs-tx-steering": "no hint has an effect",
    "pvlan": "ports of a network are not kept apart",
}
"""Alias → why neither driver nor controller carries it out."""


def supported(aliases: set[str]) -> set[str]:
    """The aliases that can be carried out, as far as is known."""
    return offered(aliases, known())


def offered(aliases: Collection[str], capabilities: Collection[str] | None) -> set[str]:
    """The aliases that a controller with these capabilities can carry out; None: it was never asked."""
    lacking = set() if capabilities is None else {alias for alias, need in NEEDS.items() if need not in capabilities}
    return set(aliases) - NEVER.keys() - lacking


def known() -> Collection[str] | None:
    """What the controllers that were reached can all do; None: there was none."""
    try:
        rows = Agent.get_objects(context.get_admin_context(), agent_type=CONTROLLER_TYPE)
    except Exception:
        LOG.exception("What the controller can do is not known; offering what its present version can")
        return None
    told = [set(row.configurations["capabilities"]) for row in rows if "capabilities" in row.configurations]
    return set.intersection(*told) if told else None


def acts_on(need: str) -> bool:
    """Whether the controller acts on a kind or field. Of OpenDaylight, which can't say what it does, it is assumed."""
    can = known()
    return can is None or need in can


def capabilities_of(document: Mapping[str, object]) -> list[str]:
    """Of what extensions and services may need, what a controller's /v1/openapi.json says that it acts on."""
    kinds: dict[str, dict] = document.get("x-daybreak-kinds", {})  # type: ignore[assignment]
    schemas: dict[str, dict] = document["components"]["schemas"]  # type: ignore[index]
    found = []
    for need in sorted({*NEEDS.values(), *services.NEEDS}):
        kind, _, field = need.partition(".")
        about = kinds.get(kind)
        fields = schemas.get(about["schema"], {}).get("properties", {}) if about else {}
        if about and about["in_effect"] and (not field or field in fields):
            found.append(need)
    return found
