"""rules: data as RESTCONF addresses it: a path of names and keys leads to a part of a tree, which is written as JSON.

In draft-bierman-netconf-restconf-02 the keys of a list's entry follow the list's name as segments of the path
(`hostconfig/h1/ODL%20L2`), and the answer is wrapped in the last name (`{"hostconfig": [{…}]}`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec

Entry = Mapping[str, Any]
"""A container, or an entry of a list: leaves, containers and lists by name, with the module's name where it differs
from that of the parent ("ovsdb:bridge-name")."""

encode = msgspec.json.Encoder().encode


class Rows(NamedTuple):
    """A list that is made when it is asked for: `all` of it, or the `one` entry with these values of its `keys`."""

    keys: tuple[str, ...]
    all: Callable[[], Iterable[Entry]]
    one: Callable[..., Entry | None]


class Found(NamedTuple):
    """A part of a tree and the name that wraps it; a list's entry is a list of one."""

    name: str
    node: Any


def find(root: Entry, path: Sequence[str]) -> Found | None:
    """What `path` (decoded segments) leads to; None if there is nothing, or only containers with nothing in them."""
    found, module = Found("", root), ""
    rest = iter(path)
    for segment in rest:
        parent = found.node[0] if isinstance(found.node, list) else found.node
        name = member(parent, module, segment) if isinstance(parent, Mapping) else None
        if name is None:
            return None
        prefix, _, local = name.rpartition(":")
        module = prefix or module
        found = Found(local, parent[name])
        if isinstance(found.node, Rows):
            found = Found(local, entry_at(found.node, tuple(islice(rest, len(found.node.keys)))))
    return found if exists(found.node) else None


def entry_at(rows: Rows, keys: tuple[str, ...]) -> Rows | list[Entry] | None:
    """The whole list without keys, else its entry; None if there is none, or if keys are missing."""
    if not keys:
        return rows
    entry = rows.one(*keys) if len(keys) == len(rows.keys) else None
    return None if entry is None else [entry]


def member(parent: Entry, module: str, segment: str) -> str | None:
    """The key of `parent` that a segment means: "ports" and "neutron:ports" are one in module neutron."""
    prefix, _, local = segment.rpartition(":")
    for name in parent:
        own, _, mine = name.rpartition(":")
        if mine == local and prefix in ("", own or module):
            return name
    return None


def exists(node: Any) -> bool:
    """Whether there is anything: RESTCONF knows no empty lists, and no containers without content."""
    if isinstance(node, Rows):
        return next(iter(node.all()), None) is not None
    if isinstance(node, Mapping):
        return any(map(exists, node.values()))
    return node is not None and node != []


def pieces(node: Any) -> Iterator[bytes]:
    """The JSON of a part, piece by piece, for others to get their turn in between."""
    if isinstance(node, Rows | list):
        separator = b"["
        for each in node.all() if isinstance(node, Rows) else node:
            yield separator
            yield from pieces(each)
            separator = b","
        yield b"]" if separator == b"," else b"[]"
    elif isinstance(node, Mapping):
        separator = b"{"
        for name, child in node.items():
            if exists(child):
                yield separator + encode(name) + b":"
                yield from pieces(child)
                separator = b","
        yield b"}" if separator == b"," else b"{}"
    else:
        yield encode(node)
