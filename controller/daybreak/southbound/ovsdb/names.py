"""data: the names in a switch's database that are Daybreak's own."""

import hashlib
from typing import Final

OWNER: Final = {"owner": "daybreak"}
"""In external_ids of each row that Daybreak made. It removes no others."""
DATAPATH_TYPE: Final = "daybreak-datapath-type"
"""In external_ids of the Open_vSwitch row: the datapath_type of the integration bridge."""
PHYSICAL_NETWORK: Final = "daybreak-physical-network"
"""In external_ids of both ends of a patch: which network it leads to."""
INTEGRATION: Final = "br-int"


def patch_ports(physical_network: str, bridge: str) -> tuple[str, str]:
    """The ends of the patch to a physical network: on the integration bridge, and on the bridge it's mapped to.

    A device's name has 15 characters at most, a network's has no limit: so the names are made from a hash. It includes
    the bridge, for a patch can't move.
    """
    digest = hashlib.sha256(f"{physical_network}\0{bridge}".encode()).hexdigest()[:11]
    return f"int-{digest}", f"phy-{digest}"
