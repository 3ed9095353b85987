"""data: the fields that all objects have, or many."""

from typing import Any

import msgspec

from daybreak.northbound.neutron.codec import BOOL, LONG, TENANT, TEXT, UUID_TEXT
from daybreak.northbound.neutron.fields import Field, Kept, field


def identity(tenant: Kept = Kept.NO) -> tuple[Field, ...]:
    """What every object has. PUT never changes an id; `tenant` says what it does with tenant and project."""
    return (
        field("id", UUID_TEXT, query=True, kept=Kept.ALWAYS),
        field("tenant_id", TENANT, query=True, kept=tenant),
        field("project_id", TENANT, kept=tenant),
        field("revision_number", LONG),
    )


def both_names(record: Any) -> Any:
    """A record that a POST made, with its tenant under both names. OpenDaylight left this out where there is a status."""
    tenant, project = record.tenant_id or record.project_id, record.project_id or record.tenant_id
    return msgspec.structs.replace(record, tenant_id=tenant, project_id=project)


NAME = field("name", TEXT, query=True)

ADMIN = (
    field("admin_state_up", BOOL, default=True, query=True),
    field("status", TEXT, default="ACTIVE", query=True),
)
