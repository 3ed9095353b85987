"""What the status of a port should be."""

import pytest
from networking_daybreak.status.feed import Event, events
from networking_daybreak.status.picture import Picture, Told
from networking_daybreak.status.sharing import owner
from networking_daybreak.status.verdict import Seen, verdict


@pytest.mark.parametrize(
    ("seen", "told", "due"),
    [
        (Seen("p", "DOWN", host="h1"), Told(True, "h1"), "ACTIVE"),
        (Seen("p", "ACTIVE", host="h1"), Told(True, "h1"), None),
        (Seen("p", "ACTIVE", host="h1"), Told(False, "h1"), "DOWN"),
        (Seen("p", "ACTIVE", host="h1"), Told(False), "DOWN"),
        # The controller does not know the binding yet, or the port at all: nothing is known.
        (Seen("p", "DOWN", host="h2"), Told(True, "h1"), None),
        (Seen("p", "ACTIVE", host="h2"), Told(True, "h1"), None),
        (Seen("p", "ACTIVE", host="h1"), None, None),
        # A router's port has no interface: it is up as soon as a controller has it that acts on routers.
        (Seen("p", "DOWN", routed=True), Told(False), "ACTIVE"),
        (Seen("p", "ACTIVE", up=False, routed=True), Told(False), "DOWN"),
        (Seen("p", "DOWN", routed=True), None, None),
        # Neither bound by the driver nor a router's: somebody else's.
        (Seen("p", "DOWN"), Told(True, "h1"), None),
    ],
)
def test_a_port(seen: Seen, told: Told | None, due: str | None) -> None:
    assert verdict(seen, told) == due


def test_a_port_of_a_router_that_the_controller_does_not_act_on() -> None:
    """It has the router, and does nothing with it."""
    assert verdict(Seen("p", "ACTIVE", routed=True), Told(False), routers=False) == "DOWN"
    assert verdict(Seen("p", "DOWN", routed=True), Told(False), routers=False) is None


def test_a_stream_in_lines() -> None:
    lines = [
        b": resumes",
        b"",
        b"event: host",
        b'data: {"id": "h1",',
        b'data:  "record": null}',
        b"",
        b"event: complete",
        b"id: 7",
        b"data: {}",
        b"",
        b"id: 8",
        b"",
        b"data: 1",
        b"",
    ]
    assert [*events(lines)] == [
        Event("host", {"id": "h1", "record": None}, None),
        Event("complete", {}, "7"),
        Event("message", None, "8"),
        Event("message", 1, "8"),
    ]


def test_a_picture_told_anew_replaces_the_old_one_when_it_is_complete() -> None:
    picture = Picture()
    picture.begin()
    picture.tell_port("a", Told(True, "h1"))
    assert picture.ports == {}
    picture.complete()
    assert picture.take(0).everything
    picture.tell_port("a", Told(False))
    picture.tell_port("a", Told(False))
    assert picture.take(0).ports == {"a"}
    # The stream broke in the middle of another picture: the old one stands.
    picture.begin()
    picture.tell_port("b", Told(True, "h1"))
    picture.lost()
    assert picture.ports == {"a": Told(False)}
    picture.begin()
    picture.complete()
    assert picture.ports == {}


def test_hosts_are_shared_out_and_few_move_when_a_member_goes() -> None:
    hosts = [f"h{n}" for n in range(300)]
    before = {host: owner(host, ["a", "b", "c"]) for host in hosts}
    after = {host: owner(host, ["a", "c"]) for host in hosts}
    assert {*before.values()} == {"a", "b", "c"}
    assert all(after[host] == member for host, member in before.items() if member != "b")
    assert owner("h1", []) is None
