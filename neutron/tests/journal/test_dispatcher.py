"""The journal's way to the controller: what is sent, in which order, and what holds it up."""

import time
from collections.abc import Callable

from neutron.db.models.securitygroup import SecurityGroup
from neutron.db.models_v2 import Network, Port

from .conftest import BOTH
from .ground import Controller, Ground, wait_for


@BOTH
def test_what_neutron_has_gets_to_the_controller(ground: Ground, controller: Controller) -> None:
    blue = ground.network("blue")
    group = ground.group("web")
    ids = ground.ports(blue, *(f"p{number}" for number in range(600)), groups=(group,))
    for number in range(30):
        ground.rename(Port, ids[0], f"changed {number}")
    for id in ids[100:200]:
        ground.delete(Port, id)
    one = ground.dispatcher("one", controller)
    wait_for("drained", ground.drained)
    assert controller.digests() == ground.digests()
    assert controller.objects("ports")[ids[0]]["name"] == "changed 29"
    assert controller.objects("ports")[ids[0]]["security_groups"] == [group]
    # All changes of an object made one request of it, and nothing was sent of what was created and deleted.
    wait_for("counted", lambda: one.tally.sent == {"network": 1, "security_group": 1, "port": 600})

    for id in ids:
        if id not in ids[100:200]:
            ground.delete(Port, id)
    ground.delete(Network, blue)
    wait_for("drained", ground.drained)
    assert controller.objects("ports") == controller.objects("networks") == {}


@BOTH
def test_two_dispatchers_share_the_work(ground: Ground, controller: Controller) -> None:
    networks = [ground.network(f"n{number}") for number in range(20)]
    for network in networks:
        ground.ports(network, *(f"p{number}" for number in range(50)))
    one, two = (ground.dispatcher(name, controller, batch=20) for name in ("one", "two"))
    wait_for("drained", ground.drained)
    assert controller.digests() == ground.digests()
    wait_for("counted", lambda: sum((one.tally.sent + two.tally.sent).values()) == 1020)
    assert one.tally.batches and two.tally.batches


def test_a_dispatcher_hears_of_its_own_server_at_once(ground: Ground, controller: Controller) -> None:
    import socket

    one = ground.dispatcher("one", controller, poll_interval=3600.0)
    wait_for("active", lambda: one.is_active)
    time.sleep(0.3)
    ground.network("blue")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messenger:
        messenger.sendto(b"\0", str(ground.folder / "one.sock"))
    wait_for("drained", ground.drained, timeout=20)


def test_what_is_refused_is_parked_with_what_refers_to_it(ground: Ground, controller: Controller) -> None:
    """A port with a MAC address that no controller takes, in the midst of others."""
    blue = ground.network("blue", id="not an id: spaces")
    red = ground.network("red")
    held = ground.ports(blue, "held")
    ground.ports(red, *(f"p{number}" for number in range(50)))
    ground.dispatcher("one", controller)
    wait_for("the others", lambda: len(ground.rows()) == 2)
    parked, waiting = ground.rows()
    assert (parked.kind, parked.state, parked.owner) == ("network", "parked", None)
    assert "expected an id" in parked.reason
    assert (waiting.object_id, waiting.state, waiting.waits_for) == (held[0], "waiting", parked.seq)
    assert controller.names("networks") == ["red"]
    assert len(controller.objects("ports")) == 50

    # The port goes, and the network with it: nothing is left that could be refused.
    ground.delete(Port, held[0])
    ground.delete(Network, blue)
    wait_for("the port's rows to go", lambda: held[0] not in [row.object_id for row in ground.rows()])


def test_an_object_that_is_put_right_takes_the_others_along(ground: Ground, controller: Controller) -> None:
    blue = ground.network("blue")
    (bad,) = ground.ports(blue, "bad")
    ground.rename(Port, bad, "bad", mac_address="not a mac")
    ground.dispatcher("one", controller)
    wait_for("parked", lambda: [row.state for row in ground.rows()] == ["parked", "parked"])
    assert "mac_address" in ground.rows()[0].reason
    ground.rename(Port, bad, "good", mac_address="fa:16:3e:00:00:01")
    wait_for("drained", ground.drained)
    assert controller.names("ports") == ["good"]


def test_secrets_and_bodies_stay_out_of_the_log(ground: Ground, controller: Controller) -> None:
    blue = ground.network("confidential network")
    ground.ports(blue, "confidential port")
    (bad,) = ground.ports(blue, "confidential bad port")
    ground.rename(Port, bad, "confidential bad port", mac_address="confidential mac")
    ground.process("one", controller)
    wait_for("parked", lambda: [row.state for row in ground.rows()] == ["parked", "parked"])
    said = ground.log("one")
    assert f"Parked: port {bad} is refused" in said
    assert "confidential" not in said and "password" not in said


def test_while_the_controller_is_away_nothing_is_lost_and_no_tries_are_used(
    ground: Ground, new_controller: Callable[[], Controller]
) -> None:
    controller = new_controller()
    controller.kill()
    blue = ground.network("blue")
    ground.ports(blue, "p1", "p2")
    one = ground.dispatcher("one", controller)
    wait_for("open circuit", lambda: one.controllers.circuit.is_open)
    time.sleep(1)
    assert [(row.state, row.attempts) for row in ground.rows()] == [("pending", 0)] * 3
    controller.start()
    wait_for("drained", ground.drained)
    assert controller.digests() == ground.digests()

    # It goes while there's work, again and again.
    for _ in range(2):
        ground.ports(blue, *(f"more{number}" for number in range(100)))
        controller.kill()
        time.sleep(0.3)
        assert all(row.attempts == 0 for row in ground.rows())
        controller.start()
    wait_for("drained", ground.drained)
    assert controller.digests() == ground.digests()


