"""io: what a plain OpenDaylight tells of ports and hosts, by RESTCONF (draft-bierman-netconf-restconf-02), polled.

OpenDaylight has no stream that can be resumed, and tells of ports only that they became ACTIVE. So what Neutron waits
for is asked for one by one at short intervals, all else from time to time, and a port that is DOWN there is DOWN.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from neutron_lib import context as contexts
from oslo_config import cfg

from networking_daybreak.northbound.endpoint import Away, Endpoint
from networking_daybreak.status import ports
from networking_daybreak.status.picture import Picture, Told
from networking_daybreak.status.verdict import Seen

ROOT = "/restconf/operational/neutron:neutron"
FEATURE = "operational-port-status"
EVERY = 15
"""Every how many polls all ports and hosts are asked for, and not only ports that wait."""


def follow(endpoint: Endpoint, picture: Picture, stopping: threading.Event) -> None:
    """Poll until it is stopped. Raises `Away`."""
    interval = cfg.CONF.daybreak.poll_status_interval
    tells = has_status(endpoint)
    polls = 0
    while not stopping.is_set():
        context = contexts.get_admin_context()
        if polls % EVERY == 0:
            tell_hosts(endpoint, picture)
            concerned: Iterator[list[Seen]] = ports.everything(context)
        else:
            concerned = iter([ports.seen(context, ports.held(context))])
        for page in concerned:
            for seen in page:
                tell(endpoint, picture, seen, tells)
        if polls % EVERY == 0:
            picture.complete()
        polls += 1
        stopping.wait(interval)


def has_status(endpoint: Endpoint) -> bool:
    """Whether it knows how ports are. Where it does not, a port counts as ACTIVE when it is bound."""
    answer = endpoint.ask("GET", f"{ROOT}/neutron:features")
    features = (answer.json or {}).get("features", {}).get("feature", ()) if answer.status == 200 else ()
    return any(str(each.get("service-provider-feature", "")).endswith(FEATURE) for each in features)


def tell(endpoint: Endpoint, picture: Picture, seen: Seen, tells: bool) -> None:
    """Ask for one port."""
    if not seen.host:
        picture.tell_port(seen.id, Told(True))  # a router's: it is not plugged in anywhere
        return
    if not tells:
        picture.tell_port(seen.id, Told(True, seen.host))
        return
    answer = endpoint.ask("GET", f"{ROOT}/ports/port/{seen.id}")
    if answer.status == 200 and answer.json.get("port"):
        active = answer.json["port"][0].get("status") == "ACTIVE"
        picture.tell_port(seen.id, Told(active, seen.host))


def tell_hosts(endpoint: Endpoint, picture: Picture) -> None:
    """Ask for the hosts. Raises `Away` for an answer that does not say which there are."""
    answer = endpoint.ask("GET", f"{ROOT}/hostconfigs")
    if answer.status not in (200, 404):
        raise Away(f"it answers {answer.status} to hostconfigs", in_doubt=False)
    listed = (answer.json or {}).get("hostconfigs", {}).get("hostconfig", ()) if answer.status == 200 else ()
    told = {each["host-id"]: record_of(each) for each in listed if each.get("host-type") == "ODL L2"}
    for host in {*picture.hosts} - told.keys():
        picture.tell_connected(host, False)
        picture.tell_host(host, None)
    for host, record in told.items():
        picture.tell_host(host, record)
        picture.tell_connected(host, True)


def record_of(hostconfig: Mapping[str, Any]) -> dict[str, Any]:
    """A hostconfig in the words of a host's record in /v1."""
    text = hostconfig.get("config") or "{}"
    said = json.loads(text) if isinstance(text, str) else text
    types = said.get("allowed_network_types", [])
    addresses = [
        address
        for each in said.get("supported_vnic_types", ())
        for address in (each.get("vif_details") or {}).get("host_addresses", ())
    ]
    return {
        "id": hostconfig["host-id"],
        "vtep": quote(addresses[0], safe=":.") if addresses else hostconfig["host-id"],
        "tunnels": [each for each in types if each in ("vxlan", "geneve", "gre")],
        "bridge_mappings": sorted((said.get("bridge_mappings") or {}).items()),
        "datapath_type": said.get("datapath_type") or "system",
        "hostconfigs": [["ODL L2", json.dumps(said)]],
    }
