"""What becomes of a switch in trouble, and of those that change while others are looked at."""

from __future__ import annotations

from collections.abc import Iterator

import fake_switch
import pytest
from fake_switch import BUNDLE_ADD, DELETE_STRICT, INNER, SwitchConnection

from daybreak.model import Network, Port, Transaction
from daybreak.wire.openflow.messages_error import Error

from .conftest import Site, until


class Stubborn(SwitchConnection):
    """Takes a bundle, but no deletion in it."""

    def _experimenter(self, message: bytes, xid: int) -> Iterator[bytes]:
        if message[12:16] == BUNDLE_ADD.to_bytes(4) and message[INNER + 25] == DELETE_STRICT:
            yield Error(5, 0, message, xid=xid).encode()
        else:
            yield from super()._experimenter(message, xid)


async def test_a_switch_that_refuses_a_deletion_does_not_pass_for_one_that_has_all(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    h1, _ = site.hosts
    await site.store.commit(Transaction((Network("n"), Port("p", "n", mac_address="fa:16:3e:00:00:01"))))
    h1.plug("tap", "p", 1)
    await until("the port is there", lambda: site.is_active("p"))
    h1.disconnect()
    await until("it has let go", lambda: h1.switch is None)
    monkeypatch.setattr(fake_switch, "SwitchConnection", Stubborn)
    await site.connect(h1)
    await until("it is back", lambda: site.is_idle(h1))

    deleted = await site.store.commit(Transaction(delete=((Port, "p"),)))
    await until("it is let go", lambda: h1.switch is None)
    assert not site.controller.switches.applied("h1", deleted.revision)
    monkeypatch.undo()
    h1.disconnect()
    await until("the database has let go, too", lambda: h1.database.connection is None)
    await site.connect(h1)
    await until("it is put right", lambda: site.is_idle(h1) and not site.wrong(h1))
