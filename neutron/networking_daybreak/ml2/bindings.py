"""io: the rows of port bindings, watched where Neutron has no hook.

A second, inactive binding of a port (live migration) comes and goes without a call of mechanism drivers, except for
`bind_port`, which runs before anything is written. So the rows themselves are watched, in the flush that writes them,
and the port is recorded in the same transaction.
"""

from typing import Any

from neutron.plugins.ml2.models import PortBinding
from neutron_lib.db import api as db_api
from sqlalchemy import event, inspect
from sqlalchemy.orm import Session

from networking_daybreak.journal.record import record, wake

NOTED = "daybreak_bindings"


class Written:
    """What `record` needs of a context."""

    def __init__(self, session: Session) -> None:
        self.session = session


def subscribe() -> None:
    """Watch. A second call in the same process changes nothing."""
    if event.contains(Session, "before_flush", before_flush):
        return
    db_api.sqla_listen(Session, "before_flush", before_flush)
    db_api.sqla_listen(Session, "after_commit", after_commit)


def before_flush(session: Session, *_: Any) -> None:
    """Record the ports of inactive bindings that are about to be written."""
    ports = {
        row.port_id
        for row in [*session.new, *session.dirty, *session.deleted]
        if isinstance(row, PortBinding) and row.port_id and was_inactive(row)
    }
    for port in ports:
        record(Written(session), "port", port)
    if ports:
        session.info[NOTED] = True


def was_inactive(row: PortBinding) -> bool:
    """Whether it is or was a second binding; drivers are called for active ones."""
    return row.status == "INACTIVE" or "INACTIVE" in (inspect(row).attrs.status.history.deleted or ())


def after_commit(session: Session) -> None:
    if session.info.pop(NOTED, False):
        wake()
