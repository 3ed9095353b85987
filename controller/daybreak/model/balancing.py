"""data: what the clouds want of load balancers (LBaaS v2; Octavia's API reference has the same words)."""

from typing import ClassVar

import msgspec

from daybreak.model.owned import Owned


class LoadBalancer(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """An address at which listeners listen."""

    kind: ClassVar[str] = "load_balancer"

    name: str | None = None
    admin_state_up: bool | None = None
    status: str | None = None
    vip_address: str | None = None
    vip_subnet_id: str | None = None


class LoadBalancerListener(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A port of load balancers. `connection_limit` is a number of connections, -1: no limit."""

    kind: ClassVar[str] = "load_balancer_listener"

    name: str | None = None
    admin_state_up: bool | None = None
    protocol: str | None = None
    protocol_port: int | None = None
    connection_limit: int | None = None
    default_pool_id: str | None = None
    loadbalancers: tuple[str, ...] | None = None


class SessionPersistence(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How requests of one client stay with one member: SOURCE_IP, HTTP_COOKIE or APP_COOKIE (with its name)."""

    type: str | None = None
    cookie_name: str | None = None


class LoadBalancerMember(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A server of a pool. It is part of its pool, so it has no kind of its own."""

    address: str | None = None
    protocol_port: int | None = None
    admin_state_up: bool | None = None
    weight: int | None = None
    subnet_id: str | None = None


class LoadBalancerPool(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Servers among which the connections of listeners are shared out."""

    kind: ClassVar[str] = "load_balancer_pool"

    name: str | None = None
    admin_state_up: bool | None = None
    protocol: str | None = None
    lb_algorithm: str | None = None
    healthmonitor_id: str | None = None
    listeners: tuple[str, ...] | None = None
    session_persistence: SessionPersistence | None = None
    members: tuple[LoadBalancerMember, ...] = ()


class HealthMonitor(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """How members of pools are probed: HTTP, HTTPS, PING or TCP; `delay` and `timeout` are in seconds."""

    kind: ClassVar[str] = "health_monitor"

    type: str | None = None
    delay: int | None = None
    timeout: int | None = None
    max_retries: int | None = None
    http_method: str | None = None
    url_path: str | None = None
    expected_codes: str | None = None
    admin_state_up: bool | None = None
    pools: tuple[str, ...] | None = None
