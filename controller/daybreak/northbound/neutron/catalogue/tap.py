"""data: mirrors of ports."""

from daybreak.model import TapFlow, TapService
from daybreak.northbound.neutron.catalogue.identity import NAME, both_names, identity
from daybreak.northbound.neutron.codec import UUID_TEXT, choice
from daybreak.northbound.neutron.fields import Kept, field
from daybreak.northbound.neutron.resource import Resource

TAP_SERVICES = Resource(
    path="tap/services",
    singular="tap_service",
    plural="tap_services",
    title="Tap Service",
    record=TapService,
    derive=both_names,
    fields=(*identity(), NAME, field("port_id", UUID_TEXT, query=True)),
)

TAP_FLOWS = Resource(
    path="tap/flows",
    singular="tap_flow",
    plural="tap_flows",
    title="Tap Flow",
    record=TapFlow,
    derive=both_names,
    no_bulk="Only Singleton tapFlow creation supported",
    fields=(
        *identity(),
        NAME,
        field("tap_service_id", UUID_TEXT, query=True, kept=Kept.ALWAYS),
        field("direction", choice("IN", "OUT", "BOTH"), query=True),
        field("source_port", UUID_TEXT, query=True),
    ),
)
