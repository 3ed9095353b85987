"""io: what users want logged."""

from collections.abc import Iterable, Sequence
from typing import Any

from neutron.db.models.loggingapi import Log

from networking_daybreak.resources.kind import Body, Kind, chosen, column, references
from networking_daybreak.resources.reading import objects, paged


def read(context: Any, ids: Sequence[str]) -> dict[str, Body]:
    return objects(context, Log, ids)


def parents(body: Body) -> Iterable[tuple[str, str]]:
    if body["resource_type"] == "security_group":
        yield from references("security_group", body["resource_id"])
    yield from references("port", body["target_id"])


KINDS = (
    Kind(
        "network_log",
        read,
        paged(Log),
        lambda body: chosen(body, "name", "enabled", "event", "resource_type", "resource_id", "target_id"),
        parents=parents,
        parent_kinds=("security_group", "port"),
        model=Log,
        rows={Log: column("id")},
    ),
)
