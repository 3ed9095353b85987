"""data: the files that configure a Neutron: neutron.conf and api-paste.ini."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

Sections = Mapping[str, Mapping[str, object]]
"""Section → option → value, as in oslo.config's files."""

PASTE = """
[composite:neutron]
use = egg:Paste#urlmap
/: versions
/v2.0: api

[composite:api]
use = call:neutron.auth:pipeline_factory
keystone = request_id catch_errors identity keystonecontext extensions neutronapi

[composite:versions]
use = call:neutron.auth:pipeline_factory
keystone = neutronversions

[filter:request_id]
paste.filter_factory = oslo_middleware:RequestId.factory

[filter:catch_errors]
paste.filter_factory = oslo_middleware:CatchErrors.factory

[filter:identity]
paste.filter_factory = daybreak_lab.openstack.identity:filter_factory

[filter:keystonecontext]
paste.filter_factory = neutron.auth:NeutronKeystoneContext.factory

[filter:extensions]
paste.filter_factory = neutron.api.extensions:plugin_aware_extension_middleware_factory

[app:neutronversions]
paste.app_factory = neutron.pecan_wsgi.app:versions_factory

[app:neutronapi]
paste.app_factory = neutron.api.v2.router:APIRouter.factory
"""
"""Neutron's own pipeline, with `identity` where it asks Keystone."""


@dataclass(frozen=True)
class Settings:
    """What a Neutron is made of. The defaults are a Neutron that has tenants and overlays, and drives nothing."""

    mechanism_drivers: tuple[str, ...] = ("logger",)
    extension_drivers: tuple[str, ...] = ("port_security", "qos", "dns")
    service_plugins: tuple[str, ...] = ("router", "qos", "segments")
    sections: Sections = field(default_factory=dict)
    """Whatever else is to be set; it wins over what is set here."""

    def adding(self, sections: Sections) -> "Settings":
        """The same with more options."""
        return replace(self, sections=merged(self.sections, sections))

    def neutron_conf(self, host: str, database: str, files: Path) -> str:
        """The text of neutron.conf: the host's name, the database's URL, and a folder for what Neutron writes."""
        ours: Sections = {
            "DEFAULT": {
                "host": host,
                "core_plugin": "ml2",
                "service_plugins": ",".join(self.service_plugins),
                "auth_strategy": "keystone",
                "api_paste_config": files / "api-paste.ini",
                "state_path": files / "state",
                # Nobody listens: there are no agents that would need a message bus, and no Nova.
                "transport_url": "fake://",
                "enable_traditional_dhcp": False,
                "notify_nova_on_port_status_changes": False,
                "notify_nova_on_port_data_changes": False,
                "rpc_workers": 1,
                "use_stderr": True,
            },
            "database": {"connection": database, "max_pool_size": 10, "max_overflow": 20},
            "oslo_concurrency": {"lock_path": files / "state" / "lock"},
            "quotas": {f"quota_{what}": -1 for what in ("network", "subnet", "port", "security_group_rule")},
            "ml2": {
                "type_drivers": "local,flat,vlan,vxlan,geneve",
                "tenant_network_types": "vxlan",
                "mechanism_drivers": ",".join(self.mechanism_drivers),
                "extension_drivers": ",".join(self.extension_drivers),
            },
            "ml2_type_vxlan": {"vni_ranges": "10000:19999"},
            "ml2_type_geneve": {"vni_ranges": "20000:20999"},
            "ml2_type_flat": {"flat_networks": "*"},
            "ml2_type_vlan": {"network_vlan_ranges": "physnet1:100:199"},
        }
        return "\n".join(
            f"[{section}]\n" + "".join(f"{name} = {value}\n" for name, value in options.items())
            for section, options in merged(ours, self.sections).items()
        )


def merged(some: Sections, others: Sections) -> dict[str, dict[str, object]]:
    """All options of both; the second's win."""
    return {name: {**some.get(name, {}), **others.get(name, {})} for name in {**some, **others}}
