"""Sessions with real ovsdb-servers, and with peers that misbehave."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from ssl import CERT_REQUIRED, PROTOCOL_TLS_SERVER, SSLContext

import msgspec
import pytest
import uvloop

from daybreak.southbound.ovsdb import Applier, Session, Wants, listen
from daybreak.southbound.ovsdb.learn import root_of
from daybreak.wire.ovsdb import Framer

COMMENT = {"op": "comment", "comment": "for the test"}


@asynccontextmanager
async def accepting(**options) -> AsyncIterator[tuple[int, list[Session]]]:
    """A port on which each connection gets a Session made with these options."""
    sessions: list[Session] = []

    def accept() -> Session:
        sessions.append(Session(**options))
        return sessions[-1]

    async with await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], sessions
        for session in sessions:
            session.close("the test is over")


class Peer:
    """The other end, which says what a test has it say."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._framer = Framer()
        self._messages: list = []

    @classmethod
    async def connect(cls, port: int) -> "Peer":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def say(self, **message) -> None:
        self.writer.write(msgspec.json.encode(message))

    async def hear(self):
        """The next message; None when the connection is closed."""
        while not self._messages:
            try:
                data = await self.reader.read(65536)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self._messages += self._framer.feed(data)
        return self._messages.pop(0)

    async def close(self) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


@pytest.fixture
async def peer(listener) -> AsyncIterator[Peer]:
    """Connected to the listener, and asked for what it monitors."""
    peer = await Peer.connect(listener.port)
    assert (await peer.hear()).method == "monitor_cond"
    yield peer
    await peer.close()


async def test_an_echo_is_answered(peer):
    peer.say(method="echo", params=["a", {"b": 1}], id="any")
    answer = await peer.hear()
    assert (answer.result, answer.error, answer.id) == (["a", {"b": 1}], None, "any")


async def test_an_unknown_request_is_refused_and_an_unknown_notification_is_not_answered(peer):
    peer.say(method="shutdown", params=[], id=1)
    assert (await peer.hear()).error["error"] == "unknown method"
    peer.say(method="locked", params=["a"], id=None)
    peer.say(method="echo", params=[], id=2)
    assert (await peer.hear()).id == 2


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"{]}",
        b'{"id": 1, "error": null, "result": {"Bridge": 7}}',
        b'{"id": 1, "error": null, "result": {"Bridge": {"b1": {"initial": {"name": 7}}}}}',
        b'{"id": null, "method": "update2", "params": ["daybreak", {"Bridge": {"b1": {"modify": {"name": "a"}}}}]}',
        b'{"id": null, "method": "update2", "params": []}',
    ],
)
async def test_a_peer_that_does_not_speak_the_protocol_is_hung_up_on(peer, recorder, garbage):
    peer.writer.write(garbage)
    assert await peer.hear() is None
    assert recorder.lessons == 0


def test_uvloop_drives_it_too(recorder):
    async def converse() -> None:
        async with accepting(owner=recorder) as (port, _):
            peer = await Peer.connect(port)
            assert (await peer.hear()).method == "monitor_cond"
            peer.say(method="echo", params=["a"], id=1)
            assert (await peer.hear()).result == ["a"]
            await peer.close()

    uvloop.run(converse())


async def test_replies_that_nobody_waits_for_are_ignored(peer):
    for id in (77, "text", None, [1], {"a": 1}, 1.5, True):
        peer.say(id=id, result=[], error=None)
    peer.say(method="echo", params=[], id=2)
    assert (await peer.hear()).id == 2


async def test_a_peer_outside_of_the_allowed_networks_is_refused(recorder):
    listener = listen("127.0.0.1", 0, recorder, allowed=(ip_network("192.0.2.0/24"),))
    peer = await Peer.connect(listener.port)
    assert await peer.hear() is None
    await peer.close()
    await listener.close()


