"""What dispatchers do with the journal's rows in the database, on each that is supported."""

import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa
from networking_daybreak.db.models import TABLES
from networking_daybreak.journal import claims as journal
from networking_daybreak.journal.batch import Batch, hold_back
from networking_daybreak.journal.claims import Owner, Verdict
from networking_daybreak.journal.members import EXPIRY, Membership, elect, members_of, note_settled, remove_expired
from networking_daybreak.journal.models import Row
from networking_daybreak.journal.record import record
from networking_daybreak.journal.states import Patience
from networking_daybreak.northbound.answers import Change
from networking_daybreak.resources import KINDS
from neutron_lib import context as neutron_context
from neutron_lib.db import api as db_api
from neutron_lib.db import model_base

from .conftest import BOTH
from .ground import Ground

A, B = Owner("a", 1), Owner("b", 1)
J = Row.__table__


def admin() -> Any:
    return neutron_context.get_admin_context()


def claim(owner: Owner, limit: int = 100) -> list[tuple[str, int]]:
    """The ids of the objects that were claimed, and how many rows of each."""
    return [(each.id, len(each.rows)) for each in journal.claim(admin(), owner, KINDS, limit, time.time())]


def note(ground: Ground, *ids: str, kind: str = "port") -> None:
    with ground.transaction() as context:
        for id in ids:
            record(context, kind, id)


def finish(owner: Owner, *claims: journal.Claim) -> bool:
    return journal.finish(admin(), owner, Verdict(done=[*claims]))


@BOTH
def test_an_object_is_claimed_as_a_whole_and_by_one(ground: Ground) -> None:
    note(ground, "x", "y", "x", "z", "x")
    assert claim(A, limit=2) == [("x", 3), ("y", 1)]
    # What comes meanwhile waits until the claim is settled.
    note(ground, "x")
    assert claim(B) == [("z", 1)]
    assert claim(B) == []


@BOTH
def test_rows_that_came_after_a_claim_stay(ground: Ground) -> None:
    note(ground, "x", "x")
    (x,) = journal.claim(admin(), A, KINDS, 10, time.time())
    note(ground, "x")
    assert finish(A, x)
    assert [row.object_id for row in ground.rows()] == ["x"]
    assert claim(A) == [("x", 1)]


@BOTH
def test_who_was_replaced_can_finish_nothing(ground: Ground) -> None:
    note(ground, "x", "y")
    taken = journal.claim(admin(), A, KINDS, 10, time.time())
    assert journal.release_of(admin(), "a", below=2) == 2
    assert not finish(A, *taken)
    assert len(ground.rows()) == 2
    assert claim(B) == [("x", 1), ("y", 1)]


@BOTH
def test_what_waits_goes_on_when_what_it_waits_for_is_done(ground: Ground) -> None:
    note(ground, "n", kind="network")
    note(ground, "x")
    n, x = journal.claim(admin(), A, KINDS, 10, time.time())
    assert journal.finish(admin(), A, Verdict(parked=[(n, "no")], waiting=[(x, n.head)]))
    assert claim(A) == []
    assert [(row.state, row.waits_for) for row in ground.rows()] == [("parked", None), ("waiting", n.head)]
    # The network changes: it gets another try, and all of its rows go when that goes well.
    note(ground, "n", kind="network")
    (n,) = journal.claim(admin(), A, KINDS, 10, time.time())
    assert (n.id, len(n.rows), n.attempts) == ("n", 2, 0)
    assert finish(A, n)
    assert claim(A) == [("x", 1)]


@BOTH
def test_nobody_waits_for_ever(ground: Ground) -> None:
    """The row that was waited for went in the very moment."""
    note(ground, "x")
    (x,) = journal.claim(admin(), A, KINDS, 10, time.time())
    assert journal.finish(admin(), A, Verdict(waiting=[(x, 1)]))
    assert claim(A) == []
    assert journal.free_orphans(admin()) == 1
    assert claim(A) == [("x", 1)]


