"""io: what `neutron-status upgrade check` asks of this driver before Neutron is upgraded."""

from __future__ import annotations

from typing import Any

from neutron_lib import context as neutron_context
from neutron_lib.utils.upgrade_checks import BaseChecks
from oslo_upgradecheck import upgradecheck

from networking_daybreak.journal import legacy, overview
from networking_daybreak.resources import KINDS


class Checks(BaseChecks):
    """Found by its entry point."""

    def get_checks(self) -> list[tuple[str, Any]]:
        return [
            ("Daybreak's journal has nothing that was refused", self.parked),
            ("networking-odl's journal is empty", self.drained),
            ("Daybreak's dispatchers know all kinds in the journal", self.known),
        ]

    @staticmethod
    def parked(checker: Any) -> upgradecheck.Result:
        """Rows that the controller refused stay refused after an upgrade, unless somebody looks."""
        depth = overview.depth(neutron_context.get_admin_context())
        if depth.parked:
            said = f"{depth.parked} rows are parked: neutron-daybreak journal list --state parked"
            return upgradecheck.Result(upgradecheck.Code.WARNING, said)
        return upgradecheck.Result(upgradecheck.Code.SUCCESS, "nothing is parked")

    @staticmethod
    def drained(checker: Any) -> upgradecheck.Result:
        """What networking-odl had not sent is not sent by it any more."""
        left = legacy.left(neutron_context.get_admin_context()).total()
        if left:
            said = f"{left} rows of it have not been sent: neutron-daybreak import-odl"
            return upgradecheck.Result(upgradecheck.Code.WARNING, said)
        return upgradecheck.Result(upgradecheck.Code.SUCCESS, "nothing is left of networking-odl")

    @staticmethod
    def known(checker: Any) -> upgradecheck.Result:
        """A newer release may have recorded kinds that this one does not know."""
        strange = overview.kinds(neutron_context.get_admin_context()) - set(KINDS)
        if strange:
            said = f"This release does not know {', '.join(sorted(strange))}, of which the journal has rows"
            return upgradecheck.Result(upgradecheck.Code.FAILURE, said)
        return upgradecheck.Result(upgradecheck.Code.SUCCESS, "all kinds are known")
