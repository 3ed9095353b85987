"""What needs neither a database nor a controller: order, life and death, waiting, digests."""

from types import SimpleNamespace

import pytest
from networking_daybreak.journal import states
from networking_daybreak.journal.members import member_name
from networking_daybreak.journal.order import children, ranks, sending_order
from networking_daybreak.northbound.answers import Change
from networking_daybreak.northbound.circuit import Circuit, backoff
from networking_daybreak.northbound.endpoint import Access, Endpoint
from networking_daybreak.resources import KINDS
from networking_daybreak.sync.digests import Difference, differences, digest, pages


def test_what_others_refer_to_goes_first_and_goes_last() -> None:
    order = ranks(KINDS)
    for kind in KINDS.values():
        assert all(order[parent] < order[kind.name] for parent in kind.parent_kinds if parent in KINDS), kind.name
    changes = [
        Change("port", "p1", None, 1),
        Change("port", "p2", {}, 1),
        Change("network", "n1", None, 1),
        Change("subnet", "s2", {}, 1),
        Change("network", "n2", {}, 1),
    ]
    assert [each.id for each in sending_order(changes, order)] == ["n2", "s2", "p2", "p1", "n1"]
    assert "port" in children(KINDS)["network"]


def test_kinds_that_refer_to_each_other_in_a_circle_are_refused() -> None:
    kinds = {"a": SimpleNamespace(parent_kinds=("b",)), "b": SimpleNamespace(parent_kinds=("a",))}
    with pytest.raises(ValueError, match="a → b → a"):
        ranks(kinds)


def test_who_is_silent_becomes_suspect_and_then_gone() -> None:
    watch = states.Watch(states.Patience(suspect_after=3, gone_after=6))
    see = lambda beats, now, state="active": watch.state("s1", state, 1, beats, now)  # noqa: E731
    assert see(1, 100) == "active"
    assert see(1, 102.9) == "active"
    assert see(1, 103) == "suspect"
    assert see(2, 105, "suspect") == "active"
    assert see(2, 110.9, "suspect") == "suspect"
    assert see(2, 111, "suspect") == "gone"
    # Whoever comes back has a new token; one that's gone stays so.
    assert watch.state("s1", "gone", 2, 2, 200) == "gone"
    assert watch.state("s1", "gone", 2, 2, 300) == "gone"
    assert watch.state("s1", "joining", 3, 3, 301) == "joining"
    # One that never gets to work is gone, too.
    assert watch.state("s1", "joining", 3, 3, 307) == "gone"


def test_an_observer_that_just_came_buries_nobody() -> None:
    watch = states.Watch(states.Patience(suspect_after=3, gone_after=6))
    assert watch.state("s1", "active", 1, 99, 1e6) == "active"


def test_work_is_shared_out_and_little_of_it_moves() -> None:
    keys = [f"h{number}" for number in range(300)]
    three = {key: states.owner_of(key, ["a", "b", "c"]) for key in keys}
    two = {key: states.owner_of(key, ["c", "a"]) for key in keys}
    shares = [len(states.share_of(name, keys, ["a", "b", "c"])) for name in "abc"]
    assert sum(shares) == 300 and min(shares) > 60
    assert all(two[key] == three[key] for key in keys if three[key] != "b")
    assert states.owner_of("h1", []) is None


def test_a_circuit_tries_again_after_a_while() -> None:
    circuit = Circuit(random=lambda: 1.0)
    circuit.failed("away", 100.0)
    assert circuit.is_open and circuit.due == 100.2
    for _ in range(10):
        circuit.failed("away", 200.0)
    assert circuit.due == 203.0 and circuit.since == 100.0
    circuit.succeeded()
    assert not circuit.is_open
    assert [backoff(attempts, lambda: 1.0) for attempts in (0, 1, 3, 20)] == [1.0, 2.0, 8.0, 300.0]


def test_names_of_hosts_fit_the_controller() -> None:
    assert member_name("net-1.example.org") == "net-1.example.org"
    assert member_name("_host/é") == "m_host--"
    long = member_name("x" * 100)
    assert len(long) == 56 and long != member_name("x" * 101)


@pytest.mark.parametrize(
    ("url", "root", "opendaylight"),
    [
        ("http://c1:8181", "http://c1:8181", "/controller/nb/v2/neutron"),
        ("https://admin:secret@c1:8443/", "https://c1:8443", "/controller/nb/v2/neutron"),
        ("http://c1:8080/odl/nb/", "http://c1:8080", "/odl/nb"),
        ("http://c1:8181/v1", "http://c1:8181", "/controller/nb/v2/neutron"),
        ("c1:8181", "http://c1:8181", "/controller/nb/v2/neutron"),
    ],
)
def test_urls(url: str, root: str, opendaylight: str) -> None:
    endpoint = Endpoint(url, Access("admin", "secret"))
    assert (endpoint.root, endpoint.opendaylight) == (root, opendaylight)
    assert "secret" not in f"{endpoint} {Access('admin', 'secret')!r}"


def test_digests_are_the_controllers() -> None:
    """The example of docs/api.md."""
    objects = {"4e8e5957-649f-477b-9e5b-f1f75b21c03c": 7, "n1": 1}
    assert digest(objects) == (2, "81f14283de588f0f9df2859ff0c41038")
    assert "d920" in pages(objects, 4) and "d9" in pages(objects, 2)


def test_a_single_difference_among_many_is_found_by_reading_little() -> None:
    ours = {f"id{number}": 1 for number in range(5000)}
    theirs: dict[str, int | None] = {**ours, "id7": 2, "id8": None}
    del theirs["id9"]
    asked = []

    def page(path: str) -> dict[str, object]:
        asked.append(path)
        mine = {id: revision for id, revision in theirs.items() if f"{path}" == path_of(id, len(path))}
        if path:
            return {"objects": mine}
        marks = {id: -1 if revision is None else revision for id, revision in mine.items()}
        told = {path: digest(objects) for path, objects in pages(marks, 2).items()}
        return {"pages": {path: {"count": each.count, "digest": each.value} for path, each in told.items()}}

    def path_of(id: str, digits: int) -> str:
        return next(iter(pages({id: 0}, digits)))

    found = sorted(differences("port", ours, page))
    assert found == [
        Difference("missing", "port", "id9", 1, None),
        Difference("stale", "port", "id7", 1, 2),
        Difference("stale", "port", "id8", 1, None),
    ]
    assert len(asked) <= 4