@BOTH
def test_what_failed_is_due_later(ground: Ground) -> None:
    note(ground, "x")
    (x,) = journal.claim(admin(), A, KINDS, 10, time.time())
    assert journal.finish(admin(), A, Verdict(again=[(x, time.time() + 3600, "broken")]))
    assert claim(A) == []
    (x,) = journal.claim(admin(), A, KINDS, 10, time.time() + 3601)
    assert x.attempts == 1
    assert journal.finish(admin(), A, Verdict(again=[(x, time.time() + 3600, "broken")]))

    # It changes: that is another body, or none any more. It goes at once, with all rows, and has all its tries.
    note(ground, "x")
    (x,) = journal.claim(admin(), A, KINDS, 10, time.time())
    assert (len(x.rows), x.attempts) == (2, 0)
    # Nor does anyone take it meanwhile because the older row is due.
    assert journal.claim(admin(), B, KINDS, 10, time.time() + 3601) == []


def test_what_refers_to_something_that_failed_waits_for_it(ground: Ground) -> None:
    """Though it is in the same batch."""
    note(ground, "n", kind="network")
    note(ground, "x")
    n, x = journal.claim(admin(), A, KINDS, 10, time.time())
    batch = Batch({n.key: n, x.key: x}, verdict=Verdict(again=[(n, time.time() + 3600, "It can't be read")]))
    hold_back(admin(), batch, [Change("port", "x", {}, 1, frozenset({n.key}))], time.time())
    assert batch.changes == []
    assert batch.verdict.waiting == [(x, n.head)]


@BOTH
def test_two_dispatchers_at_once_share_without_overlap(ground: Ground) -> None:
    """Three notes of each of 300 objects, in two orders, claimed by four threads while more are noted."""
    ids = [f"p{number}" for number in range(300)]
    note(ground, *ids, *reversed(ids), *ids)
    held: dict[str, str] = {}
    lock = threading.Lock()
    errors: list[str] = []
    done = threading.Event()

    def work(name: str) -> None:
        context, owner = admin(), Owner(name, 1)
        while not done.is_set():
            taken = journal.claim(context, owner, KINDS, 20, time.time())
            with lock:
                errors.extend(f"{each.id} of {held[each.id]} and {name}" for each in taken if each.id in held)
                held.update({each.id: name for each in taken})
            with lock:
                for each in taken:
                    del held[each.id]
            if not journal.finish(context, owner, Verdict(done=taken)):
                errors.append(f"{name} lost its claims")
            if not taken and ground.drained():
                done.set()

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        note(ground, *ids[:30])
    for thread in threads:
        thread.join()
    assert errors == []


@BOTH
def test_who_records_waits_for_no_dispatcher(ground: Ground) -> None:
    """Claims and deletions are in the middle of their transactions; a note is written all the same."""
    note(ground, "x", "y")
    context = admin()
    with db_api.CONTEXT_WRITER.using(context):
        journal.isolate(context)
        query = journal.ready(KINDS, time.time()).limit(100).with_for_update(skip_locked=True)
        assert len(context.session.execute(query).all()) == 2
        context.session.execute(sa.update(J).values(owner="a", token=1))
        with ground.transaction() as other:
            if ground.engine.dialect.name == "mysql":
                other.session.execute(sa.text("SET innodb_lock_wait_timeout = 1"))
            else:
                other.session.execute(sa.text("SET lock_timeout = '1s'"))
            record(other, "port", "x")
            record(other, "port", "z")
    assert len(ground.rows()) == 4


@BOTH
def test_every_query_has_an_index(ground: Ground) -> None:
    """With 20,000 rows none of the dispatchers' queries reads them all."""
    with ground.transaction() as context:
        rows = [
            {
                "kind": "port" if number % 2 else "network",
                "object_id": f"o{number}",
                "recorded_at": 1.0,
                "state": "waiting" if number % 3 == 0 else "pending",
                "waits_for": 1 if number % 3 == 0 else None,
                "owner": "a" if number % 5 == 0 else None,
            }
            for number in range(20_000)
        ]
        context.session.execute(sa.insert(J), rows)
    analyze = "ANALYZE TABLE daybreak_journal" if ground.engine.dialect.name == "mysql" else "ANALYZE daybreak_journal"
    with ground.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(analyze))
    queries = {
        "ready": journal.ready(KINDS, time.time()).limit(100),
        "object": sa.select(J).where(J.c.kind == "port", J.c.object_id.in_(["o1", "o3"])),
        "freed": sa.select(J.c.seq).where(J.c.state == "waiting", J.c.waits_for.in_([7, 8])),
        "released": sa.select(J.c.seq).where(J.c.state == "pending", J.c.owner == "b", J.c.token < 7),
        "before": sa.select(J.c.seq).where(J.c.kind == "trunk", J.c.state == "pending", J.c.seq < 10**6),
    }
    for name, query in queries.items():
        assert looks_up(ground, query), name


