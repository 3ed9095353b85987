"""rules: how a rule reads what it was not called with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from daybreak.engine.rule import Contradiction, Relation, Rule
from daybreak.model import Record

R = TypeVar("R", bound=Record)


def ordered(values: Any) -> tuple[Any, ...]:
    """A relation's values as its readers see them, whatever the order in which they were contributed."""
    return values if type(values) is tuple else tuple(sorted(values))


class View:
    """The records and relations, read by key; each read of another key than the rule's own is noted.

    Reads of the rule's own key need no note: a change of that key runs every rule that declares to read that kind.
    """

    __slots__ = ("key", "noted", "records", "relations", "rule")

    def __init__(
        self,
        records: Mapping[type[Record], Mapping[str, Record]],
        relations: Mapping[Relation, Mapping[str, Any]],
    ) -> None:
        self.records = records
        self.relations = relations
        self.rule: Rule
        self.key = ""
        self.noted: list[Any] = []

    def get(self, kind: type[R], key: str) -> R | None:
        """The record, or None."""
        if key != self.key:
            self.noted += (kind, key)
        return self.records[kind].get(key)  # type: ignore[return-value]

    def all(self, relation: Relation, key: str) -> tuple[Any, ...]:
        """All values of the key, sorted; () where there is none."""
        if key != self.key:
            self.noted += (relation, key)
        values = self.relations[relation].get(key)
        return () if values is None else ordered(values)

    def one(self, relation: Relation, key: str) -> Any:
        """The value of a key that has at most one, or None; more than one is a Contradiction."""
        if key != self.key:
            self.noted += (relation, key)
        values = self.relations[relation].get(key)
        if values is None:
            return None
        if len(values) > 1:
            raise Contradiction(f"{relation} of {key} is not one but {len(values)}: {ordered(values)}")
        return values[0] if type(values) is tuple else next(iter(values))


class CheckedView(View):
    """A view that refuses reads which the rule did not declare: where all is recomputed, it keeps rules honest."""

    __slots__ = ()

    def get(self, kind: type[R], key: str) -> R | None:
        self._declared(kind)
        return super().get(kind, key)

    def all(self, relation: Relation, key: str) -> tuple[Any, ...]:
        self._declared(relation)
        return super().all(relation, key)

    def one(self, relation: Relation, key: str) -> Any:
        self._declared(relation)
        return super().one(relation, key)

    def _declared(self, source: Any) -> None:
        if source not in self.rule.reads and source is not self.rule.root:
            raise AssertionError(f"{self.rule} reads {source}, which it does not declare")
