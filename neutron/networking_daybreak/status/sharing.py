"""io: which hosts fall to this server's status worker, where several Neutron servers share the work."""

import random
import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging

from networking_daybreak.journal import states
from networking_daybreak.journal.members import Displaced, Membership, member_name

LOG = logging.getLogger(__name__)

ROLE = "status"


class Share:
    """This worker's part. Until it has joined, it has none."""

    def __init__(self, conf: Any) -> None:
        patience = states.Patience(conf.suspect_after, conf.gone_after)
        self._membership = Membership(ROLE, member_name(conf.server or cfg.CONF.host), patience)
        self._interval = conf.heartbeat_interval
        self._beat_at = 0.0
        self._present: list[str] = []

    @property
    def leads(self) -> bool:
        """Whether what can't be shared out is this worker's."""
        return self.has("")

    def has(self, host: str) -> bool:
        """Whether a host is this worker's."""
        return owner(host, self._present) == self._membership.name

    def refresh(self, context: Any) -> bool:
        """Give a sign of life when it is due, and look who else is there; whether anything changed."""
        if time.monotonic() < self._beat_at:
            return False
        self._beat_at = time.monotonic() + self._interval * (0.9 + 0.2 * random.random())
        try:
            if not self._membership.token:
                self._join(context)
            self._membership.beat(context)
        except Displaced as displaced:
            LOG.warning("This status worker was %s; it joins again", displaced)
            self._join(context)
        present = self._membership.present(self._membership.observe(context))
        if present == self._present:
            return False
        LOG.info("Hosts are shared out among %s", ", ".join(present))
        self._present = present
        return True

    def leave(self, context: Any) -> None:
        """Let the others take over at once."""
        if self._membership.token:
            self._membership.leave(context, is_settled=True)

    def _join(self, context: Any) -> None:
        """Nothing is ever claimed, so there is nothing to settle."""
        self._membership.join(context)
        self._membership.settled(context, self._membership.token)


def owner(host: str, members: Sequence[str]) -> str | None:
    """The member that a host falls to: the highest by a hash of both, so that few hosts move when members do."""
    return max(members, key=lambda member: blake2b(f"{member} {host}".encode()).digest(), default=None)
