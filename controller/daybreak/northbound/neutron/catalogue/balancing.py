"""data: load balancers."""

from daybreak.model import (
    HealthMonitor,
    LoadBalancer,
    LoadBalancerListener,
    LoadBalancerMember,
    LoadBalancerPool,
    SessionPersistence,
)
from daybreak.northbound.neutron.catalogue.identity import ADMIN, NAME, both_names, identity
from daybreak.northbound.neutron.codec import (
    BOOL,
    COUNT,
    IP,
    LIMIT,
    PORT_NUMBER,
    REFERENCE,
    TEXT,
    UUID_TEXT,
    as_text,
    choice,
    listing,
    protocol,
    shown_only,
)
from daybreak.northbound.neutron.fields import Kept, field, struct
from daybreak.northbound.neutron.resource import Resource

LOAD_BALANCERS = Resource(
    path="lbaas/loadbalancers",
    singular="loadbalancer",
    plural="loadbalancers",
    title="LoadBalancer",
    record=LoadBalancer,
    fields=(
        *identity(),
        NAME,
        *ADMIN,
        field("vip_address", IP, query=True),
        field("vip_subnet_id", UUID_TEXT, query="vip_subnet"),
    ),
)

LISTENERS = Resource(
    path="lbaas/listeners",
    singular="listener",
    plural="listeners",
    title="LoadBalancerListener",
    record=LoadBalancerListener,
    derive=both_names,
    fields=(
        *identity(),
        NAME,
        field("default_pool_id", UUID_TEXT, query=True),
        field("connection_limit", LIMIT, query=True),
        field("admin_state_up", BOOL, query=True),
        field("protocol", protocol("HTTP", "HTTPS", "TCP", "TERMINATED_HTTPS"), query=True),
        field("protocol_port", as_text(PORT_NUMBER), query=True),
        field("loadbalancers", listing(REFERENCE)),
    ),
)

MEMBER = (
    *identity(),
    field("address", IP, query=True),
    field("protocol_port", PORT_NUMBER, query=True),
    field("admin_state_up", BOOL, query=True),
    field("weight", COUNT, query=True),
    field("subnet_id", UUID_TEXT, query=True),
)

POOLS = Resource(
    path="lbaas/pools",
    singular="pool",
    plural="pools",
    title="LoadBalancerPool",
    record=LoadBalancerPool,
    derive=both_names,
    fields=(
        *identity(),
        NAME,
        field("protocol", TEXT, query=True),
        field("lb_algorithm", TEXT, query=True),
        field("healthmonitor_id", UUID_TEXT, query=True),
        field("admin_state_up", BOOL, query=True),
        field("listeners", listing(REFERENCE)),
        field(
            "session_persistence",
            struct(SessionPersistence, field("type", TEXT), field("cookie_name", TEXT)),
        ),
        field("members", shown_only(listing(struct(LoadBalancerMember, *MEMBER))), kept=Kept.ALWAYS),
    ),
)

MEMBERS = Resource(
    path="lbaas/pools/{pool}/members",
    singular="member",
    plural="members",
    title="LoadBalancerPoolMember",
    record=LoadBalancerMember,
    derive=both_names,
    fields=MEMBER,
)

HEALTH_MONITORS = Resource(
    path="lbaas/healthmonitors",
    singular="healthmonitor",
    plural="healthmonitors",
    title="LoadBalancerHealthMonitor",
    record=HealthMonitor,
    derive=both_names,
    fields=(
        *identity(),
        field("type", choice("HTTP", "HTTPS", "PING", "TCP"), query=True),
        field("delay", COUNT, query=True),
        field("timeout", COUNT, query=True),
        field("max_retries", COUNT, query=True),
        field("http_method", TEXT, query=True),
        field("url_path", TEXT, query=True),
        field("expected_codes", TEXT, query=True),
        field("admin_state_up", BOOL, query=True),
        field("pools", listing(REFERENCE)),
    ),
)
