"""The commands of operators, as a story: what each prints, and its exit code."""

import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from daybreak_lab import wait_for
from daybreak_lab.daemon import Daemon
from daybreak_lab.openstack import Database, member

from ..cloud import BIN, DEADLINE, JOURNAL, Cloud
from ..l3.ways import paused

pytestmark = pytest.mark.ovs
METRICS = "127.0.0.1:9698"


@pytest.fixture(scope="module")
def run(cloud: Cloud) -> Callable[..., tuple[int, str]]:
    """`neutron-daybreak …` with the cloud's configuration: its exit code and what it prints."""

    def ask(*arguments: str) -> tuple[int, str]:
        config = f"--config-file={cloud.neutron.config_file}"
        done = cloud.neutron.run("neutron-daybreak", config, *arguments, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    return ask


@pytest.fixture
def stopped(cloud: Cloud) -> Iterator[None]:
    """No dispatcher runs during the test."""
    cloud.neutron.daemons[JOURNAL].stop()
    yield
    if not cloud.neutron.daemons[JOURNAL].is_running:
        cloud.neutron.daemons[JOURNAL].start()


def until(run: Callable[..., tuple[int, str]], code: int, *arguments: str) -> str:
    """What a command prints once it ends with this code."""
    found: list[tuple[int, str]] = []
    wait_for(f"{arguments} to end with {code}", lambda: found.append(run(*arguments)) or found[-1][0] == code, DEADLINE)
    return found[-1][1]


def sent(cloud: Cloud) -> None:
    """Wait until the journal is empty: what is still on its way is no difference."""
    notes = "SELECT COUNT(*) FROM daybreak_journal"
    wait_for("an empty journal", lambda: cloud.database.query(notes) == [["0"]], DEADLINE)


def test_all_is_well_and_equal(cloud: Cloud, run: Callable[..., tuple[int, str]]) -> None:
    client = cloud.client(member("operators"))
    network = client.create("networks", name="red")
    client.create("subnets", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")

    assert "All is well." in until(run, 0, "status")
    sent(cloud)
    code, said = run("sync", "--check")
    assert code == 0 and "Neutron and the controller are equal." in said
    code, said = run("members")
    assert code == 0 and "active" in said and "http://127.0.0.1:8181" in said
    assert json.loads(run("journal", "list", "--json")[1]) == []
    assert run("journal", "show", network["id"])[0] == 1


def test_a_dispatcher_that_is_gone(cloud: Cloud, run: Callable[..., tuple[int, str]], stopped: None) -> None:
    client = cloud.client(member("operators"))
    network = client.create("networks", name="waits")
    subnet = client.create("subnets", network_id=network["id"], ip_version=4, cidr="10.1.0.0/24")

    code, said = run("status")
    assert code == 1 and "No dispatcher is active" in said

    code, said = run("journal", "list", "--kind", "subnet", "--state", "pending")
    assert code == 0 and subnet["id"] in said and network["id"] not in said

    assert "no dispatcher is active" in run("journal", "why", network["id"][:8])[1]

    # What is taken out unsent is found by the next comparison.
    code, said = run("journal", "skip", network["id"], subnet["id"])
    assert code == 0, said
    code, said = run("sync", "--check", "--kind", "network")
    assert code == 1 and f"missing: network {network['id']}" in said
    cloud.neutron.daemons[JOURNAL].start()
    assert run("sync", "--repair")[0] == 0
    sent(cloud)
    assert run("sync", "--check")[0] == 0


def test_a_number_is_that_of_a_row(cloud: Cloud, run: Callable[..., tuple[int, str]], stopped: None) -> None:
    """Ids can begin with it."""

    def note(id: str) -> str:
        add = "INSERT INTO daybreak_journal (kind, object_id, recorded_at) VALUES"
        cloud.database.query(f"{add} ('network', '{id}', {time.time()})")
        return cloud.database.query("SELECT MAX(seq) FROM daybreak_journal")[0][0]

    def noted() -> list[str]:
        return [row["object_id"] for row in json.loads(run("journal", "list", "--json")[1])]

    sent(cloud)
    row = note("f00d0000-0000-4000-8000-000000000000")
    ids = [f"{row}{digit}aaaaaa-0000-4000-8000-000000000000" for digit in "12"]
    for id in ids:
        note(id)
    assert json.loads(run("journal", "show", row, "--json")[1])[0]["object_id"].startswith("f00d")
    assert run("journal", "skip", row)[0] == 0
    assert noted() == ids

    # What begins two ids names neither.
    code, said = run("journal", "skip", row)
    assert code == 2 and "is the beginning of 2 ids" in said
    assert run("journal", "retry", row)[0] == 2
    assert noted() == ids
    assert run("journal", "skip", *ids)[0] == 0


def test_a_change_by_hand_is_found_and_put_right(cloud: Cloud, run: Callable[..., tuple[int, str]]) -> None:
    network = cloud.client(member("operators")).create("networks", name="as it should be")
    sent(cloud)
    with paused(cloud):  # a dispatcher that has just started compares, and could put it right first
        body = cloud.controller.objects("networks")[network["id"]]
        assert cloud.controller.request("PUT", f"/v1/networks/{network['id']}", {**body, "name": "otherwise"})[0] == 200

        code, said = run("sync", "--check", "--kind", "network", "--id", network["id"])
        assert code == 1 and "there changed by somebody else" in said
        code, said = run("sync", "--repair", "--kind", "network", "--id", network["id"])
        assert code == 0 and "is sent again" in said
    sent(cloud)
    assert run("sync", "--check", "--kind", "network")[0] == 0
    assert cloud.controller.objects("networks")[network["id"]]["name"] == "as it should be"


def test_a_row_that_the_controller_refused(cloud: Cloud, run: Callable[..., tuple[int, str]]) -> None:
    database = cloud.database
    network = cloud.client(member("operators")).create("networks", name="parked")
    sent(cloud)
    add = "INSERT INTO daybreak_journal (kind, object_id, recorded_at, state, reason) VALUES"
    database.query(f"{add} ('network', '{network['id']}', {time.time()}, 'parked', 'The controller does not like it')")

    code, said = run("status")
    assert code == 1 and "1 rows are parked" in said
    assert (
        "is parked, for the controller refused it: The controller does not like it"
        in run("journal", "why", network["id"])[1]
    )
    code, said = run("journal", "retry", "--parked")
    assert code == 0 and "1 rows are sent again." in said
    until(run, 0, "status")


def test_rows_of_networking_odl_are_brought_over(
    cloud: Cloud, run: Callable[..., tuple[int, str]], stopped: None
) -> None:
    network = cloud.client(member("operators")).create("networks", name="from before")
    run("journal", "skip", network["id"])
    old_journal(cloud.database, ("network", network["id"]), ("network", network["id"]), ("bgpvpn", "some-vpn"))

    code, said = run("import-odl", "--dry-run")
    assert code == 1 and "3 rows of networking-odl found, 0 brought over." in said
    code, said = run("import-odl")
    assert code == 1 and "2 brought over" in said and "left: 1 rows of kind bgpvpn" in said
    assert network["id"] in run("journal", "list", "--kind", "network")[1]
    cloud.database.query("DROP TABLE opendaylightjournal")
    cloud.neutron.daemons[JOURNAL].start()
    sent(cloud)
    assert run("sync", "--check", "--kind", "network")[0] == 0


def old_journal(database: Database, *rows: tuple[str, str]) -> None:
    """The table that networking-odl's migrations leave, with pending rows."""
    database.query(
        "CREATE TABLE opendaylightjournal (seqnum BIGINT PRIMARY KEY AUTO_INCREMENT, object_type VARCHAR(36) NOT NULL,"
        " object_uuid VARCHAR(36) NOT NULL, operation VARCHAR(36) NOT NULL, data BLOB,"
        " state ENUM('pending','processing','failed','completed') NOT NULL DEFAULT 'pending')"
    )
    for kind, id in rows:
        add = "INSERT INTO opendaylightjournal (object_type, object_uuid, operation) VALUES"
        database.query(f"{add} ('{kind}', '{id}', 'create')")


def test_what_neutron_asks_before_an_upgrade(cloud: Cloud) -> None:
    done = cloud.neutron.run("neutron-status", "upgrade", "check", "--json", check=False)
    checks: dict[str, Any] = {each["check"]: each for each in json.loads(done.stdout)["checks"]}
    assert checks["Daybreak's journal has nothing that was refused"]["details"] == "nothing is parked"
    assert checks["networking-odl's journal is empty"]["result"] == 0
    assert checks["Daybreak's dispatchers know all kinds in the journal"]["result"] == 0


def test_metrics(cloud: Cloud, run: Callable[..., tuple[int, str]]) -> None:
    # A second dispatcher, on another server of the same cloud.
    home = cloud.neutron.directory / "second"
    home.mkdir()
    extra = home / "extra.conf"
    extra.write_text(f"[DEFAULT]\nhost = second\nstate_path = {home}\n[daybreak]\nmetrics = {METRICS}\n")
    options = (f"--config-file={cloud.neutron.config_file}", f"--config-file={extra}")
    second = Daemon(cloud.lab.controller_namespace, "second", str(BIN / JOURNAL), *options)
    second.start()
    try:
        wait_for("the second dispatcher", lambda: 'members{state="active"} 2.0' in scrape(cloud), DEADLINE)
        until(run, 0, "status")
        text = scrape(cloud)
        assert 'neutron_daybreak_rows{state="parked"} 0.0' in text
        assert "neutron_daybreak_controller_away 0.0" in text
        assert second.stop() == 0
        assert "gone" in run("members")[1]
    finally:
        second.end()


def scrape(cloud: Cloud) -> str:
    """What Prometheus would read; nothing while nobody listens."""
    connection = http.client.HTTPConnection(METRICS, timeout=DEADLINE)
    try:
        with cloud.lab.controller_namespace.entered():
            connection.connect()
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    except ConnectionError:
        return ""
    finally:
        connection.close()


def test_a_database_that_is_away(cloud: Cloud, run: Callable[..., tuple[int, str]]) -> None:
    wrong = cloud.neutron.directory / "wrong.conf"
    wrong.write_text("[database]\nconnection = mysql+pymysql://nobody@127.0.0.1:1/nothing\n")
    done = cloud.neutron.run("neutron-daybreak", f"--config-file={wrong}", "status", check=False)
    assert done.returncode == 3 and "database can't be asked" in done.stderr


def test_every_command_has_an_example() -> None:
    commands = ["status", "members", "sync", "import-odl"]
    commands += [f"journal {name}" for name in ("list", "show", "why", "retry", "skip")]
    asked = {
        command: subprocess.Popen(
            [BIN / "neutron-daybreak", *command.split(), "--help"], stdout=subprocess.PIPE, text=True
        )
        for command in commands
    }
    for command, process in asked.items():
        said, _ = process.communicate()
        assert f"neutron-daybreak {command}" in said, said
        assert "--json" in said
