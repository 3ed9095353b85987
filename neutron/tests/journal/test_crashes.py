"""kill -9 at every step of the dispatcher's loop: others take over in seconds, and nothing is lost or done twice."""

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from networking_daybreak.journal.crash import POINTS
from neutron.db.models_v2 import Network, Port

from daybreak_lab.openstack import Database, MariaDB

from .conftest import BOTH
from .ground import Controller, Ground, wait_for

TAKEOVER = 10.0
"""Seconds in which others are to have taken over, with the default patience; the tests' is shorter."""


@pytest.mark.parametrize("point", [each for each in POINTS if "takeover" not in each])
def test_a_dispatcher_dies(ground: Ground, controller: Controller, point: str) -> None:
    blue = ground.network("blue")
    ids = ground.ports(blue, *(f"p{number}" for number in range(20)))
    victim = ground.process("victim", controller, crash_at=point)
    assert victim.wait(60) == -signal.SIGKILL
    since = time.monotonic()
    # While it's dead, things change.
    ground.rename(Port, ids[0], "changed")
    ground.delete(Port, ids[1])
    ground.dispatcher("heir", controller)
    wait_for("drained", ground.drained)
    assert time.monotonic() - since < TAKEOVER
    assert controller.digests() == ground.digests()
    assert controller.objects("ports")[ids[0]]["name"] == "changed"


@pytest.mark.parametrize("point", ["before-takeover", "after-takeover"])
def test_the_heir_dies_too(ground: Ground, controller: Controller, point: str) -> None:
    ground.network("blue")
    victim = ground.process("victim", controller, crash_at="after-claim")
    assert victim.wait(60) == -signal.SIGKILL
    # An heir settles itself when it joins: the second time is the takeover.
    heir = ground.process("heir", controller, crash_at=f"{point}:2")
    assert heir.wait(60) == -signal.SIGKILL
    ground.dispatcher("third", controller)
    wait_for("drained", ground.drained)
    assert controller.names("networks") == ["blue"]


@BOTH
def test_the_same_server_comes_back_after_a_crash(ground: Ground, controller: Controller) -> None:
    """It needn't wait for anybody to notice: a new token settles what the old one had claimed."""
    ground.network("blue")
    assert ground.process("victim", controller, crash_at="before-send", gone_after=3600).wait(60) == -signal.SIGKILL
    assert [row.owner for row in ground.rows()] == ["victim"]
    ground.dispatcher("victim", controller, gone_after=3600)
    wait_for("drained", ground.drained)
    assert controller.names("networks") == ["blue"]


def fall_asleep(ground: Ground, process: subprocess.Popen[bytes]) -> None:
    """Stop a dispatcher at a moment when it has no transaction open, whose locks others would wait for."""
    open_ones = sa.text("SELECT COUNT(*) FROM information_schema.INNODB_TRX")
    while True:
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        time.sleep(0.2)  # for as long the server tells what it told before
        with ground.engine.connect() as connection:
            if connection.execute(open_ones).scalar() == 0:
                return
        process.send_signal(signal.SIGCONT)


def test_who_wakes_up_too_late_is_fenced_off(ground: Ground, controller: Controller) -> None:
    """A dispatcher stands still, as by a hypervisor's pause, and goes on after others have taken over."""
    blue = ground.network("blue")
    sleeper = ground.process("sleeper", controller, streams=1)
    wait_for("drained", ground.drained)
    fall_asleep(ground, sleeper)
    with ground.engine.begin() as connection:
        # As if it had been stopped between its claim and its request.
        ground.rename(Network, blue, "first")
        connection.exec_driver_sql("UPDATE daybreak_journal SET owner = 'sleeper', token = 1")
    ground.dispatcher("heir", controller)
    wait_for("gone", lambda: ground.members().get("sleeper") == "gone")
    wait_for("drained", ground.drained)
    late = {
        "operations": [{"put": {"kind": "network", "body": {"id": blue, "name": "late"}, "revision": 99}}],
        "fence": {"client": "neutron", "writer": "sleeper.0", "token": 1 << 20},
    }
    assert controller.request("POST", "/v1/transactions", late)[0] == 409
    assert controller.names("networks") == ["first"]
    sleeper.send_signal(signal.SIGCONT)
    wait_for("it to join anew", lambda: ground.members()["sleeper"] == "active")


def test_two_of_one_name_are_one_too_many(ground: Ground, controller: Controller) -> None:
    first = ground.process("twin", controller)
    wait_for("active", lambda: ground.members().get("twin") == "active")
    ground.dispatcher("twin", controller)
    assert first.wait(60) == 1
    assert "Another dispatcher runs under the name twin" in ground.log("twin")


def test_the_database_dies(
    ground: Ground, controller: Controller, journal_databases: Callable[[type[Database]], Database]
) -> None:
    """In the middle of the work; the dispatcher goes on when it's back."""
    database = journal_databases(MariaDB)
    blue = ground.network("blue")
    ground.process("one", controller, batch=5)
    wait_for("active", lambda: ground.members().get("one") == "active")
    ground.ports(blue, *(f"p{number}" for number in range(200)))
    database.kill()
    database.start()
    ground.ports(blue, "later")
    wait_for("drained", ground.drained)
    assert controller.digests() == ground.digests()


@BOTH
def test_the_database_goes_away_while_it_commits_a_claim(ground: Ground, controller: Controller) -> None:
    """The claim stands, and who made it never heard so: it's settled as for one that was killed."""
    with ground.answer_lost("UPDATE daybreak_journal SET owner") as is_lost:
        ground.network("blue")
        ground.dispatcher("one", controller)
        wait_for("a lost answer", is_lost)
    wait_for("drained", ground.drained)
    assert controller.names("networks") == ["blue"]


def test_sigterm_leaves_nothing_behind(ground: Ground, controller: Controller) -> None:
    process = ground.process("one", controller)
    wait_for("active", lambda: ground.members().get("one") == "active")
    ground.network("blue")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert ground.members() == {"one": "gone"}
    assert all(row.owner is None for row in ground.rows())


def test_the_controller_is_away_at_the_start(ground: Ground, controller: Controller) -> None:
    """The program starts all the same, and says so."""
    nowhere = Controller(ground.folder / "nowhere")
    process = ground.process("one", nowhere)
    wait_for("a warning", lambda: "joining" in ground.members().values())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