def looks_up(ground: Ground, query: Any) -> bool:
    """Whether the database uses an index for a query."""
    text = str(query.compile(ground.engine, compile_kwargs={"literal_binds": True})).replace("%%", "%")
    with ground.engine.connect() as connection:
        plan = connection.execute(sa.text(f"EXPLAIN {text}").execution_options(no_parameters=True))
        if ground.engine.dialect.name == "mysql":
            return all(row.type in ("ref", "range", "eq_ref", "const") for row in plan)
        return "Seq Scan" not in "\n".join(row[0] for row in plan)


@BOTH
def test_migrations_make_what_the_models_say(ground: Ground) -> None:
    found = sa.inspect(ground.engine)
    for name in sorted(TABLES):
        table = model_base.BASEV2.metadata.tables[name]
        columns = {each["name"]: each["nullable"] for each in found.get_columns(name)}
        assert columns == {each.name: bool(each.nullable) for each in table.columns}, name
        indexes = {each["name"]: each["column_names"] for each in found.get_indexes(name)}
        assert indexes == {each.name: [column.name for column in each.columns] for each in table.indexes}, name
        assert found.get_pk_constraint(name)["constrained_columns"] == [each.name for each in table.primary_key]


@BOTH
def test_members_join_with_rising_tokens_and_one_is_elected(ground: Ground) -> None:
    patience = Patience(3, 6)
    one, two = (Membership("journal", name, patience, 1) for name in ("one", "two"))
    for each in (one, two):
        each.join(admin())
        each.settled(admin(), each.token)
    present = one.present(members_of(admin(), "journal"))
    assert present == ["one", "two"]
    assert elect(admin(), "sync", two, present)
    assert not elect(admin(), "sync", one, present)
    two.leave(admin(), is_settled=True)
    present = one.present(one.observe(admin()))
    assert present == ["one"]
    assert elect(admin(), "sync", one, present)
    two.join(admin())
    assert two.token == 3
    assert [(each.name, each.state, each.token) for each in members_of(admin(), "journal")] == [
        ("one", "active", 1),
        ("two", "joining", 3),
    ]


@BOTH
def test_what_was_settled_before_a_member_joined_again_says_nothing(ground: Ground) -> None:
    one = Membership("journal", "one", Patience(3, 6), 1)
    one.join(admin())
    before = one.token
    assert one.settled(admin(), before)
    assert one.lapse(before)
    one.join(admin())
    assert not one.settled(admin(), before)
    assert not one.lapse(before)
    assert one.state == "joining"
    assert one.settled(admin(), one.token)
    assert one.state == "active"


def test_members_are_forgotten_once_nothing_is_left_of_them(ground: Ground) -> None:
    """Else what one had claimed could be claimed by nobody, as when no controller was there for all that time."""
    note(ground, "x")
    one = Membership("journal", "one", Patience(3, 6), 1)
    one.join(admin())
    journal.claim(admin(), Owner("one", one.token), KINDS, 10, time.time())
    one.leave(admin(), is_settled=False)
    later = time.time() + 2 * EXPIRY
    remove_expired(admin(), "journal", later)
    (gone,) = members_of(admin(), "journal")
    assert gone.needs_settling

    assert journal.release_of(admin(), "one", gone.token) == 1
    note_settled(admin(), gone)
    remove_expired(admin(), "journal", later)
    assert members_of(admin(), "journal") == []


def test_recording_outside_of_a_transaction_is_refused(ground: Ground) -> None:
    with pytest.raises(RuntimeError, match="outside of a transaction"):
        record(admin(), "port", "x")


@BOTH
def test_a_note_goes_with_its_transaction(ground: Ground) -> None:
    with pytest.raises(ZeroDivisionError), ground.transaction() as context:
        record(context, "port", "x")
        raise ZeroDivisionError
    assert ground.rows() == []
