"""What Neutron's service plugins offer arrives at the controller as it was asked for, changes, and goes."""

import pytest

from daybreak_lab.openstack import ApiError, Client, member

from ..cloud import Cloud, Controller
from .ways import arrives, object_of, vanishes


@pytest.fixture
def tenant(cloud: Cloud) -> Client:
    return cloud.client(member("services"))


def test_limits_of_both_directions_hold_together(admin: Client, controller: Controller) -> None:
    """networking-odl kept one rule of a type, so that of two limits the later replaced the earlier."""
    policy = admin.create("qos/policies", name="gold")["id"]
    rules = f"qos/policies/{policy}/bandwidth_limit_rules"
    up = admin.create(rules, max_kbps=1000, max_burst_kbps=100, direction="egress")["id"]
    down = admin.create(rules, max_kbps=2000, direction="ingress")["id"]
    dscp = admin.create(f"qos/policies/{policy}/dscp_marking_rules", dscp_mark=26)["id"]
    packets = admin.create(f"qos/policies/{policy}/packet_rate_limit_rules", max_kpps=5, max_burst_kpps=1)["id"]
    least = admin.create(f"qos/policies/{policy}/minimum_packet_rate_rules", min_kpps=1, direction="any")["id"]
    there = arrives(
        controller,
        "qos-policies",
        policy,
        name="gold",
        dscp_marking_rules=[{"id": dscp, "tenant_id": "admin", "dscp_mark": 26}],
        packet_rate_limit_rules=[
            {"id": packets, "tenant_id": "admin", "max_kpps": 5, "max_burst_kpps": 1, "direction": "egress"}
        ],
        minimum_packet_rate_rules=[{"id": least, "tenant_id": "admin", "min_kpps": 1, "direction": "any"}],
    )
    limits = {each["id"]: each for each in there["bandwidth_limit_rules"]}
    assert [(limits[id]["max_kbps"], limits[id]["direction"]) for id in (up, down)] == [
        (1000, "egress"),
        (2000, "ingress"),
    ]

    admin.call("PUT", f"{rules}/{down}", {"bandwidth_limit_rule": {"max_kbps": 3000}})
    admin.delete(rules, up)
    left = {"id": down, "tenant_id": "admin", "max_kbps": 3000, "max_burst_kbps": 0, "direction": "ingress"}
    arrives(controller, "qos-policies", policy, bandwidth_limit_rules=[left])
    admin.update("qos/policies", policy, description="the word of a description changes a revision, too")
    arrives(controller, "qos-policies", policy, revision_number=admin.get("qos/policies", policy)["revision_number"])
    admin.delete("qos/policies", policy)
    vanishes(controller, "qos-policies", policy)


def test_rules_that_the_controller_does_not_act_on_are_refused_where_a_port_wants_them(
    admin: Client, tenant: Client, controller: Controller
) -> None:
    """The controller says what it acts on; a limit that limits nothing would be a lie."""
    policy = admin.create("qos/policies", name="fast", shared=True)["id"]
    admin.create(f"qos/policies/{policy}/bandwidth_limit_rules", max_kbps=1000)
    _, document = controller.request("GET", "/v1/openapi.json")
    network = tenant.create("networks")["id"]
    if document["x-daybreak-kinds"]["qos_policy"]["in_effect"]:
        port = admin.create("ports", network_id=network, qos_policy_id=policy)["id"]
        arrives(controller, "ports", port, qos_policy_id=policy)
        admin.delete("ports", port)
    else:
        assert admin.list("qos/rule-types") == []
        with pytest.raises(ApiError, match="QosRuleNotSupported"):
            admin.create("ports", network_id=network, qos_policy_id=policy)
    tenant.delete("networks", network)
    admin.delete("qos/policies", policy)


def test_metering(admin: Client, controller: Controller) -> None:
    label = admin.create("metering/metering-labels", name="out")["id"]
    rule = admin.create(
        "metering/metering-label-rules", metering_label_id=label, direction="egress", destination_ip_prefix="10.0.0.0/8"
    )["id"]
    arrives(controller, "metering-labels", label, name="out", shared=False)
    arrives(
        controller,
        "metering-label-rules",
        rule,
        metering_label_id=label,
        direction="egress",
        destination_ip_prefix="10.0.0.0/8",
        tenant_id="admin",
    )
    admin.delete("metering/metering-label-rules", rule)
    vanishes(controller, "metering-label-rules", rule)
    admin.delete("metering/metering-labels", label)
    vanishes(controller, "metering-labels", label)


def test_logs_of_security_groups(admin: Client, tenant: Client, controller: Controller) -> None:
    group = tenant.create("security-groups", name="watched")["id"]
    _, document = controller.request("GET", "/v1/openapi.json")
    if not document["x-daybreak-kinds"]["network_log"]["in_effect"]:
        assert admin.list("log/loggable-resources") == []
        with pytest.raises(ApiError, match="InvalidLogResourceType"):
            admin.create("log/logs", name="drops", resource_type="security_group", resource_id=group)
    else:
        log = admin.create("log/logs", name="drops", resource_type="security_group", resource_id=group, event="DROP")
        arrives(controller, "network-logs", log["id"], name="drops", event="DROP", resource_id=group, enabled=True)
        admin.update("log/logs", log["id"], enabled=False)
        arrives(controller, "network-logs", log["id"], enabled=False)
        admin.delete("log/logs", log["id"])
        vanishes(controller, "network-logs", log["id"])
    tenant.delete("security-groups", group)


