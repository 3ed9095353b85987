"""io: one elected member compares Neutron with the controller again and again, cheaply where nothing happened."""

from __future__ import annotations

import time
from typing import Any

from neutron_lib import context as neutron_context
from oslo_log import log

from networking_daybreak.journal import members
from networking_daybreak.journal.batch import place
from networking_daybreak.journal.dispatcher import Dispatcher
from networking_daybreak.northbound.answers import Unavailable
from networking_daybreak.sync.digests import Digest
from networking_daybreak.sync.reconcile import Found, Reconciler

LOG = log.getLogger(__name__)
LEASE = "sync"
LOOK = 1.0
"""Seconds between looks whether something is to be done."""


class Watcher:
    """Beside a dispatcher: the same member, the same controllers."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._equal: dict[str, Digest] = {}
        self._rounds = 0
        self._epoch = -1
        self._due = 0.0

    def run(self) -> None:
        """Until the dispatcher stops."""
        context = neutron_context.get_admin_context()
        dispatcher = self._dispatcher
        while not dispatcher.stopping.wait(min(LOOK, dispatcher.conf.sync_interval)):
            try:
                if dispatcher.is_active and members.elect(context, LEASE, dispatcher.membership, dispatcher.present):
                    self._once(context)
            except Unavailable:
                pass  # the streams say so
            except Exception as error:
                LOG.error("Comparing with the controller fails: %s", place(error))

    def _once(self, context: Any) -> None:
        dispatcher = self._dispatcher
        north = dispatcher.controllers.connect()
        epoch = dispatcher.controllers.epoch
        is_new = epoch != self._epoch
        if not is_new and time.monotonic() < self._due:
            return
        conf = dispatcher.conf
        reconciler = Reconciler(context, north, conf.client, conf.sync_depth, self._pause)
        is_full = is_new or self._rounds % conf.sync_full_every == 0
        told = reconciler.remote_digests()
        for kind in reconciler.kinds():
            if not is_full and kind in told and self._equal.get(kind) == told[kind]:
                continue  # as it was when they were equal, and rows would have changed it
            self._equal.pop(kind, None)
            for found in reconciler.repair([kind]):
                self._say(found)
                if kind in told and found.digest == told[kind]:  # not where what differs is parked
                    self._equal[kind] = told[kind]
        self._rounds += 1
        self._epoch = epoch
        self._due = time.monotonic() + conf.sync_interval

    def _say(self, found: Found) -> None:
        if found.recorded:
            LOG.warning(
                "%s: %d missing, %d extra, %d stale on the controller; repairing",
                found.kind,
                found.missing,
                found.extra,
                found.stale,
            )
            self._dispatcher.bell.ring()

    def _pause(self, seconds: float) -> bool:
        """Stop also when the member is no longer at work."""
        return self._dispatcher.stopping.wait(seconds) or not self._dispatcher.is_active