async def test_a_peer_that_says_nothing_is_hung_up_on(recorder):
    async with accepting(owner=recorder, greeting=0.05) as (port, _):
        peer = await Peer.connect(port)
        assert (await peer.hear()).method == "monitor_cond"
        assert await peer.hear() is None
        await peer.close()


async def test_a_silent_peer_is_asked_three_times_and_hung_up_on(recorder):
    async with accepting(owner=recorder, probe=0.05, greeting=60) as (port, _):
        peer = await Peer.connect(port)
        asked = [(await peer.hear()).method for _ in range(4)]
        assert asked == ["monitor_cond", "echo", "echo", "echo"]
        assert await peer.hear() is None
        await peer.close()


async def test_a_peer_that_answers_stays(recorder):
    async with accepting(owner=recorder, probe=0.05, greeting=60) as (port, _):
        peer = await Peer.connect(port)
        assert (await peer.hear()).method == "monitor_cond"
        for _ in range(10):
            question = await peer.hear()
            assert question.method == "echo"
            peer.say(id=question.id, result=[], error=None)
        await peer.close()


async def test_a_peer_that_does_not_read_is_not_read_either(recorder, until):
    async with accepting(owner=recorder, probe=3600, greeting=3600) as (port, sessions):
        peer = await Peer.connect(port)
        echo = msgspec.json.encode({"method": "echo", "params": ["x" * 60_000], "id": 1})
        await until(lambda: sessions)
        transport = sessions[0]._transport
        sent = 0
        while transport.is_reading():
            peer.writer.write(echo)
            sent += 1
            await asyncio.sleep(0)
        assert transport.get_write_buffer_size() < 1_000_000

        assert (await peer.hear()).method == "monitor_cond"
        for _ in range(sent):
            assert (await peer.hear()).id == 1
        await until(transport.is_reading)
        await peer.close()


@pytest.mark.ovs
async def test_transactions_that_are_under_way_fail_with_the_connection(database, listener, recorder, until):
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1")
    database.call(listener.port)
    await until(lambda: recorder.sessions)
    session = recorder.sessions["h1"]
    assert await session.transact([COMMENT]) == [{}]

    root = root_of(session.replica).uuid
    never = {
        "op": "wait",
        "table": "Open_vSwitch",
        "where": [["_uuid", "==", ["uuid", str(root)]]],
        "columns": ["external_ids"],
        "until": "==",
        "rows": [{"external_ids": ["map", []]}],
    }
    waiting = asyncio.ensure_future(session.transact([never]))
    await session.transact([COMMENT])
    database.stop_server()
    with pytest.raises(ConnectionError):
        await waiting
    await until(lambda: recorder.losses)
    with pytest.raises(ConnectionError):
        await session.transact([COMMENT])


@pytest.mark.ovs
async def test_we_can_be_the_one_who_calls(database, recorder, until):
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1")
    path = str(database.folder / "db.sock")
    _, session = await asyncio.get_running_loop().create_unix_connection(lambda: Session(recorder), path)
    await until(lambda: recorder.hosts)
    assert recorder.hosts["h1"].vtep is None
    assert session.target(6653) is None
    session.close("the test is over")


@asynccontextmanager
async def between(port: int, database, answers: dict[str, list]) -> AsyncIterator[list[str]]:
    """Somebody who sits between the two, with his own answers (errors) to the first requests of some methods.

    Yields the methods of the requests that came by.
    """
    ours = await Peer.connect(port)
    theirs = Peer(*await asyncio.open_unix_connection(str(database.folder / "db.sock")))
    methods: list[str] = []

    async def forth() -> None:
        while (message := await ours.hear()) is not None:
            methods.append(message.method)
            if answers.get(message.method):
                ours.say(id=message.id, result=None, error=answers[message.method].pop(0))
            else:
                theirs.writer.write(msgspec.json.encode(message))

    async def back() -> None:
        while (message := await theirs.hear()) is not None:
            ours.writer.write(msgspec.json.encode(message))

    tasks = [asyncio.ensure_future(forth()), asyncio.ensure_future(back())]
    yield methods
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await ours.close()
    await theirs.close()


