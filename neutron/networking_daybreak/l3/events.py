"""io: the one handler of layer 3, behind the provider and behind the plugin.

Rows tell nearly everything, in the transaction that writes them (services/rows.py): routers, interfaces, gateways,
routes, associations with a provider. What remains is that Neutron disassociates the floating IPs of a port by one
statement for all of them, and says so within its transaction.
"""

from typing import Any

from neutron_lib.callbacks import events, registry, resources

from networking_daybreak.resources.floating_ip import concerned
from networking_daybreak.services import rows


def subscribe() -> None:
    """Called by each provider in each process; a second call changes nothing."""
    rows.subscribe()
    registry.subscribe(floating_ip_changed, resources.FLOATING_IP, events.PRECOMMIT_UPDATE)


def floating_ip_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:
    """Record a floating IP that was Daybreak's before the change or is after it."""
    before, after = payload.states[0], payload.desired_state
    session = payload.context.session
    if concerned(session, {before["router_id"], after.router_id}):
        rows.note(session, [("floating_ip", after.id)])
