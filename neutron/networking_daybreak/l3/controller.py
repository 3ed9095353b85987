"""io: which provider takes a router, where the plugin is ours: Daybreak, unless its flavor says another one."""

from typing import Any

from neutron.db.servicetype_db import ServiceTypeManager
from neutron.services.l3_router.service_providers import driver_controller
from neutron.services.provider_configuration import ProviderConfiguration
from neutron_lib.plugins import constants

from networking_daybreak.l3.ownership import BUILT_IN, DRIVER


class Providers(ProviderConfiguration):
    """Those of the configuration, and Daybreak, which needs no line there and is the default in any case."""

    def __init__(self) -> None:
        super().__init__(svc_type=constants.L3)
        for each in self.providers.values():
            each["default"] = False
        ours = next((each for each in self.providers.values() if each["driver"] == DRIVER), {"driver": DRIVER})
        ours["default"] = True
        if ours not in self.providers.values():
            self.providers[constants.L3, BUILT_IN] = ours


class DriverController(driver_controller.DriverController):
    """Neutron's own, without its agents' providers, and with Daybreak for whatever has no flavor."""

    def __init__(self, l3_plugin: Any) -> None:
        self.l3_plugin = l3_plugin
        self._stm = ServiceTypeManager.get_instance()
        self._stm.add_provider_configuration(constants.L3, Providers())
        self._load_drivers()

    def _attrs_to_driver(self, router: Any, exc: Exception | None = None) -> Any:
        return self.drivers[self.default_provider]

    def get_provider_for_router(self, context: Any, router_id: str) -> Any:
        """The driver of a router. One that Neutron's agents had before this plugin came is Daybreak's now."""
        name = self._stm.get_provider_names_by_resource_ids(context, [router_id]).get(router_id)
        if name is not None and name not in self.drivers:
            return self.drivers[self.default_provider]
        return super().get_provider_for_router(context, router_id)
