"""io: Neutron's northbound as OpenDaylight served it below /controller/nb/v2/neutron.

What networking-odl and CloudStack's OpenDaylight plugin send is accepted to the letter. Objects may refer to others
that don't exist yet, or no more: order is not demanded of the clouds.
"""

from starlette.routing import BaseRoute

from daybreak.northbound.neutron.catalogue import RESOURCES
from daybreak.northbound.neutron.collection import Collection
from daybreak.store.contract import Store


def routes(store: Store) -> list[BaseRoute]:
    """The dialect's routes, served from `store`."""
    return [route for resource in RESOURCES for route in Collection(resource, store).routes()]
