"""io: what the driver adds to a tenant's POST of a port, beside what Neutron does for it anyway.

Neutron's ML2 plugin runs in this process, on a MariaDB of its own and with all of the driver's hooks; the host that
ports are bound to stands in Neutron's table of agents, and no controller is there: hooks never speak to one. The time
spent in each of the driver's hooks is added up for each port.

    python bench/neutron_ports.py [--ports 200]

It needs root and Neutron's environment (make setup-neutron), in which it starts itself.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENVIRONMENT = Path(__file__).parents[1] / ".venv-neutron/bin/python"
TESTS = Path(__file__).parents[1] / "neutron"
HOOKS = (
    "create_port_precommit",
    "create_port_postcommit",
    "bind_port",
    "update_port_precommit",
    "update_port_postcommit",
)
LIMIT = 0.005
"""Seconds that the hooks of one POST may take."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ports", type=int, default=200)
    options = parser.parse_args()
    if Path(sys.prefix) != ENVIRONMENT.parents[1]:
        os.execv(ENVIRONMENT, [str(ENVIRONMENT), "-W", "ignore", *sys.argv])
    sys.path.insert(0, str(TESTS))
    from tests.cloud import DRIVEN, Schema

    from daybreak_lab import Lab

    with Lab() as lab:
        lab.controller_namespace.home.mkdir(exist_ok=True)
        database = Schema(lab).database(lab)
        files = lab.controller_namespace.home / "bench"
        (files / "state/lock").mkdir(parents=True)
        settings = DRIVEN.adding({"DEFAULT": {"use_stderr": False, "log_file": files / "neutron.log"}})
        (files / "neutron.conf").write_text(settings.neutron_conf("bench", database.url, files))
        (files / "api-paste.ini").write_text("")
        measure(str(files / "neutron.conf"), options.ports)


def measure(configuration: str, count: int) -> None:
    from neutron import manager
    from neutron.api import extensions
    from neutron.common import config
    from neutron_lib import context
    from neutron_lib.api import attributes
    from neutron_lib.plugins import directory

    config.register_common_config_options()
    config.init(["--config-file", configuration])
    manager.init()
    extensions.PluginAwareExtensionManager.get_instance().extend_resources("2.0", attributes.RESOURCES)
    plugin, admin = directory.get_plugin(), context.get_admin_context()
    spent: list[float] = []
    driver = plugin.mechanism_manager.mech_drivers["daybreak"].obj
    for name in HOOKS:
        setattr(driver, name, timed(getattr(driver, name), spent))
    tell_of_host(plugin, admin)
    network = create(plugin, admin, "network", name="n")
    create(plugin, admin, "subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/16")
    ids: list[str] = []
    for host in ("", "h1"):
        asked = {"network_id": network["id"], "binding:host_id": host}
        create(plugin, admin, "port", **asked)  # what is done once in a process
        whole, hooks = [], []
        for _ in range(count):
            spent.clear()
            began = time.perf_counter()
            made = create(plugin, admin, "port", **asked)
            whole.append(time.perf_counter() - began)
            hooks.append(sum(spent))
            assert made["binding:vif_type"] == ("ovs" if host else "unbound")
            ids.append(made["id"])
        report("bound" if host else "unbound", whole, hooks)
    settle(plugin, admin, ids[-count:])


def settle(plugin: Any, admin: Any, ids: list[str]) -> None:
    """Make ports ACTIVE as the status worker does, and as Neutron does it when an agent reports each."""
    from networking_daybreak.status import ports
    from neutron.db import provisioning_blocks
    from neutron_lib.callbacks import resources

    half = len(ids) // 2
    began = time.perf_counter()
    due = {id: ports.Due("ACTIVE", "h1") for id in ids[:half]}
    changes = [change for batch in ports.settle(plugin, admin, due) for change in batch]
    ours = (time.perf_counter() - began) / half
    assert len(changes) == half
    for change in changes:
        ports.tell(plugin, admin, change)
    told = (time.perf_counter() - began) / half
    began = time.perf_counter()
    for id in ids[half:]:
        entity = provisioning_blocks.L2_AGENT_ENTITY
        provisioning_blocks.provisioning_complete(admin, id, resources.PORT, entity)
    theirs = (time.perf_counter() - began) / (len(ids) - half)
    print(
        f"ACTIVE   {1000 * ours:.1f} ms for each port in batches, {1000 * told:.1f} ms with Neutron's listeners told; "
        f"one by one, as for agents, {1000 * theirs:.1f} ms"
    )


def timed(hook: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    def measured(*arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return hook(*arguments)
        finally:
            spent.append(time.perf_counter() - began)

    return measured


def tell_of_host(plugin: Any, admin: Any) -> None:
    from networking_daybreak.status import agents

    told = {"vtep": "198.19.1.1", "tunnels": ["vxlan"], "datapath_type": "system"}
    agents.report(plugin, admin, "h1", told, None, connected=True)


def create(plugin: Any, admin: Any, kind: str, **fields: Any) -> dict[str, Any]:
    """What the API makes of a POST, and has the plugin do."""
    from neutron_lib.api import attributes

    body = {"tenant_id": "bench", **fields}
    attributes.populate_project_info(body)
    known = attributes.AttributeInfo(attributes.RESOURCES[f"{kind}s"])
    known.fill_post_defaults(body)
    known.convert_values(body)
    return getattr(plugin, f"create_{kind}")(admin, {kind: body})


def report(name: str, whole: list[float], hooks: list[float]) -> None:
    def at(values: list[float], share: float) -> float:
        return 1000 * statistics.quantiles(values, n=100)[int(share * 100) - 1]

    print(
        f"{name:8} create_port p50 {at(whole, 0.5):6.1f} ms, p95 {at(whole, 0.95):6.1f} ms; "
        f"of it our hooks p50 {at(hooks, 0.5):5.2f} ms, p95 {at(hooks, 0.95):5.2f} ms "
        f"({100 * sum(hooks) / sum(whole):.1f} %), limit {1000 * LIMIT:.0f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()
