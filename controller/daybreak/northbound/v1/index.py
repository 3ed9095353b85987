"""io: what the modern API derives from the store and keeps up to date with each revision."""

from collections.abc import Sequence

from daybreak.model import Record
from daybreak.model.origin import Origin
from daybreak.northbound.v1.digests import Digests
from daybreak.northbound.v1.ordering import Keys
from daybreak.northbound.v1.tombstones import Tombstones
from daybreak.store.contract import Committed, Store


class Index:
    """Digests, the order of keys, and the tombstones. `kinds` are the collections; `shown` are only read in order."""

    def __init__(self, store: Store, kinds: Sequence[type[Record]], shown: Sequence[type[Record]]) -> None:
        self.digests = Digests(kinds, store.get)
        self.keys = {kind: Keys(store.rows(kind)) for kind in (*kinds, *shown)}
        self.tombstones = Tombstones(store.rows(Origin).values())
        for kind in kinds:
            self.digests.load(kind, store.rows(kind))
        store.subscribe(self._follow)

    def _follow(self, committed: Committed) -> None:
        self.digests.follow(committed.changes)
        self.tombstones.follow(committed.changes)
        for kind, key, old, new in committed.changes:
            keys = self.keys.get(kind)
            if keys is not None and old is None:
                keys.add(key)
            elif keys is not None and new is None:
                keys.discard(key)