@pytest.mark.ovs
async def test_a_server_without_monitor_cond_is_monitored_all_the_same(database, listener, recorder, until):
    """As those before Open vSwitch 2.6."""
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1")
    async with between(listener.port, database, {"monitor_cond": ["unknown method"]}) as methods:
        await until(lambda: recorder.hosts)
        assert methods == ["monitor_cond", "monitor"]
        port = ("add-port", "br-int", "vm1", "--", "set", "Interface", "vm1", "external_ids:iface-id=port-1")
        database.vsctl("--no-wait", "add-br", "br-int", "--", *port)
        await until(lambda: "vm1" in recorder.interfaces["h1"])
        database.vsctl("--no-wait", "set", "Interface", "vm1", "external_ids:iface-id=port-2")
        await until(lambda: recorder.interfaces["h1"]["vm1"].iface_id == "port-2")
        database.vsctl("--no-wait", "del-port", "vm1")
        await until(lambda: recorder.interfaces["h1"] == {})


@pytest.mark.ovs
async def test_a_transaction_is_tried_again_even_if_nothing_changed(database, listener, recorder, until):
    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1")
    full = {"error": "I/O error", "details": "no space left on device"}
    async with between(listener.port, database, {"transact": [full, full]}) as methods:
        await until(lambda: recorder.sessions)
        applier = Applier(recorder.sessions["h1"], Wants())
        await until(lambda: applier.findings)
        refusal = "Open vSwitch refuses what is to be written: I/O error: no space left on device"
        assert applier.findings == (refusal,)
        await until(lambda: applier.is_settled)
        assert refusal not in applier.findings
        assert methods.count("transact") == 3
        assert database.vsctl("list-br") == "br-int"
        await applier.close()


@pytest.mark.ovs
async def test_over_tls_with_certificates_both_ways(database, recorder, until):
    folder = database.folder
    for name in ("controller", "switch"):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        database.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", *files)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "controller.pem", folder / "controller.key")
    context.load_verify_locations(folder / "switch.pem")
    context.verify_mode = CERT_REQUIRED
    listener = listen("127.0.0.1", 0, recorder, ssl=lambda: context)

    database.vsctl("--no-wait", "set", "Open_vSwitch", ".", "external_ids:hostname=h1")
    database.vsctl("--no-wait", "set-ssl", *(str(folder / f) for f in ("switch.key", "switch.pem", "controller.pem")))
    database.vsctl("--no-wait", "set-manager", f"ssl:127.0.0.1:{listener.port}")
    await until(lambda: recorder.hosts)
    assert await recorder.sessions["h1"].transact([COMMENT]) == [{}]
    await listener.close()


@pytest.mark.ovs
async def test_fifty_switches_call_one_process(switch_class, listener, recorder, until):
    folder = Path(tempfile.mkdtemp(prefix="daybreak-ovs-"))
    switches = []
    try:
        for number in range(50):
            (folder / f"{number}").mkdir()
            switch = switch_class(folder / f"{number}")
            switches.append(switch)
            switch.start_server()
            root = ("set", "Open_vSwitch", ".", f"external_ids:hostname=h{number}")
            bridge = ("add-br", "br-int", "--", "add-port", "br-int", "vm1")
            claim = ("set", "Interface", "vm1", f"external_ids:iface-id=port-{number}")
            switch.vsctl("--no-wait", *root, "--", *bridge, "--", *claim)
            switch.call(listener.port)
        await until(lambda: len(recorder.hosts) == 50)
        assert {recorder.interfaces[f"h{number}"]["vm1"].iface_id for number in range(50)} == {
            f"port-{number}" for number in range(50)
        }
        sessions = [recorder.sessions[f"h{number}"] for number in range(50)]
        assert await asyncio.gather(*(session.transact([COMMENT]) for session in sessions)) == [[{}]] * 50
    finally:
        for switch in switches:
            switch.stop_server()
        shutil.rmtree(folder)
