"""rules: what subscribers are told: which rows of the operational data a change concerns, and the texts of the frames.

Frames are data-changed-notifications of OpenDaylight's sal-remote: XML's form as JSON, with `xmlns` and `content`.
A frame tells how things are when it is written, not what happened: the last state is what counts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from daybreak.model import Change, Host, PortStatus, Record
from daybreak.northbound.restconf.operational import hostconfigs_of, status_of
from daybreak.northbound.restconf.tree import Entry
from daybreak.store.contract import Store

NEUTRON = "urn:opendaylight:neutron"

Key = tuple[str, ...]
encode = msgspec.json.Encoder().encode


class Subject(NamedTuple):
    """A list that can be subscribed to: `element` entries below `path`, made of records of `kind`.

    `keys` and `others` are all leaves of an entry. Its first key is the key of its record.
    """

    path: str
    element: str
    keys: tuple[str, ...]
    others: tuple[str, ...]
    kind: type[Record]
    entries: Callable[[Any], Sequence[Entry]]

    def of(self, record: Record | None) -> dict[Key, Entry]:
        """The entries of a record, by their keys."""
        found = () if record is None else self.entries(record)
        return {tuple(entry[key] for key in self.keys): entry for entry in found}

    def now(self, store: Store, key: Key) -> Entry | None:
        """The entry as it is now."""
        return self.of(store.get(self.kind, key[0])).get(key)


SUBJECTS = (
    Subject(
        path="/neutron:neutron/neutron:ports",
        element="port",
        keys=("uuid",),
        others=("status",),
        kind=PortStatus,
        entries=lambda status: [status_of(status)],
    ),
    Subject(
        path="/neutron:neutron/neutron:hostconfigs",
        element="hostconfig",
        keys=("host-id", "host-type"),
        others=("config",),
        kind=Host,
        entries=hostconfigs_of,
    ),
)


class Stream(NamedTuple):
    """What a client hears: all of a subject, or with `leaves_only` no more than the single leaves that changed."""

    subject: Subject
    leaves_only: bool


def concerned(subject: Subject, change: Change) -> Iterator[tuple[Key, bool]]:
    """The entries that a change of a record changes, and whether they were there before."""
    before, after = subject.of(change.old), subject.of(change.new)
    for key in before | after:
        if before.get(key) != after.get(key):
            yield key, key in before


def events(stream: Stream, key: Key, existed: bool, entry: Entry | None) -> list[Mapping[str, Any]]:
    """What leads from an entry that `existed` or not to how it is now; `entry` None: it is not there.

    Nor may that be passed over where it did not exist before: the client may have read it in between.
    """
    subject, operation = stream.subject, "deleted" if entry is None else "updated" if existed else "created"
    node = f"{subject.path}/neutron:{subject.element}" + "".join(
        f"[neutron:{name}='{value}']" for name, value in zip(subject.keys, key, strict=True)
    )
    leaves = subject.others if operation == "updated" else subject.keys + subject.others
    told = [] if stream.leaves_only else [(node, subject.element, entry)]
    told += [(f"{node}/neutron:{name}", name, entry and {"content": entry[name]}) for name in leaves]
    return [
        {
            "path": path,
            "operation": operation,
            # networking-odl takes it for an object in any case.
            "data": {} if content is None else {name: {"xmlns": NEUTRON, **content}},
        }
        for path, name, content in told
    ]


def frame(told: Sequence[Mapping[str, Any]], time: datetime) -> str:
    """The text of a frame. A single event stands alone, as in all lists that were XML once."""
    notification = {
        "xmlns": "urn:ietf:params:xml:ns:netconf:notification:1.0",
        "data-changed-notification": {
            "xmlns": "urn:opendaylight:params:xml:ns:yang:controller:md:sal:remote",
            "data-change-event": told[0] if len(told) == 1 else told,
        },
        "eventTime": time.isoformat(timespec="milliseconds"),
    }
    return encode({"notification": notification}).decode()
