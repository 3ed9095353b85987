"""io: the notes that Neutron's API processes write of what they changed, and how they wake the dispatcher."""

import contextlib
import socket
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from networking_daybreak.journal.models import Row

NOTE = sa.insert(Row.__table__)
SOCKET = "daybreak-journal.sock"


def record(context: Any, kind: str, *ids: str, revision: int | None = None) -> None:
    """Note, in the API call's own transaction, that objects of Neutron were created, changed or deleted.

    `kind` is one of `resources.KINDS`. `revision` is the object's revision number where the caller knows it; with a
    deletion it keeps a late update from reviving the object. One INSERT and no locks. Raises RuntimeError outside of a
    transaction, for there the note and the change could part.
    """
    session = context.session
    if not session.in_transaction():
        raise RuntimeError(f"{kind} {', '.join(ids)} was to be recorded outside of a transaction")
    said = {"kind": kind, "revision": revision, "recorded_at": time.time()}
    if ids:  # an INSERT of no rows would be one of defaults
        session.execute(NOTE, [{"object_id": id, **said} for id in ids])


def wake() -> None:
    """Wake this server's dispatcher, after commit. Never blocks and never fails: it also looks by itself."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messenger:
        messenger.setblocking(False)
        messenger.sendto(b"\0", socket_path())


def socket_path() -> str:
    """Where this server's dispatcher listens."""
    return str(Path(cfg.CONF.state_path) / SOCKET)
