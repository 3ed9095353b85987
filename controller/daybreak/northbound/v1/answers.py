"""data: what the modern API is asked and what it answers, as it is written in JSON; OpenAPI is made of it."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct

Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
ClientName = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]

OPERATIONS = 1_000
"""Operations of one transaction at most: more are no faster, and hold up everybody else while they are decided."""


class Put(Struct, frozen=True, forbid_unknown_fields=True):
    """Create or replace an object: `body` is all of it, `revision` the client's own count of its changes."""

    kind: str
    body: Raw
    revision: Count | None = None


class Delete(Struct, frozen=True, forbid_unknown_fields=True):
    """Delete an object; `revision` as with `put`, of the deletion or the last before it."""

    kind: str
    id: str
    revision: Count | None = None


class Operation(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Either `put` or `delete`."""

    put: Put | None = None
    delete: Delete | None = None


class FenceShown(Struct, frozen=True, forbid_unknown_fields=True):
    """Who writes. A `token` that is lower than one that this client showed before is refused.

    `writer`: one of several that write for the client at the same time; each has tokens of its own.
    """

    client: ClientName
    token: Count | None = None
    writer: ClientName | None = None


class TransactionAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """Operations that are done together. `force`: revisions are taken as they come, after a database was restored."""

    operations: Annotated[tuple[Operation, ...], Meta(max_length=OPERATIONS)]
    fence: FenceShown | None = None
    force: bool = False


class PlannedFlow(Struct, frozen=True):
    """A flow that a transaction would change. `change` is added, removed or changed; `hosts` have its topic.

    `flow` is in the language of ovs-ofctl(8), as it would be or, of removed ones, was; `rule` is the one that it comes
    from, run for `key`.
    """

    change: Literal["added", "removed", "changed"]
    hosts: tuple[str, ...]
    flow: str
    rule: str
    key: str


class PlannedHost(Struct, frozen=True):
    """How many flows of a host's switch a transaction would add, remove and change."""

    name: str
    added: int
    removed: int
    changed: int


class PlannedPort(Struct, frozen=True):
    """A port that a transaction would touch."""

    id: str
    name: str | None


class PlannedCut(Struct, frozen=True):
    """A rule that would hold connections no longer, some or all: what it admitted is judged anew, and cut where nothing
    else allows it. `connections` and `packets` are what it let through so far, on all hosts."""

    rule_id: str
    group: str | None
    connections: int
    packets: int


class Plan(Struct, frozen=True):
    """What a transaction would do. Nothing of it was done.

    `objects` are the rows that it would change, numbers given out included; `flows` are the first of those that would
    change, `omitted` how many are not listed. `failures` are rules that would fail then and do not now.
    """

    revision: int
    objects: int
    hosts: tuple[PlannedHost, ...]
    ports: tuple[PlannedPort, ...]
    cuts: tuple[PlannedCut, ...]
    failures: tuple[str, ...]
    flows: tuple[PlannedFlow, ...]
    omitted: int


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What became of an operation.

    `stale`: it came too late and changed nothing, for revision `stands` does; `deleted`: that one deleted the object.
    """

    kind: str
    id: str
    outcome: Literal["applied", "unchanged", "stale"]
    stands: int | None = None
    deleted: bool = False


class Written(Struct, frozen=True, omit_defaults=True):
    """The outcomes, in the order of the operations, and the store's revision that has them.

    With `wait=applied`: `applied` tells whether every switch that it touches has confirmed it, `pending` names the
    hosts that have not, for they are absent, too slow, or refuse a flow of it.
    """

    revision: int
    outcomes: tuple[Outcome, ...]
    applied: bool | None = None
    pending: tuple[str, ...] | None = None


class DigestAnswer(Struct, frozen=True):
    """Of how many objects, and the exclusive or of their marks as 32 hexadecimal digits."""

    count: int
    digest: str


class CollectionDigest(Struct, frozen=True):
    """All objects of a kind that a client put; `client` null: nobody said whose they are."""

    kind: str
    client: str | None
    count: int
    digest: str


class DigestsAnswer(Struct, frozen=True):
    """The digests of all collections, at a revision of the store."""

    revision: int
    collections: tuple[CollectionDigest, ...]


class PageAnswer(Struct, frozen=True, omit_defaults=True):
    """A part of a collection: the digests of its pages, or its objects with their revisions (null: none that fits)."""

    revision: int
    kind: str
    path: str
    count: int
    digest: str
    pages: dict[str, DigestAnswer] | None = None
    objects: dict[str, int | None] | None = None


class Progress(Struct, frozen=True):
    """How far a host is: the `revision` up to which its switch has confirmed everything; null: it is not connected."""

    host: str
    connected: bool
    revision: int | None


class RuleCounters(Struct, frozen=True):
    """What a security group rule let through on all hosts, since the UNIX time `since`.

    `connections` counts first packets that it allowed, `packets` and `bytes` all of the connections that it admitted;
    `last` is the UNIX time when the last was counted, null: none ever was.
    """

    id: str
    security_group_id: str
    connections: int = 0
    packets: int = 0
    bytes: int = 0
    since: float | None = None
    last: float | None = None


class Problem(Struct, frozen=True, omit_defaults=True):
    """Why a request was refused (RFC 9457). `stands`: the revision or token that does."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    stands: int | None = None


class HostState(Struct, frozen=True):
    """A host, as its OVSDB describes it, and how far its switch is."""

    host: dict[str, Any]
    connected: bool
    revision: int | None
