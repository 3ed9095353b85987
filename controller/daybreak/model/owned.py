"""data: what the clouds say of each of their objects."""

from daybreak.model.record import Record


class Owned(Record, frozen=True, gc=False, omit_defaults=True):
    """An object of a cloud: its id, whose it is, and the cloud's own count of its changes.

    As everywhere in what clouds want, None means that the cloud did not say. Ids of other objects need not be those
    of objects that exist. Texts whose words are not listed are taken as they come. `tags` are words by which people
    find the object again; nothing follows from them.
    """

    id: str
    tenant_id: str | None = None
    project_id: str | None = None
    revision_number: int | None = None
    tags: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        return self.id
