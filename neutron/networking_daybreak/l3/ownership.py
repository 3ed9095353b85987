"""io: which routers are Daybreak's. A cloud may have several backends: Neutron notes the provider of each router.

The note is a row of `providerresourceassociations`, written in the transaction that creates a router and replaced in
the one that moves it. So everybody, the dispatcher too, can tell by a query, and nothing has to load a plugin.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from neutron.conf import common
from neutron.conf.services import provider_configuration as options
from neutron.db.models.servicetype import ProviderResourceAssociation
from neutron.services import provider_configuration
from neutron_lib.plugins import constants
from oslo_config import cfg

DRIVER = "networking_daybreak.l3.flavor.DaybreakL3ServiceProvider"
PLUGINS = frozenset({"daybreak-router", "odl-router_v2", "networking_daybreak.l3.plugin.DaybreakRouterPlugin"})
BUILT_IN = "daybreak"
"""The provider that our own plugin comes with, unless the configuration names it."""

PREDECESSORS = frozenset({"dvrha", "dvr", "ha", "single_node", "ovn"})
"""Providers whose routers our own plugin takes over, unless they are configured beside it."""

NOTES = ProviderResourceAssociation.__table__


class Providers(NamedTuple):
    """What Daybreak's providers are called, and whether a router that nobody noted a provider of is theirs."""

    names: frozenset[str]
    default: bool


@cache
def providers() -> Providers:
    """As the configuration has it."""
    cfg.CONF.register_opts(common.core_opts)
    options.register_service_provider_opts()
    told = provider_configuration.parse_service_provider_opt(service_type=constants.L3)
    ours = {each["name"]: each["default"] for each in told if each["driver"] == DRIVER}
    if PLUGINS & set(cfg.CONF.service_plugins):
        others = {each["name"] for each in told} - ours.keys()
        return Providers(frozenset(ours or {BUILT_IN}) | PREDECESSORS - others, default=True)
    return Providers(frozenset(ours), default=any(ours.values()))


def noted(session: Any, routers: Iterable[str]) -> set[str]:
    """Those of the routers that are noted as Daybreak's."""
    wanted, names = list(routers), providers().names
    if not (wanted and names):
        return set()
    query = sa.select(NOTES.c.resource_id).where(NOTES.c.resource_id.in_(wanted), NOTES.c.provider_name.in_(names))
    return {row[0] for row in session.execute(query)}


def ours(router: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """The clause that a column names a router of Daybreak's."""
    names, default = providers()
    clause = router.in_(sa.select(NOTES.c.resource_id).where(NOTES.c.provider_name.in_(names)))
    return sa.or_(clause, router.not_in(sa.select(NOTES.c.resource_id))) if default else clause


def ours_or_free(router: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """The clause that a column names a router of Daybreak's, or none, where there are any of Daybreak's."""
    return sa.or_(router.is_(None), ours(router)) if providers().names else sa.false()
