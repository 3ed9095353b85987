"""Comparing with the controller: what's missing, extra or stale there is found, and repaired by the journal."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from networking_daybreak.journal.overview import skip
from networking_daybreak.northbound.controllers import Controllers
from networking_daybreak.sync.reconcile import Reconciler, comparisons
from neutron.db.models_v2 import Network, Port
from neutron_lib import context as neutron_context

from .conftest import BOTH
from .ground import ATTRIBUTES, Controller, Ground, wait_for


def reconciler(ground: Ground, controller: Controller, **options: Any) -> Reconciler:
    conf = ground.conf(controller, **options)
    north = Controllers.of(conf, lambda: 0.5).connect()
    return Reconciler(neutron_context.get_admin_context(), north, conf.client, conf.sync_depth, lambda seconds: False)


def admin() -> Any:
    return neutron_context.get_admin_context()


def found(each: Any) -> tuple[int, int, int]:
    return each.missing, each.extra, each.stale


def spoil(ground: Ground, controller: Controller) -> tuple[str, list[str]]:
    """A cloud of 100 ports, of which one is missing on the controller, one extra, one stale and one edited by hand."""
    blue = ground.network("blue")
    ids = ground.ports(blue, *(f"p{number}" for number in range(100)))
    first = ground.dispatcher("first", controller)
    wait_for("drained", ground.drained)
    first.stop()
    assert controller.request("DELETE", f"/v1/ports/{ids[0]}")[0] == 200
    ground.delete(Port, ids[1], is_recorded=False)
    ground.rename(Port, ids[2], "renamed", is_recorded=False)
    edited = {"network_id": blue, "name": "by hand"}
    assert controller.request("PUT", f"/v1/ports/{ids[3]}", edited)[0] == 200
    return blue, ids


@BOTH
def test_every_difference_is_found_and_repaired(ground: Ground, controller: Controller) -> None:
    _, ids = spoil(ground, controller)
    compare = reconciler(ground, controller)

    # To look changes nothing.
    (ports,) = compare.check(["port"])
    assert found(ports) == (1, 1, 2)
    assert sorted((each.what, each.id) for each in ports.differences) == sorted(
        [("missing", ids[0]), ("extra", ids[1]), ("stale", ids[2]), ("stale", ids[3])]
    )
    assert ground.drained()

    told: list[int] = []
    (ports,) = compare.repair(["port"], progress=lambda each: told.append(each.recorded))
    assert (ports.recorded, told[-1]) == (4, 4)
    # What's on its way is no difference.
    assert found(compare.check(["port"])[0]) == (0, 0, 0)
    ground.dispatcher("second", controller)
    wait_for("drained", ground.drained)
    assert controller.digests() == ground.digests()
    assert controller.objects("ports")[ids[3]]["name"] == "p3"
    assert all(each.is_equal for each in compare.check())
    assert {row["kind"]: row["recorded"] for row in comparisons(neutron_context.get_admin_context())}["port"] == 4


def test_what_is_parked_is_a_difference(ground: Ground, controller: Controller) -> None:
    """And so is what waits for it: nothing brings it over."""
    ground.network("blue", id="not an id: spaces")
    (port,) = ground.ports("not an id: spaces", "held")
    ground.dispatcher("one", controller, watches=True, sync_interval=0.5, sync_full_every=1000)
    wait_for("parked", lambda: [row.state for row in ground.rows()] == ["parked", "waiting"])
    wait_for("a comparison", lambda: {row["kind"]: row["finished_at"] for row in comparisons(admin())}.get("port"))
    compare = reconciler(ground, controller)
    assert [found(each) for each in compare.check(["network", "port"])] == [(1, 0, 0), (1, 0, 0)]

    # To send it again would be of no use: that is left to people. If they take it out, it is found.
    assert [each.recorded for each in compare.repair(["network", "port"])] == [0, 0]
    parked, waiting = ground.rows()
    assert skip(admin(), [waiting.seq]) == 1
    wait_for("the port is found", lambda: port in [row.object_id for row in ground.rows()])
    assert parked.seq in [row.seq for row in ground.rows()]


def test_other_clouds_on_the_controller_are_left_alone(ground: Ground, controller: Controller) -> None:
    assert controller.request("PUT", "/v1/networks/theirs", {"name": "theirs"})[0] == 200
    assert controller.request("PUT", "/v1/networks/others?revision=1&client=region2", {"name": "others"})[0] == 200
    ground.network("ours")
    ground.dispatcher("one", controller, watches=True)
    wait_for("drained", ground.drained)
    (networks,) = reconciler(ground, controller).check(["network"])
    assert (networks.ours, networks.theirs, networks.foreign) == (1, 1, 2)
    assert networks.is_equal
    assert controller.names("networks") == ["others", "ours", "theirs"]


def test_a_controller_that_lost_everything_is_filled_again(
    ground: Ground, new_controller: Callable[[], Controller]
) -> None:
    """Also one that came back from an old backup: here, from none. In pages, while the journal never grows long."""
    controller, fresh = new_controller(), new_controller()
    for number in range(3):
        network = ground.network(f"n{number}")
        ground.ports(network, *(f"p{number}" for number in range(400)))
    ground.dispatcher("one", controller, watches=True, sync_depth=100)
    wait_for("drained", ground.drained)
    controller.kill()
    fresh.kill()
    fresh.port, fresh.url = controller.port, controller.url
    fresh.start()
    wait_for("all of it", lambda: fresh.digests() == ground.digests())
    (one,) = ground.members()
    assert one == "one"


def test_the_watch_repairs_by_itself_what_was_edited_by_hand(ground: Ground, controller: Controller) -> None:
    blue = ground.network("blue")
    ground.dispatcher("one", controller, watches=True)
    ground.dispatcher("two", controller, watches=True)
    wait_for("drained", ground.drained)
    assert controller.request("PUT", f"/v1/networks/{blue}", {"name": "by hand"})[0] == 200
    wait_for("repair", lambda: controller.names("networks") == ["blue"])
    ground.delete(Network, blue, is_recorded=False)
    wait_for("repair", lambda: controller.names("networks") == [])


def test_plain_opendaylight_is_compared_by_its_lists(ground: Ground, controller: Controller) -> None:
    """It doesn't say whose objects are: so what Neutron doesn't know is deleted only on demand."""
    blue = ground.network("blue")
    ids = ground.ports(blue, "p0", "p1", "p2")
    first = ground.dispatcher("first", controller, northbound="opendaylight")
    wait_for("drained", ground.drained)
    first.stop()
    assert controller.request("DELETE", f"/controller/nb/v2/neutron/ports/{ids[0]}")[0] == 204
    ground.delete(Port, ids[1], is_recorded=False)
    ground.rename(Port, ids[2], "renamed", is_recorded=False)
    compare = reconciler(ground, controller, northbound="opendaylight")
    (ports,) = compare.check(["port"])
    assert found(ports) == (1, 1, 1)
    ground.dispatcher("second", controller, northbound="opendaylight")
    assert compare.repair(["port"])[0].recorded == 2
    wait_for("drained", ground.drained)
    assert controller.names("ports") == ["p0", "p1", "renamed"]
    assert compare.repair(["port"], extra=True)[0].recorded == 1
    wait_for("drained", ground.drained)
    assert controller.names("ports") == ["p0", "renamed"]


def test_plain_opendaylight_gets_what_is_older_than_what_it_has(ground: Ground, controller: Controller) -> None:
    """It answers 200 to an update of a lower revision, and changes nothing: Neutron's database was restored."""
    blue = ground.network("blue")
    ground.rename(Network, blue, "after the backup")
    ground.rename(Network, blue, "after the backup")
    ground.dispatcher("one", controller, northbound="opendaylight")
    wait_for("drained", ground.drained)
    ground.rename(Network, blue, "as it was", is_recorded=False)
    with ground.transaction() as context:
        context.session.execute(sa.update(ATTRIBUTES).values(revision_number=1))
    compare = reconciler(ground, controller, northbound="opendaylight")
    assert compare.repair(["network"])[0].recorded == 1
    wait_for("drained", ground.drained)
    assert controller.names("networks") == ["as it was"]
    assert compare.check(["network"])[0].is_equal
