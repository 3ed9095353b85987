"""What networking-odl 22 (the v2 driver of OpenStack 2023.1) sends, for the tests: its filters, journal and full sync.

Written after its behaviour: one request for each change, POST, PUT or DELETE, with the object as Neutron has it, less
what a filter of its kind takes out; anything below 400 is success; what failed is looked up later and sent again.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

CANARY = "bd8db3a8-2b30-4083-a8b3-b3fd46401142"
RETRIES = 5
NAMED_PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6")
NUMBERS = {"esp": 50, "ah": 51, "sctp": 132, "vrrp": 112, "igmp": 2, "gre": 47}

SYNC_ORDER = (
    "security_group",
    "security_group_rule",
    "network",
    "subnet",
    "router",
    "port",
    "floatingip",
    "policy",
    "trunk",
    "bgpvpn",
    "flowclassifier",
    "portpair",
    "portpairgroup",
    "portchain",
    "l2_gateway",
    "l2gateway_connection",
)
URLS = {
    "policy": "qos/policies",
    "flowclassifier": "sfc/flowclassifiers",
    "portpair": "sfc/portpairs",
    "portpairgroup": "sfc/portpairgroups",
    "portchain": "sfc/portchains",
}

Object = dict[str, Any]


def url(kind: str, key: str = "") -> str:
    path = "/" + URLS.get(kind, kind.replace("_", "-") + "s")
    return f"{path}/{key}" if key else path


def without(body: Object, *names: str) -> Object:
    return {name: value for name, value in body.items() if name not in names}


def without_null(body: Object, *names: str) -> Object:
    return {name: value for name, value in body.items() if value is not None or name not in names}


def network(body: Object, create: bool) -> Object:
    body = without(body, "status", "subnets", *(() if create else ("id", "tenant_id", "project_id")))
    return without_null(body, "qos_policy_id")


def subnet(body: Object, create: bool) -> Object:
    if not create:
        body = without(body, "id", "network_id", "ip_version", "cidr", "tenant_id", "project_id")
    return without_null(body, "segment_id", "subnetpool_id")


def port(body: Object, create: bool) -> Object:
    groups = [{"id": each} for each in body["security_groups"]]
    body = without(body, "status", *(() if create else ("network_id", "id", "tenant_id", "project_id")))
    body = without_null(body, "binding:profile", "dns_name", "port_security_enabled", "qos_policy_id")
    body |= {"security_groups": groups}
    if "binding:profile" in body:
        body |= {"binding:profile": json.dumps(body["binding:profile"])}
    return body


def router(body: Object, create: bool) -> Object:
    return body if create else without(body, "id", "tenant_id", "project_id", "status")


def floatingip(body: Object, create: bool) -> Object:
    return body if create else without_null(body, "port_id", "fixed_ip_address", "router_id")


def security_group_rule(body: Object, create: bool) -> Object:
    protocol = body["protocol"]
    if body["ethertype"] == "IPv6" and protocol in ("icmp", "icmpv6", "ipv6-icmp"):
        protocol = "icmpv6"
    elif protocol is not None and protocol not in NAMED_PROTOCOLS:
        protocol = NUMBERS.get(protocol, protocol)
    return body | {"protocol": protocol}


def policy(body: Object, create: bool) -> Object:
    """Of each type the last rule only."""
    lists = {
        f"{rule['type']}_rules": [without(rule, "type") | {"tenant_id": body["tenant_id"]}] for rule in body["rules"]
    }
    return without(body, "rules", "tenant_id") | {"bandwidth_limit_rules": [], "dscp_marking_rules": []} | lists


def l2gateway_connection(body: Object, create: bool) -> Object:
    return without(body, "l2_gateway_id") | {"gateway_id": body["l2_gateway_id"]}


FILTERS: Mapping[str, Callable[[Object, bool], Object]] = {
    "network": network,
    "subnet": subnet,
    "port": port,
    "router": router,
    "floatingip": floatingip,
    "security_group_rule": security_group_rule,
    "policy": policy,
    "l2gateway_connection": l2gateway_connection,
}


def filtered(kind: str, body: Object, create: bool) -> Object:
    """An object as it is sent, with its tenant under both names."""
    tenant = body.get("tenant_id") or body.get("project_id") or ""
    body = {"project_id": tenant, "tenant_id": tenant} | body
    return FILTERS[kind](body, create) if kind in FILTERS else body


@dataclass
class Row:
    """One change in the journal. `body` is the object as it was then; it is filtered when it is sent."""

    operation: str
    kind: str
    key: str
    body: Object | None = None
    tries: int = 0


@dataclass
class Driver:
    """A Neutron with networking-odl: `objects` by kind and id, and a journal of what is still to be sent."""

    client: httpx2.AsyncClient
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    journal: list[Row] = field(default_factory=list)
    failed: list[Row] = field(default_factory=list)
    log: list[tuple[str, str, int]] = field(default_factory=list)

    # -- Neutron ------------------------------------------------------------------------------------------------------

    def create(self, kind: str, body: Object) -> None:
        self.objects[kind, body["id"]] = body
        self.journal.append(Row("create", kind, body["id"], dict(body)))

    def update(self, kind: str, key: str, **changes: Any) -> None:
        self.objects[kind, key] |= changes
        self.journal.append(Row("update", kind, key, dict(self.objects[kind, key])))

    def delete(self, kind: str, key: str) -> None:
        del self.objects[kind, key]
        self.journal.append(Row("delete", kind, key))

    # -- the journal's thread -----------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Send all that is pending, the oldest first."""
        while self.journal:
            row = self.journal.pop(0)
            while not await self.send(row) and row.tries <= RETRIES:
                pass
            if row.tries > RETRIES:
                self.failed.append(row)

    async def send(self, row: Row) -> bool:
        verb, path, body = "DELETE", url(row.kind, row.key), None
        if row.body is not None:
            create = row.operation == "create"
            verb, path = ("POST", url(row.kind)) if create else ("PUT", path)
            body = {row.kind: filtered(row.kind, row.body, create)}
        status = await self.ask(verb, path, body)
        row.tries += status >= 400
        return status < 400

    async def ask(self, verb: str, path: str, body: Object | None = None) -> int:
        answer = await self.client.request(verb, path, json=body)
        self.log.append((verb, path, answer.status_code))
        return answer.status_code

    # -- maintenance --------------------------------------------------------------------------------------------------

    async def full_sync(self) -> bool:
        """Journal everything if the controller does not know the canary. False: it does, or it can't be asked."""
        if await self.ask("GET", "/networks") >= 400 or await self.ask("GET", url("network", CANARY)) != 404:
            return False
        self.journal = [row for row in self.journal if row.operation == "delete"]
        for kind in SYNC_ORDER:
            for (each, key), body in self.objects.items():
                if each == kind:
                    self.journal.append(Row("create", kind, key, dict(body)))
        canary = {"id": CANARY, "tenant_id": CANARY, "name": "Sync Canary Network", "admin_state_up": False}
        self.journal.append(Row("create", "network", CANARY, canary))
        return True

    async def recover(self) -> None:
        """Look up what failed: done with it, or send it again."""
        rows, self.failed = self.failed, []
        for row in rows:
            there = await self.ask("GET", url(row.kind, row.key)) != 404
            wanted = self.objects.get((row.kind, row.key))
            if there and row.operation == "delete":
                self.journal.append(Row("delete", row.kind, row.key))
            elif there and row.operation == "update" and wanted is not None:
                self.journal.append(Row("update", row.kind, row.key, dict(wanted)))
            elif not there and row.operation != "delete" and wanted is not None:
                self.journal.append(Row("create", row.kind, row.key, dict(wanted)))
