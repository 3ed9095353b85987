"""io: the mechanism driver: what Neutron's ML2 plugin calls.

It notes what changed in the API call's own transaction, and binds ports from what Neutron's database knows of hosts.
Nothing here talks to the controller and nothing is started: the plugin calls `initialize` in processes that fork
afterwards, and hooks from any number of threads.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from neutron.agent.common.utils import is_agent_down
from neutron.db import provisioning_blocks
from neutron.db.models.agent import Agent
from neutron.db.models.provisioning_block import ProvisioningBlock
from neutron.db.models_v2 import Port
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings, provider_net
from neutron_lib.callbacks import resources
from neutron_lib.db import api as db_api
from neutron_lib.plugins.ml2 import api
from oslo_log import log as logging
from oslo_serialization import jsonutils

from networking_daybreak.journal.record import record, wake
from networking_daybreak.ml2 import binding, extensions
from networking_daybreak.ml2.host import AGENT_TYPE, Host, of_agent
from networking_daybreak.services import drivers

LOG = logging.getLogger(__name__)

NAMES = ("daybreak", "opendaylight", "opendaylight_v2")
"""What the driver may be called in mechanism_drivers, and so in the binding levels of ports."""


class DaybreakMechanismDriver(api.MechanismDriver):
    """Networks, subnets, ports and what belongs to them, for the controller."""

    def initialize(self) -> None:
        """Subscribe to what has no hook of its own."""
        drivers.subscribe()

    # -- what the driver can do ---------------------------------------------------------------------------------------

    @property
    def connectivity(self) -> str:
        return portbindings.CONNECTIVITY_L2

    def supported_extensions(self, aliases: set[str]) -> set[str]:
        """Those of the aliases that this driver and the controller can carry out."""
        return extensions.supported(aliases)

    def check_vlan_transparency(self, context: api.NetworkContext) -> bool:
        """Frames that carry VLAN tags of VMs are dropped: with them a VM could get into another network outside."""
        return False

    def check_vlan_qinq(self, context: api.NetworkContext) -> bool:
        """As with transparent VLANs."""
        return False

    @staticmethod
    def provider_network_attribute_updates_supported() -> list[str]:
        """The controller renumbers a network that is in use."""
        return [provider_net.SEGMENTATION_ID]

    @staticmethod
    def get_supported_vif_types() -> list[str]:
        """How the ports may be bound of a network that is renumbered; the plugin asks every driver that allows it."""
        return [binding.OVS, binding.VHOST_USER]

    def get_workers(self) -> list[Any]:
        """The status worker, run by neutron-periodic-workers."""
        from networking_daybreak.status.worker import StatusWorker  # its imports are of no use to the API

        return [StatusWorker()]

    # -- networks and subnets -----------------------------------------------------------------------------------------

    def create_network_precommit(self, context: api.NetworkContext) -> None:
        note(context, "network")

    update_network_precommit = create_network_precommit

    def delete_network_precommit(self, context: api.NetworkContext) -> None:
        forget(context, "network")

    def create_subnet_precommit(self, context: api.SubnetContext) -> None:
        note(context, "subnet")
        record(context.plugin_context, "network", context.current["network_id"])  # its revision is counted up, too

    update_subnet_precommit = create_subnet_precommit

    def delete_subnet_precommit(self, context: api.SubnetContext) -> None:
        forget(context, "subnet")
        record(context.plugin_context, "network", context.current["network_id"])

    def create_network_postcommit(self, context: Any) -> None:
        wake()

    update_network_postcommit = delete_network_postcommit = create_network_postcommit
    create_subnet_postcommit = update_subnet_postcommit = delete_subnet_postcommit = create_network_postcommit
    create_port_postcommit = update_port_postcommit = delete_port_postcommit = create_network_postcommit

    # -- ports --------------------------------------------------------------------------------------------------------

    def create_port_precommit(self, context: api.PortContext) -> None:
        note(context, "port")

    def update_port_precommit(self, context: api.PortContext) -> None:
        note(context, "port")
        hold(context)

    def delete_port_precommit(self, context: api.PortContext) -> None:
        forget(context, "port")

    def bind_port(self, context: api.PortContext) -> None:
        """Bind a port if its host can carry it; else say why in the log and in binding:vif_details."""
        port, host_id = context.current, context.host
        host = host_of(context.plugin_context, host_id)
        segments = binding.allowed(context.segments_to_bind, subnets_of(context))
        outcome = binding.bind(port, host_id, segments, host)
        if isinstance(outcome, binding.Bound):
            context.set_binding(outcome.segment, outcome.vif_type, outcome.vif_details)
        else:
            refuse(context, outcome.reason)

    @classmethod
    def is_host_filtering_supported(cls) -> bool:
        return True

    def filter_hosts_with_segment_access(
        self, context: Any, segments: Sequence[Mapping[str, Any]], candidate_hosts: Sequence[str], agent_getter: Any
    ) -> set[str]:
        """The candidates that can carry one of the segments."""
        agents = agent_getter(context, filters={"host": list(candidate_hosts), "agent_type": [AGENT_TYPE]})
        return {
            agent["host"]
            for agent in agents
            if any(self.check_segment_for_agent(segment, agent) for segment in segments)
        }

    def check_segment_for_agent(self, segment: Mapping[str, Any], agent: Mapping[str, Any]) -> bool:
        """Whether a host can carry a segment; the segments plugin maps hosts to segments by it."""
        if agent["agent_type"] != AGENT_TYPE:
            return False
        return binding.unreachable(segment, of_agent({"alive": True, **agent})) is None


def note(context: Any, kind: str) -> None:
    """Record the object of a hook's context."""
    record(context.plugin_context, kind, context.current["id"])


