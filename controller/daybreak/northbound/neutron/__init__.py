"""io: Neutron's northbound as OpenDaylight served it below /controller/nb/v2/neutron.

What networking-odl and CloudStack's OpenDaylight plugin send is accepted to the letter. Objects may refer to others
that don't exist yet, or no more: order is not demanded of the clouds.
"""

from starlette.routing import BaseRoute

from daybreak.northbound.neutron.catalogue import RESOURCES
from daybreak.northbound.neutron.collection import Collection
from daybreak.northbound.neutron.nested import Members, TapFlows, router_interfaces
from daybreak.store.contract import Store


def routes(store: Store) -> list[BaseRoute]:
    """The dialect's routes, served from `store`."""
    collections = [*(Collection(resource, store) for resource in RESOURCES), Members(store), TapFlows(store)]
    return [*(route for collection in collections for route in collection.routes()), *router_interfaces()]
