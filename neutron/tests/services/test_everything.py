"""Whatever changes an object's revision is recorded: else the controller would look out of date for ever."""

from typing import Any
from uuid import uuid4

import pytest
from networking_daybreak.resources import KINDS

from daybreak_lab import wait_for
from daybreak_lab.openstack import SERVICE, Client, member

from ..cloud import DEADLINE, Cloud, Controller
from .ways import arrives, object_of

SERVED = [kind for kind in KINDS.values() if kind.model is not None]


@pytest.fixture
def tenant(cloud: Cloud) -> Client:
    return cloud.client(member("everything"))


def revisions(cloud: Cloud, table: str) -> dict[str, int]:
    """Of all objects of a table of Neutron's."""
    rows = cloud.database.query(
        f"SELECT t.id, a.revision_number FROM {table} t JOIN standardattributes a ON t.standard_attr_id = a.id"
    )
    return {row[0]: int(row[1]) for row in rows}


def differences(cloud: Cloud, controller: Controller) -> dict[str, Any]:
    """Ids by kind whose revision is not the same on both sides: Neutron's, the controller's."""
    _, document = controller.request("GET", "/v1/openapi.json")
    found = {}
    for kind in SERVED:
        if kind.name not in document["x-daybreak-kinds"]:
            continue
        collection = document["x-daybreak-kinds"][kind.name]["collection"].removeprefix("/v1/")
        ours = revisions(cloud, kind.model.__tablename__)
        theirs = {id: body["revision_number"] for id, body in controller.objects(collection).items()}
        for id in ours.keys() | theirs.keys():
            if ours.get(id) != theirs.get(id):
                found[f"{kind.name} {id}"] = (ours.get(id), theirs.get(id))
    return found


def test_every_change_of_a_revision_is_recorded(
    cloud: Cloud, controller: Controller, admin: Client, tenant: Client
) -> None:
    network = tenant.create("networks", name="n")["id"]
    subnet = tenant.create("subnets", network_id=network, ip_version=4, cidr="10.21.0.0/24")["id"]
    six = tenant.create("subnets", network_id=network, ip_version=6, cidr="2001:db8:21::/64")["id"]
    port = tenant.create("ports", network_id=network)["id"]
    other = tenant.create("ports", network_id=network)["id"]
    group = tenant.create("security-groups", name="g")["id"]
    addresses = tenant.create("address-groups", addresses=["192.0.2.0/24"])["id"]
    outside = admin.create("networks", **{"router:external": True})["id"]
    admin.create("subnets", network_id=outside, ip_version=4, cidr="198.51.100.0/24")
    policy = admin.create("qos/policies", name="p", shared=True)["id"]
    router = tenant.create("routers", external_gateway_info={"network_id": outside})["id"]
    tenant.call("PUT", f"routers/{router}/add_router_interface", {"subnet_id": subnet})
    floating = tenant.create("floatingips", floating_network_id=outside, port_id=port)["id"]
    trunk = tenant.create("trunks", port_id=other)["id"]

    # What is said of objects beside themselves.
    rule = tenant.create("security-group-rules", security_group_id=group, direction="ingress", protocol="tcp")["id"]
    tenant.update("security-groups", group, description="x")
    tenant.update("ports", port, security_groups=[group], allowed_address_pairs=[{"ip_address": "10.21.0.99"}])
    tenant.update("ports", port, extra_dhcp_opts=[{"opt_name": "mtu", "opt_value": "1400"}], dns_name="web")
    tenant.update("ports", port, description="x")
    tenant.update("subnets", subnet, dns_nameservers=["192.0.2.53"], description="x")
    tenant.update("subnets", subnet, host_routes=[{"destination": "10.99.0.0/16", "nexthop": "10.21.0.7"}])
    tenant.update("networks", network, description="x")
    tenant.update("trunks", trunk, description="x")
    tenant.update("floatingips", floating, description="x")
    tenant.update("routers", router, description="x")
    admin.update("qos/policies", policy, is_default=True)
    for action in ("add", "remove"):
        tenant.call("PUT", f"address-groups/{addresses}/{action}_addresses", {"addresses": ["198.51.100.7/32"]})
        routes = {"router": {"routes": [{"destination": "10.98.0.0/16", "nexthop": "10.21.0.7"}]}}
        tenant.call("PUT", f"routers/{router}/{action}_extraroutes", routes)
    for collection, id in (
        ("networks", network),
        ("subnets", subnet),
        ("ports", port),
        ("routers", router),
        ("floatingips", floating),
        ("security-groups", group),
        ("trunks", trunk),
    ):
        tenant.call("PUT", f"{collection}/{id}/tags", {"tags": ["a", "b"]})
        tenant.call("DELETE", f"{collection}/{id}/tags/a")
    for what, id in (
        ("network", network),
        ("qos_policy", policy),
        ("security_group", group),
        ("address_group", addresses),
    ):
        rights = {"object_type": what, "object_id": id, "action": "access_as_shared", "target_tenant": uuid4().hex}
        admin.delete("rbac-policies", admin.create("rbac-policies", **rights)["id"])
    rights = {"object_type": "network", "object_id": network, "action": "access_as_external", "target_tenant": "*"}
    admin.delete("rbac-policies", admin.create("rbac-policies", **rights)["id"])
    tenant.call("PUT", f"routers/{router}/add_router_interface", {"subnet_id": six})
    tenant.call("PUT", f"routers/{router}/remove_router_interface", {"subnet_id": six})
    tenant.delete("security-group-rules", rule)
    tenant.update("floatingips", floating, port_id=None)

    # What goes along with something else, or comes to it.
    far = tenant.create("security-groups", name="far")["id"]
    from_far = {"security_group_id": group, "direction": "ingress", "remote_group_id": far}
    let_in = tenant.create("security-group-rules", **from_far)["id"]
    arrives(controller, "security-group-rules", let_in, remote_group_id=far)
    tenant.delete("security-groups", far)
    slaac = dict.fromkeys(("ipv6_address_mode", "ipv6_ra_mode"), "slaac")
    tenant.delete(
        "subnets",
        tenant.create("subnets", network_id=network, ip_version=6, cidr="2001:db8:22::/64", **slaac)["id"],
    )
    vm = {"device_owner": "compute:nova", "binding:host_id": "nowhere"}
    bound = admin.create("ports", network_id=network, **vm)["id"]
    cloud.client(SERVICE).call("DELETE", f"ports/{bound}/bindings/nowhere")
    scope = admin.create("address-scopes", name="late", ip_version=4)["id"]
    pool = admin.create("subnetpools", name="late", prefixes=["10.64.0.0/16"], address_scope_id=scope)["id"]
    admin.call("PUT", f"subnetpools/{pool}/onboard_network_subnets", {"network_id": network})

    # Before a comparison can have repaired anything.
    notes = "SELECT COUNT(*) FROM daybreak_journal"
    wait_for("an empty journal", lambda: cloud.database.query(notes) == [["0"]], DEADLINE)
    assert differences(cloud, controller) == {}
    assert object_of(controller, "security-group-rules", let_in) is None
    assert [line for line in cloud.neutron.api.log.splitlines() if " ERROR networking_daybreak" in line] == []
