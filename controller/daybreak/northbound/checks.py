"""rules: fields of one record that contradict each other; shared by the dialects."""

from ipaddress import ip_address, ip_network

from daybreak.model import Subnet
from daybreak.northbound.values import Invalid


def check_subnet(subnet: Subnet) -> None:
    """Addresses are of the subnet's IP version, and pools end where they begin or later. Raises `Invalid`."""
    version = subnet.ip_version
    if subnet.cidr and version and ip_network(subnet.cidr).version != version:
        raise Invalid(f"{subnet.cidr} is not of IP version {version}", "cidr")
    if subnet.gateway_ip and version and ip_address(subnet.gateway_ip).version != version:
        raise Invalid(f"{subnet.gateway_ip} is not of IP version {version}", "gateway_ip")
    for index, pool in enumerate(subnet.allocation_pools or ()):
        start, end = ip_address(pool.start), ip_address(pool.end)
        if start.version != end.version or int(start) > int(end):
            raise Invalid(f"{pool.end} does not follow {pool.start}", f"allocation_pools[{index}]")
