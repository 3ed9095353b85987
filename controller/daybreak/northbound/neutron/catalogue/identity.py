"""data: the fields that all objects have, or many."""

from typing import TypeVar

import msgspec

from daybreak.model import Owned, Subnet
from daybreak.northbound.neutron.codec import BOOL, LONG, TENANT, TEXT, UUID_TEXT
from daybreak.northbound.neutron.fields import Field, Kept, field

R = TypeVar("R", Owned, Subnet)


def identity(tenant: Kept = Kept.NO) -> tuple[Field, ...]:
    """What every object has. PUT never changes an id; `tenant` says what it does with tenant and project."""
    return (
        field("id", UUID_TEXT, query=True, kept=Kept.ALWAYS),
        field("tenant_id", TENANT, query=True, kept=tenant),
        field("project_id", TENANT, kept=tenant),
        field("revision_number", LONG),
    )


def both_names(record: R) -> R:
    """A record as POST leaves it, its tenant under both names. OpenDaylight did this where there is no status."""
    tenant, project = record.tenant_id or record.project_id, record.project_id or record.tenant_id
    return msgspec.structs.replace(record, tenant_id=tenant, project_id=project)


NAME = field("name", TEXT, query=True)

ADMIN = (
    field("admin_state_up", BOOL, default=True, query=True),
    field("status", TEXT, default="ACTIVE", query=True),
)