def test_the_next_controller_is_used_when_the_first_is_away(
    ground: Ground, new_controller: Callable[[], Controller]
) -> None:
    first, second = new_controller(), new_controller()
    ground.network("blue")
    one = ground.dispatcher("one", first, second, watches=True)
    wait_for("drained", ground.drained)
    assert (first.names("networks"), second.names("networks")) == (["blue"], [])
    first.kill()
    ground.network("red")
    wait_for("both on the second", lambda: second.names("networks") == ["blue", "red"])
    assert str(one.controllers.current.endpoint) == second.url


def test_a_kind_that_the_controller_does_not_serve_is_skipped_and_shown(ground: Ground, controller: Controller) -> None:
    """OpenDaylight knows no address groups."""
    with ground.transaction() as context:
        from networking_daybreak.journal.record import record

        record(context, "address_group", "a1")
    one = ground.dispatcher("one", controller, northbound="opendaylight")
    wait_for("drained", ground.drained)
    wait_for("counted", lambda: one.tally.outcomes["skipped"] == 1)
    assert "address_group" in one.report()["controller"]["not_served"]


def test_objects_made_anew_under_an_old_id(ground: Ground, controller: Controller) -> None:
    """As by a backup of Neutron's database: the controller has seen higher revisions, and tombstones."""
    ground.dispatcher("one", controller)
    blue = ground.network("blue", id="1b1b1b1b", revision=9)
    wait_for("drained", ground.drained)
    ground.delete(Network, blue)
    wait_for("drained", ground.drained)
    assert controller.names("networks") == []
    ground.network("blue again", id="1b1b1b1b", revision=2)
    wait_for("drained", ground.drained)
    assert controller.names("networks") == ["blue again"]
    assert controller.digests() == ground.digests()
    # Deleted and made anew before anybody looked.
    ground.delete(Network, blue)
    ground.network("and again", id="1b1b1b1b", revision=1)
    wait_for("drained", ground.drained)
    assert controller.names("networks") == ["and again"]
    assert controller.digests() == ground.digests()


def test_the_controller_knows_higher_tokens_than_the_database(ground: Ground, controller: Controller) -> None:
    """Neutron's database is a backup from before this server joined so often."""
    fence = {"client": "neutron", "writer": "backed-up.0", "token": 41 << 20}
    assert controller.request("POST", "/v1/transactions", {"operations": [], "fence": fence})[0] == 200
    ground.network("blue")
    one = ground.dispatcher("backed-up", controller, streams=1)
    wait_for("drained", ground.drained)
    assert one.membership.token == 42


def test_a_controller_that_stops_answering_in_the_middle(
    ground: Ground, new_controller: Callable[[], Controller]
) -> None:
    """What it got and didn't answer may still be carried out: not after something newer was sent."""
    controller = new_controller()
    blue = ground.network("blue")
    ground.dispatcher("one", controller, timeout=0.5, streams=1)
    wait_for("drained", ground.drained)
    controller.pause()
    for number in range(3):
        ground.rename(Network, blue, f"blue {number}")
        time.sleep(1)
    controller.resume()
    wait_for("drained", ground.drained)
    assert controller.names("networks") == ["blue 2"]
    assert controller.digests() == ground.digests()


def test_a_controller_that_hangs_does_not_make_members_look_dead(
    ground: Ground, new_controller: Callable[[], Controller]
) -> None:
    controller = new_controller()
    controller.pause()
    ground.dispatcher("one", controller, controller)
    wait_for("joining", lambda: ground.members() == {"one": "joining"})
    with ground.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        beats = lambda: connection.exec_driver_sql("SELECT beats FROM daybreak_member").scalar()  # noqa: E731
        before = beats()
        # Probing both URLs takes six seconds; with the patience of these tests it would be gone by then.
        wait_for("signs of life", lambda: beats() > before + 8, timeout=5)
    controller.resume()
    wait_for("active", lambda: ground.members() == {"one": "active"})


def test_a_group_is_deleted_after_the_ports_that_had_it(ground: Ground, controller: Controller) -> None:
    """The port's change is recorded before the group's deletion, but another dispatcher has it in hand."""
    blue, web = ground.network("blue"), ground.group("web")
    ground.ports(blue, "p1", groups=(web,))
    one = ground.dispatcher("one", controller)
    wait_for("drained", ground.drained)
    one.stop()
    with ground.transaction() as context:
        import sqlalchemy as sa
        from neutron.db.models.securitygroup import SecurityGroupPortBinding

        context.session.execute(sa.delete(SecurityGroupPortBinding.__table__))
    (port,) = controller.objects("ports")
    ground.rename(Port, port, "p1")
    (row,) = ground.rows()
    with ground.engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE daybreak_journal SET owner = 'other', token = 1 WHERE seq = {row.seq}"))
    ground.delete(SecurityGroup, web)
    ground.dispatcher("two", controller)
    wait_for("it to wait", lambda: ground.rows()[-1].state == "waiting")
    assert ground.rows()[-1].waits_for == row.seq
    assert controller.names("security-groups") == ["web"]
    with ground.engine.begin() as connection:
        connection.execute(sa.text("UPDATE daybreak_journal SET owner = NULL"))
    wait_for("drained", ground.drained)
    assert controller.names("security-groups") == []