def forget(context: Any, kind: str) -> None:
    """Record that the object is deleted, at the revision that it had."""
    record(context.plugin_context, kind, context.current["id"], revision=context.current.get("revision_number"))


def subnets_of(context: api.PortContext) -> list[Mapping[str, Any]]:
    """The subnets of a port's addresses, where there is more than one segment to choose from."""
    if len(context.segments_to_bind) < 2:
        return []
    found = {ip["subnet_id"] for ip in context.current.get("fixed_ips", ())}
    return context._plugin.get_subnets(context.plugin_context.elevated(), filters={"id": list(found)}) if found else []


def bound_here(levels: Sequence[Mapping[str, Any]] | None) -> bool:
    """Whether a binding is this driver's."""
    return bool(levels) and levels[-1][api.BOUND_DRIVER] in NAMES


def hold(context: api.PortContext) -> None:
    """Let a port that this driver bound be ACTIVE only when the controller has told that its flows are there."""
    port, here = context.current, bound_here(context.binding_levels)
    if here and port["status"] != constants.PORT_STATUS_ACTIVE and is_plugged(port):
        block(context.plugin_context.session, port["id"])
    elif not here and bound_here(context.original_binding_levels):
        provisioning_blocks.remove_provisioning_component(
            context.plugin_context, port["id"], resources.PORT, provisioning_blocks.L2_AGENT_ENTITY
        )


def block(session: Any, port: str) -> None:
    """What provisioning_blocks.add_provisioning_component does, in two statements instead of four.

    Not in one: MariaDB locks what INSERT … SELECT reads, and so the place where every other new port's block goes.
    """
    entity = provisioning_blocks.L2_AGENT_ENTITY
    stands = sa.and_(ProvisioningBlock.standard_attr_id == Port.standard_attr_id, ProvisioningBlock.entity == entity)
    query = sa.select(Port.standard_attr_id).outerjoin(ProvisioningBlock, stands)
    missing = session.scalar(query.where(Port.id == port, ProvisioningBlock.entity.is_(None)))
    if missing is not None:
        session.execute(sa.insert(ProvisioningBlock).values(standard_attr_id=missing, entity=entity))


@db_api.retry_if_session_inactive()
def host_of(context: Any, name: str) -> Host | None:
    """A host as its row of Neutron's agents has it; of the row only what binding needs is read."""
    query = sa.select(Agent.configurations, Agent.heartbeat_timestamp)
    with db_api.CONTEXT_READER.using(context):
        row = context.session.execute(query.where(Agent.agent_type == AGENT_TYPE, Agent.host == name)).first()
    if row is None:
        return None
    alive = not is_agent_down(row.heartbeat_timestamp)
    return of_agent({"host": name, "configurations": jsonutils.loads(row.configurations or "{}"), "alive": alive})


def is_plugged(port: Mapping[str, Any]) -> bool:
    """Whether the port is bound: the hook is called for failed bindings, too."""
    return port.get(portbindings.VIF_TYPE) not in portbindings.VIF_UNPLUGGED_TYPES


def refuse(context: api.PortContext, reason: str) -> None:
    """Say why a port is not bound. Neutron keeps the details of a binding that failed; it has no call to set them."""
    LOG.warning("Port %s is not bound to host %s: %s", context.current["id"], context.host, reason)
    standing = getattr(context, "_binding", None)
    if standing is not None:
        standing.vif_details = jsonutils.dumps({"refused": reason[:1000]})
