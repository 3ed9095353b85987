"""Which providers are Daybreak's, told from the configuration alone, as the dispatcher tells it."""

from collections.abc import Iterator

import pytest
from networking_daybreak.l3 import ownership
from oslo_config import cfg

DRIVER = "networking_daybreak.l3.flavor.DaybreakL3ServiceProvider"
ODL = "networking_odl.l3.l3_flavor.ODLL3ServiceProvider"
OTHER = "somebody.elses.Driver"


@pytest.fixture(autouse=True)
def configuration() -> Iterator[None]:
    ownership.providers.cache_clear()
    yield
    cfg.CONF.reset()
    for name, group in (("service_plugins", None), ("service_provider", "service_providers")):
        cfg.CONF.clear_override(name, group)
    ownership.providers.cache_clear()


def configured(plugin: str, *lines: str) -> ownership.Providers:
    ownership.providers()  # registers the options
    ownership.providers.cache_clear()
    cfg.CONF([], default_config_files=[])
    cfg.CONF.set_override("service_plugins", [plugin, "qos"])
    cfg.CONF.set_override("service_provider", [f"L3_ROUTER_NAT:{line}" for line in lines], "service_providers")
    return ownership.providers()


def test_the_stock_plugin_has_what_is_configured() -> None:
    assert configured("router") == (frozenset(), False)
    assert configured("router", f"mine:{DRIVER}", f"theirs:{OTHER}:default") == ({"mine"}, False)
    assert configured("router", f"mine:{DRIVER}:default") == ({"mine"}, True)


def test_the_line_of_networking_odl_means_daybreak() -> None:
    assert configured("router", f"ODL:{ODL}:default") == ({"odl"}, True)


@pytest.mark.parametrize("plugin", ["daybreak-router", "odl-router_v2"])
def test_our_plugin_takes_what_nobody_else_is_configured_for(plugin: str) -> None:
    alone = configured(plugin)
    assert alone == ({"daybreak", "dvr", "dvrha", "ha", "single_node", "ovn"}, True)
    beside = configured(plugin, f"theirs:{OTHER}", f"ha:{OTHER}.HA")
    assert beside == (alone.names - {"ha"}, True)
    assert "mine" in configured(plugin, f"mine:{DRIVER}").names
