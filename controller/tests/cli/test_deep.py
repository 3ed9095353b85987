"""`check --deep`: what the increments gave against a full recompute, while the cloud goes on."""

import asyncio

from daybreak.engine.memo import Topic
from daybreak.features.vocabulary import FABRIC
from daybreak.model import Interface, Port, Record, Transaction
from daybreak.northbound.admin.answers import CheckAnswer
from daybreak.service.controller import Controller
from daybreak.service.views import Views

from .conftest import controller_with
from .small_cloud import BLUE, HEALTHY


def wrong(answer: CheckAnswer) -> list[str]:
    return [finding.text for finding in answer.findings if finding.kind == "recompute"]


def fabric(controller: Controller) -> Topic:
    return controller.engine.topics[FABRIC]


async def test_a_flow_that_got_lost_inside_is_found_only_by_looking_deep() -> None:
    controller = await controller_with(HEALTHY)
    views = Views(controller)
    assert wrong(await views.check(deep=True)) == []
    fabric(controller).flows.popitem()
    assert wrong(await views.check(deep=False)) == []
    assert wrong(await views.check(deep=True)) == ["a full recompute gives something else: 1 flows of fabric"]


async def test_a_relation_that_is_wrong_is_named() -> None:
    controller = await controller_with(HEALTHY)
    placed = next(relation for relation in controller.engine.relations if relation.name == "placed")
    key, values = controller.engine.relations[placed].popitem()
    texts = wrong(await Views(controller).check(deep=True))
    assert f"a full recompute gives something else: placed of {key}" in texts
    controller.engine.relations[placed][key] = values
    assert wrong(await Views(controller).check(deep=True)) == []


def crowd(name: str, size: int, first: int) -> tuple[Record, ...]:
    """Ports that are plugged in on h1, at OpenFlow ports from `first` on."""
    records: list[Record] = []
    for number in range(size):
        mac = f"fa:16:3e:01:{(first + number) // 256:02x}:{(first + number) % 256:02x}"
        records.append(Port(f"{name}-{number}", BLUE, mac_address=mac))
        records.append(Interface("h1", f"tap-{name}-{number}", f"{name}-{number}", first + number))
    return tuple(records)


async def test_what_changes_while_it_looks_is_no_finding() -> None:
    controller = await controller_with((*HEALTHY, *crowd("there", 400, 100)))
    await controller.compute.settled()
    listeners, before = len(controller.compute.listeners), controller.engine.revision
    looking = asyncio.create_task(Views(controller).check(deep=True))
    while len(controller.compute.listeners) == listeners:  # noqa: ASYNC110 until it computes
        await asyncio.sleep(0)
    for turn in range(5):
        await controller.store.commit(Transaction(crowd(f"new{turn}", 20, 1000 + 20 * turn)))
        assert not looking.done()
    answer = await looking
    assert wrong(answer) == []
    assert answer.revision == before + 5
    assert len(controller.compute.listeners) == listeners