def test_tags_names_and_what_a_monitor_said(admin: Client, tenant: Client, controller: Controller) -> None:
    """Neutron tells nobody of tags; each of them changes its object's revision all the same."""
    network = tenant.create("networks", name="tagged", dns_domain="blue.example.")["id"]
    port = tenant.create("ports", network_id=network, dns_name="web")["id"]
    arrives(controller, "networks", network, dns_domain="blue.example.")
    arrives(controller, "ports", port, dns_name="web")
    admin.update("ports", port, data_plane_status="DOWN")
    arrives(controller, "ports", port, data_plane_status="DOWN")
    tenant.call("PUT", f"networks/{network}/tags", {"tags": ["b", "a"]})
    tenant.call("PUT", f"ports/{port}/tags/mine")
    arrives(
        controller,
        "networks",
        network,
        tags=["a", "b"],
        revision_number=tenant.get("networks", network)["revision_number"],
    )
    arrives(controller, "ports", port, tags=["mine"])
    tenant.call("DELETE", f"networks/{network}/tags")
    arrives(controller, "networks", network, tags=None)
    tenant.delete("ports", port)
    tenant.delete("networks", network)
    vanishes(controller, "networks", network)


def test_sharing_a_network(admin: Client, tenant: Client, controller: Controller) -> None:
    """Neutron has no event for it; the network's row of access rights is watched."""
    network = tenant.create("networks")["id"]
    arrives(controller, "networks", network, shared=False)
    everyone = admin.create(
        "rbac-policies", object_type="network", object_id=network, action="access_as_shared", target_tenant="*"
    )["id"]
    arrives(controller, "networks", network, shared=True)
    admin.delete("rbac-policies", everyone)
    arrives(controller, "networks", network, shared=False)
    tenant.delete("networks", network)


def test_address_scopes_of_subnets(admin: Client, tenant: Client, controller: Controller) -> None:
    scope = tenant.create("address-scopes", name="routed", ip_version=4)["id"]
    pool = tenant.create("subnetpools", name="pool", prefixes=["10.64.0.0/16"], default_prefixlen=24)["id"]
    network = tenant.create("networks")["id"]
    subnet = tenant.create("subnets", network_id=network, ip_version=4, subnetpool_id=pool)["id"]
    arrives(controller, "subnets", subnet, address_scope_id=None)
    tenant.update("subnetpools", pool, address_scope_id=scope)
    arrives(controller, "subnets", subnet, address_scope_id=scope)
    tenant.delete("networks", network)
    tenant.delete("subnetpools", pool)
    tenant.delete("address-scopes", scope)


def test_segments_of_a_routed_network(admin: Client, controller: Controller) -> None:
    network = admin.create(
        "networks",
        **{
            "provider:network_type": "vlan",
            "provider:physical_network": "physnet1",
            "provider:segmentation_id": 150,
            "mtu": 1400,
        },
    )["id"]
    arrives(controller, "networks", network, segmentation_id="150")
    second = admin.create("segments", network_id=network, network_type="vxlan", segmentation_id=15000, name="rack 2")[
        "id"
    ]
    there = arrives(controller, "networks", network, segmentation_id=None)
    assert there["segments"][1] == {
        "network_type": "vxlan",
        "segmentation_id": "15000",
        "id": second,
        "name": "rack 2",
    }
    admin.delete("segments", second)
    arrives(controller, "networks", network, segmentation_id="150", segments=None)
    admin.delete("networks", network)


def test_a_trunk_and_its_sub_ports(tenant: Client, controller: Controller) -> None:
    network, inner = (tenant.create("networks", name=name)["id"] for name in ("outer", "inner"))
    parent, one, two = (
        tenant.create("ports", network_id=id, name=name)["id"]
        for id, name in ((network, "parent"), (inner, "one"), (inner, "two"))
    )
    sub_port = {"port_id": one, "segmentation_type": "vlan", "segmentation_id": 101}
    trunk = tenant.create("trunks", port_id=parent, name="t", sub_ports=[sub_port])["id"]
    arrives(controller, "trunks", trunk, name="t", port_id=parent, sub_ports=[sub_port])
    assert tenant.get("ports", one)["device_owner"] == "trunk:subport"

    second = {"port_id": two, "segmentation_type": "vlan", "segmentation_id": 102}
    tenant.call("PUT", f"trunks/{trunk}/add_subports", {"sub_ports": [second]})
    both = sorted([sub_port, second], key=lambda each: each["port_id"])
    revision = tenant.get("trunks", trunk)["revision_number"]
    arrives(controller, "trunks", trunk, sub_ports=both, revision_number=revision)
    tenant.call("PUT", f"trunks/{trunk}/remove_subports", {"sub_ports": [{"port_id": one}]})
    arrives(controller, "trunks", trunk, sub_ports=[second])
    assert tenant.get("ports", one)["device_owner"] == ""

    tenant.delete("trunks", trunk)
    vanishes(controller, "trunks", trunk)
    assert tenant.get("ports", two)["device_owner"] == ""
    for port in (parent, one, two):
        tenant.delete("ports", port)
    for id in (network, inner):
        tenant.delete("networks", id)
    assert object_of(controller, "trunks", trunk) is None
