"""Values, columns and updates; the oracle is Open vSwitch's own library."""

import uuid
from contextlib import suppress
from pathlib import Path

import msgspec
import ovs.db.data
import ovs.db.types
import ovs.jsonrpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.wire.ovsdb import UUID, Message, NamedUUID, ProtocolError, Replica, TransactionError, messages
from daybreak.wire.ovsdb.columns import Column, columns_of
from daybreak.wire.ovsdb.operations import assert_lock, comment, insert, mutate, update, wait
from daybreak.wire.ovsdb.values import decode, encode
from daybreak.wire.ovsdb.vswitch import TABLES, Bridge, OpenVSwitch, Row

ATOMS = {
    str: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    UUID: st.uuids().map(lambda value: UUID(str(value))),
}
ATOM_TYPES = {
    str: ovs.db.types.StringType,
    int: ovs.db.types.IntegerType,
    bool: ovs.db.types.BooleanType,
    UUID: ovs.db.types.UuidType,
}
SCALARS = st.sampled_from(list(ATOMS))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(["set", "map", "uuid"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def columns_and_values(draw):
    """A column, a value that it can hold, and what Open vSwitch's library calls the column's type."""
    key, value = draw(SCALARS), draw(SCALARS)
    key_type = ovs.db.types.BaseType(ATOM_TYPES[key])
    value_type = ovs.db.types.BaseType(ATOM_TYPES[value])
    shapes = {
        "one": (Column(key, (key,)), ATOMS[key], None, 1, 1),
        "optional": (Column(type(None), (key,)), st.none() | ATOMS[key], None, 0, 1),
        "set": (Column(tuple, (key,)), st.lists(ATOMS[key], unique=True, max_size=4).map(tuple), None, 0, 9),
        "map": (Column(dict, (key, value)), st.dictionaries(ATOMS[key], ATOMS[value], max_size=4), value_type, 0, 9),
    }
    column, values, values_type, least, most = shapes[draw(st.sampled_from(list(shapes)))]
    return column, draw(values), ovs.db.types.Type(key_type, values_type, least, most)


def as_datum(value) -> dict:
    """A value as Open vSwitch's library holds it: every value is a map, with None as values for sets."""

    def atom(item):
        return uuid.UUID(item) if isinstance(item, UUID) else item

    if isinstance(value, dict):
        return {atom(key): atom(item) for key, item in value.items()}
    items = () if value is None else value if isinstance(value, tuple) else (value,)
    return {atom(item): None for item in items}


def of_datum(datum) -> dict:
    return {key.value: None if value is None else value.value for key, value in datum.values.items()}


@given(columns_and_values())
def test_notations_are_those_of_open_vswitch(case):
    column, value, kind = case
    datum = ovs.db.data.Datum.from_json(kind, encode(value))
    assert of_datum(datum) == as_datum(value)
    back = column.decode(datum.to_json())
    assert as_datum(back) == as_datum(value)
    assert type(back) is type(value)


@given(columns_and_values(), st.data())
def test_a_difference_leads_from_the_old_value_to_the_new(case, data):
    """The difference is made here as the manual defines it (ovsdb-server(7), section 4.1.14)."""
    column, old, _ = case
    if column.shape is tuple:
        new = tuple(data.draw(st.lists(ATOMS[column.atoms[0]] | st.sampled_from(old or (None,)), unique=True)))
        new = tuple(atom for atom in new if atom is not None)
        difference = tuple(set(old) ^ set(new))
        assert set(column.change(old, difference)) == set(new)
    elif column.shape is dict:
        key, value = column.atoms
        kept = data.draw(st.sets(st.sampled_from(sorted(old, key=repr)))) if old else set()
        new = {k: old[k] for k in kept} | data.draw(st.dictionaries(ATOMS[key], ATOMS[value], max_size=3))
        difference = {k: v for k, v in new.items() if k not in old or old[k] != v}
        difference |= {k: v for k, v in old.items() if k not in new}
        assert column.change(old, difference) == new
    else:
        new = data.draw(ATOMS[column.atoms[0]])
        assert column.change(old, new) == new


@given(JSON)
def test_foreign_values_are_protocol_errors_and_nothing_else(notation):
    for column in columns_of(Bridge).values():
        try:
            column.decode(notation)
        except ProtocolError:
            continue
    with suppress(ProtocolError):
        decode(notation)


@given(st.dictionaries(st.sampled_from([*TABLES, "Nope"]), st.dictionaries(st.sampled_from("ab"), JSON) | JSON))
def test_foreign_updates_are_protocol_errors_and_nothing_else(updates):
    for apply in (Replica().update2, Replica().update):
        try:
            apply(updates)
        except ProtocolError:
            continue


ROWS = st.dictionaries(st.sampled_from([*columns_of(Bridge), "nope"]), JSON, max_size=3)


@given(st.lists(st.dictionaries(st.sampled_from(["initial", "insert", "modify", "delete", "new", "old"]), ROWS)))
def test_foreign_rows_are_protocol_errors_and_nothing_else(updates):
    replica = Replica()
    replica.update2({"Bridge": {"a": {"initial": {"name": "br-int"}}}})
    for change in updates:
        for apply in (replica.update2, replica.update):
            try:
                apply({"Bridge": {"a": change}})
            except ProtocolError:
                continue


def test_a_number_beyond_64_bits_is_refused():
    assert decode(-(2**63)) == -(2**63)
    with pytest.raises(ProtocolError):
        decode(2**63)


def test_a_replica_follows_update2():
    replica = Replica()
    ports = ["set", [["uuid", "p1"], ["uuid", "p2"]]]
    replica.update2({"Bridge": {"b1": {"initial": {"name": "br-int", "ports": ports, "fail_mode": "secure"}}}})
    assert replica.get(Bridge, UUID("b1")) == Bridge(
        uuid=UUID("b1"), name="br-int", ports=(UUID("p1"), UUID("p2")), fail_mode="secure"
    )
    replica.update2({"Bridge": {"b1": {"modify": {"ports": ["uuid", "p1"], "fail_mode": ["set", []]}}}})
    assert replica.get(Bridge, UUID("b1")) == Bridge(uuid=UUID("b1"), name="br-int", ports=(UUID("p2"),))
    replica.update2({"Bridge": {"b1": {"delete": None}, "b2": {"insert": {"name": "br-ex"}}}})
    assert [row.name for row in replica.rows(Bridge).values()] == ["br-ex"]


def test_a_replica_follows_update():
    replica = Replica()
    replica.update({"Bridge": {"b1": {"new": {"name": "br-int", "ports": ["uuid", "p1"]}}}})
    replica.update({"Bridge": {"b1": {"old": {"name": "br-int"}, "new": {"name": "br-x", "ports": ["set", []]}}}})
    assert replica.get(Bridge, UUID("b1")) == Bridge(uuid=UUID("b1"), name="br-x")
    replica.update({"Bridge": {"b1": {"old": {"name": "br-x"}}}})
    assert not replica.rows(Bridge)


def test_a_row_that_is_not_there_cannot_be_modified():
    with pytest.raises(ProtocolError, match="no row"):
        Replica().update2({"Bridge": {"b1": {"modify": {"name": "br-int"}}}})


ROW = UUID("8a290ad8-0c2c-4e11-800f-bd1a2dad280c")
REQUESTS = {
    "echo": messages.echo(1),
    "list_dbs": messages.list_dbs(1),
    "monitor": messages.monitor(1, "Open_vSwitch", "mine", TABLES),
    "monitor_cond": messages.monitor_cond(1, "Open_vSwitch", "mine", TABLES),
    "lock": messages.lock(1, "mine"),
    "steal": messages.steal(1, "mine"),
    "unlock": messages.unlock(1, "mine"),
    "transact": messages.transact(1, "Open_vSwitch", [comment("a")]),
}


@pytest.mark.parametrize("method", REQUESTS)
def test_open_vswitch_takes_our_requests_for_such(method):
    request = ovs.jsonrpc.Message.from_json(msgspec.json.decode(REQUESTS[method]))
    assert isinstance(request, ovs.jsonrpc.Message)
    assert (request.type, request.method, request.id) == (ovs.jsonrpc.Message.T_REQUEST, method, 1)


def test_open_vswitch_takes_our_answers_for_such():
    question = Message(method="echo", params=["a"], id=7)
    reply = ovs.jsonrpc.Message.from_json(msgspec.json.decode(messages.reply(question, ["a"])))
    assert (reply.type, reply.result, reply.id) == (ovs.jsonrpc.Message.T_REPLY, ["a"], 7)
    error = ovs.jsonrpc.Message.from_json(msgspec.json.decode(messages.refusal(question)))
    assert (error.type, error.id) == (ovs.jsonrpc.Message.T_ERROR, 7)


def test_operations_in_the_notation_of_rfc_7047():
    where = [["_uuid", "==", ["uuid", str(ROW)]]]
    assert insert("Port", {"name": "a", "interfaces": (NamedUUID("i"),)}, NamedUUID("p")) == {
        "op": "insert",
        "table": "Port",
        "row": {"name": "a", "interfaces": ["set", [["named-uuid", "i"]]]},
        "uuid-name": "p",
    }
    assert update("Bridge", ROW, {"fail_mode": None}) == {
        "op": "update",
        "table": "Bridge",
        "where": where,
        "row": {"fail_mode": ["set", []]},
    }
    assert mutate("Bridge", ROW, "flow_tables", "insert", {0: NamedUUID("t")}) == {
        "op": "mutate",
        "table": "Bridge",
        "where": where,
        "mutations": [["flow_tables", "insert", ["map", [[0, ["named-uuid", "t"]]]]]],
    }
    assert wait("Bridge", ROW, {"name": "a"}) == {
        "op": "wait",
        "timeout": 0,
        "table": "Bridge",
        "where": where,
        "columns": ["name"],
        "until": "==",
        "rows": [{"name": "a"}],
    }
    assert assert_lock("mine") == {"op": "assert", "lock": "mine"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Message(result=[{}, {"error": "timed out", "details": "wait"}]), "timed out: wait"),
        (Message(result=[{}, {}, {"error": "constraint violation"}]), "constraint violation"),
        (Message(result=[{}, None]), "protocol error: the result of a transaction is incomplete"),
        (Message(result=[{}]), "protocol error: the result of a transaction is incomplete"),
        (Message(result=7), "protocol error: the result of a transaction isn't an array"),
        (Message(error={"error": "unknown database", "details": "no"}), "unknown database: no"),
        (Message(error="canceled"), "canceled"),
    ],
)
def test_a_refusal_has_the_words_of_the_server(answer, words):
    with pytest.raises(TransactionError) as caught:
        messages.results([comment("a"), comment("b")], answer)
    assert str(caught.value) == words


def test_every_column_is_in_the_schema_of_open_vswitch():
    schema = msgspec.json.decode(Path("/usr/share/openvswitch/vswitch.ovsschema").read_bytes())["tables"]
    for table, row in TABLES.items():
        for name, column in columns_of(row).items():
            kind = ovs.db.types.Type.from_json(schema[table]["columns"][name]["type"])
            shape = dict if kind.is_map() else tuple if kind.n_max > 1 else type(None) if kind.n_min == 0 else None
            assert shape in (column.shape, None), (table, name)
            atoms = (kind.key.type,) if kind.value is None else (kind.key.type, kind.value.type)
            assert tuple(ATOM_TYPES[atom] for atom in column.atoms) == atoms, (table, name)


def test_tables_are_rows():
    assert all(issubclass(row, Row) and row.table == name for name, row in TABLES.items())
    assert OpenVSwitch(uuid=ROW).external_ids == {}
