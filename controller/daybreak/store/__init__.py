"""io: tables of records with transactions, revisions, numbers and a watch. `contract` says what a store promises.

`memory` and `sqlite` keep it; `kept` is what they have in common. Both decide transactions with `ledger`, which gives
out numbers with `numbers`.
"""

from daybreak.store.contract import Committed, Compacted, Conflict, Exhausted, Store, StoreError

__all__ = ["Committed", "Compacted", "Conflict", "Exhausted", "Store", "StoreError"]
