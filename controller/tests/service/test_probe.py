"""Probes that a controller left behind when it ended before its time."""

import asyncio

from daybreak.features import pipeline, pools
from daybreak.model import Probe, Transaction
from daybreak.service.controller import KINDS, Controller
from daybreak.store.memory import MemoryStore


async def test_nobody_waits_for_probes_of_a_former_controller() -> None:
    store = MemoryStore(KINDS, pools(pipeline(), (1000, 2000)))
    macs = ("fa:16:3e:00:00:01", "fa:16:3e:00:00:02")
    left = Probe("blue", *macs, source="10.0.0.1", target="10.0.0.2", protocol="tcp", ttl=211, target_port=443)
    await store.commit(Transaction((left,)))
    controller = Controller(store)
    controller.start()
    assert "network/blue" in controller.engine.topics
    swept = asyncio.Event()
    store.subscribe(lambda _: swept.set())
    await asyncio.wait_for(swept.wait(), 30)
    assert not store.rows(Probe)
    await controller.compute.settled()
    assert "network/blue" not in controller.engine.topics
    await controller.close()
