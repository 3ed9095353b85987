"""The lab's Neutron as it is without our driver: real identities, real policies, and nothing lost by kill -9."""

import pytest

from daybreak_lab import Lab
from daybreak_lab.openstack import ADMIN, ApiError, Database, Neutron, Settings, member
from daybreak_lab.openstack.neutron import RPC

from .cloud import BIN


def test_a_stock_neutron(lab: Lab, empty_database: Database) -> None:
    """A cloud of two tenants that drives nothing: it shows what the other tests stand on."""
    neutron = Neutron(
        lab.controller_namespace, BIN, empty_database, Settings(), name="stock", port=9700, processes=1, programs=(RPC,)
    )
    neutron.start()
    try:
        red, blue = neutron.client(member("red")), neutron.client(member("blue"))
        network = red.create("networks", name="red")
        red.create("subnets", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
        ports = red.create_many("ports", [{"network_id": network["id"]}] * 3)
        assert [port["fixed_ips"][0]["ip_address"][:7] for port in ports] == ["10.0.0."] * 3

        # Tenants see their own, and may what tenants may.
        assert blue.list("networks") == []
        with pytest.raises(ApiError, match="403 PolicyNotAuthorized"):
            red.create("networks", shared=True)
        with pytest.raises(ApiError, match="404 NetworkNotFound"):
            blue.get("networks", network["id"])

        # People use the command line.
        assert neutron.openstack(member("red"), "network", "list", "-f", "value", "-c", "Name") == "red\n"
        assert neutron.openstack(member("blue"), "network", "list", "-f", "value", "-c", "Name") == ""

        # What was acknowledged is still there after everything was killed in the middle of its work.
        empty_database.kill()
        neutron.kill()
        empty_database.start()
        neutron.start()
        assert {port["id"] for port in red.list("ports")} == {port["id"] for port in ports}
        assert empty_database.query("SELECT name FROM networks") == [["red"]]
        assert len(neutron.client(ADMIN).list("networks")) == 1
    finally:
        neutron.kill()
