"""io: the one Neutron that all tests here run in: ML2 with our mechanism driver, and our router plugin."""

from collections.abc import Callable
from typing import Any
from unittest import skip

from networking_daybreak.journal import models  # noqa: F401  # its tables are made with Neutron's
from networking_daybreak.l3 import ownership
from networking_daybreak.services import drivers
from neutron.tests.common.test_db_base_plugin_v2 import NeutronDbPluginV2TestCase
from oslo_config import cfg

SERVICES = ("daybreak-router", "flavors")


class Driven(NeutronDbPluginV2TestCase):
    """Stands between Neutron's test cases and the base of them all, and sets up our Neutron, whatever they ask for.

    @without("why they do not apply", "test_this", "test_that")
    class Ports(test_plugin.TestMl2PortsV2, Driven): ...
    """

    def setUp(self, plugin: Any = None, service_plugins: Any = None, ext_mgr: Any = None) -> None:
        cfg.CONF.set_override("mechanism_drivers", ["daybreak"], "ml2")
        # Neutron gives each test registries of its own: what we do once in a process is to be done once in each test.
        drivers.subscribe.cache_clear()
        ownership.providers.cache_clear()
        asked = service_plugins.values() if isinstance(service_plugins, dict) else service_plugins or ()
        # What the tests have of their own stands for a backend, and that is ours.
        others = [each for each in asked if each not in SERVICES and not each.startswith("neutron.tests.")]
        super().setUp("ml2", [*SERVICES, *others], ext_mgr)


def without(reason: str, *names: str) -> Callable[[type[Driven]], type[Driven]]:
    """Skip some of a case's tests, and say why. A test that Neutron has no more is an AttributeError."""

    def skipping(case: type[Driven]) -> type[Driven]:
        for name in names:
            setattr(case, name, skip(reason)(getattr(case, name)))
        return case

    return skipping
