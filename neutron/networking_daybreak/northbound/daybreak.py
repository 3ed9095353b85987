"""io: Daybreak's modern API (the controller's docs/api.md): changes in bulk, fenced, with digests to compare by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from networking_daybreak.northbound.answers import (
    BLAMING,
    Change,
    Done,
    Failed,
    Fence,
    Held,
    Key,
    Outcome,
    Refused,
    Replaced,
    Unavailable,
)
from networking_daybreak.northbound.endpoint import PROBE_TIMEOUT, Answer, Away, Endpoint

BLAMED = re.compile(r"^operations\[(\d+)\]")
"""How a refusal names the operation that it is about."""

Served = Mapping[str, frozenset[str]]
"""The kinds that a controller serves, each with its fields."""


class Daybreak:
    """The API of one controller."""

    name = "daybreak"
    is_fenced = True
    at_once = 1000

    def __init__(self, endpoint: Endpoint, served: Served) -> None:
        self.endpoint = endpoint
        self.served = served

    def serves(self, kind: str) -> bool:
        """Whether there are such objects on this controller."""
        return kind in self.served

    def send(self, changes: Sequence[Change], fence: Fence) -> list[Outcome]:
        """What becomes of each change, parents before children. Raises `Unavailable` and `Replaced`."""
        outcomes: dict[Key, Outcome] = {}
        self._deliver(list(changes), fence, outcomes)
        return [outcomes[change.key] for change in changes]

    def takes_changes(self) -> bool:
        """Whether it takes changes at all, shown by one that has nothing in it."""
        try:
            answer = self.endpoint.ask("POST", "/v1/transactions", {"operations": []}, timeout=PROBE_TIMEOUT)
        except Away:
            return False
        return answer.status == 200

    def raise_fence(self, fence: Fence) -> None:
        """From here on whatever a writer sent with a lower token is refused. Raises as `send`."""
        try:
            self._post([], fence)
        except Away as away:
            raise Unavailable(str(away), in_doubt=away.in_doubt) from None

    def digests(self) -> Mapping[tuple[str, str | None], tuple[int, str]]:
        """For each kind and client how many objects there are, and their digest. Raises `Unavailable`."""
        collections = self._get("/v1/digests", {})["collections"]
        return {(each["kind"], each["client"]): (each["count"], each["digest"]) for each in collections}

    def page(self, kind: str, client: str, path: str) -> Mapping[str, Any]:
        """A page of a collection: the digests of its pages, or its objects. Raises `Unavailable`."""
        return self._get(f"/v1/digests/{kind}", {"client": client, "path": path})

    def _get(self, path: str, query: Mapping[str, str]) -> Any:
        try:
            answer = self.endpoint.ask("GET", path, query=query)
        except Away as away:
            raise Unavailable(str(away)) from None
        if answer.status != 200:
            raise Unavailable(f"it answers {answer.status} to {path}")
        return answer.json

    # -- changes ------------------------------------------------------------------------------------------------------

    def _deliver(self, changes: list[Change], fence: Fence, outcomes: dict[Key, Outcome]) -> None:
        """Send the changes as one transaction, or, where one of them is to blame for its refusal, the others."""
        while changes := [*self._not_held(changes, outcomes)]:
            try:
                answer = self._post(changes, fence)
            except Away as away:
                if away.is_general or not self.takes_changes():
                    raise Unavailable(str(away), in_doubt=away.in_doubt) from None
                self._divide(changes, fence, outcomes, Failed(f"The controller is well, but {away}"))
                return
            if answer.status == 200:
                self._told(changes, answer, fence, outcomes)
                return
            blamed = BLAMED.match(answer.detail)
            if not blamed or int(blamed[1]) >= len(changes):
                reason = answer.detail or f"The controller answers {answer.status}"
                self._divide(changes, fence, outcomes, Refused(answer.status, reason))
                return
            culprit = changes.pop(int(blamed[1]))
            outcomes[culprit.key] = Refused(answer.status, answer.detail[blamed.end() :].lstrip(".: "))

    def _divide(
        self, changes: list[Change], fence: Fence, outcomes: dict[Key, Outcome], single: Refused | Failed
    ) -> None:
        """Find out which change is to blame, by halves; `single`: what becomes of one that is."""
        if len(changes) == 1:
            outcomes[changes[0].key] = single
            return
        half = len(changes) // 2
        self._deliver(changes[:half], fence, outcomes)
        self._deliver(changes[half:], fence, outcomes)

    def _not_held(self, changes: Sequence[Change], outcomes: dict[Key, Outcome]) -> Iterator[Change]:
        """Those changes whose parents went well as far as they were tried; the others are noted as held."""
        for change in changes:
            missing = next((each for each in change.parents if not isinstance(outcomes.get(each, Done()), Done)), None)
            if missing is None or change.body is None:
                yield change
            else:
                outcomes[change.key] = Held(missing)

    def _told(self, changes: list[Change], answer: Answer, fence: Fence, outcomes: dict[Key, Outcome]) -> None:
        """Note the outcomes. Where the controller has seen a higher revision than Neutron has, Neutron is right.

        Nobody else sends an object that this dispatcher has claimed: so it's Neutron's database that went back, or
        the object was made anew under its old id. A deletion takes the revision that stands: its own nobody may know.
        """
        older: list[Change] = []
        deleted: list[Change] = []
        for change, told in zip(changes, answer.json["outcomes"], strict=True):
            outcomes[change.key] = Done(told["outcome"])
            if told["outcome"] == "stale" and change.body is not None:
                older.append(change)
            elif told["outcome"] == "stale" and not told.get("deleted"):
                deleted.append(replace(change, revision=told["stands"]))
        for again, force in ((older, True), (deleted, False)):
            if again:
                self._insist(again, fence, outcomes, force=force)

    def _insist(self, changes: list[Change], fence: Fence, outcomes: dict[Key, Outcome], *, force: bool) -> None:
        """Send changes whose revisions were too low."""
        try:
            answer = self._post(changes, fence, force=force)
        except Away as away:
            raise Unavailable(str(away), in_doubt=away.in_doubt) from None
        for change in changes:
            if answer.status == 200:
                outcomes[change.key] = Done("forced" if force else "applied")
            else:
                outcomes[change.key] = Failed(f"The controller answers {answer.status}")

    def _post(self, changes: Sequence[Change], fence: Fence, *, force: bool = False) -> Answer:
        """One transaction: done, or refused for what is in it. Raises `Away`, and `Replaced`."""
        body: dict[str, Any] = {
            "operations": [self._operation(change) for change in changes],
            "fence": {"client": fence.client, "writer": fence.writer, "token": fence.token},
        }
        if force:
            body["force"] = True
        answer = self.endpoint.ask("POST", "/v1/transactions", body)
        if answer.status == 409:
            raise Replaced((answer.json or {}).get("stands"))
        if answer.status != 200 and answer.status not in BLAMING:
            raise Away(f"it answers {answer.status}", in_doubt=False, is_general=False)
        return answer

    def _operation(self, change: Change) -> Mapping[str, Any]:
        if change.record is None:
            # Without a revision the controller would keep what it knows of the object for ever.
            return {"delete": {"kind": change.kind, "id": change.id, "revision": change.revision or 0}}
        revision = {} if change.revision is None else {"revision": change.revision}
        fields = self.served[change.kind]
        # A controller that is older than this driver doesn't know all fields: what it can't serve is left out.
        known = {name: value for name, value in change.record.items() if name in fields}
        return {"put": {"kind": change.kind, "body": known, **revision}}


def served_by(document: Mapping[str, Any]) -> Served:
    """The kinds that an OpenAPI document of the modern API names, each with its fields."""
    put = document["components"]["schemas"]["Put"]["properties"]
    found = {}
    for kind, reference in zip(put["kind"]["enum"], put["body"]["oneOf"], strict=True):
        schema = document["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
        found[kind] = frozenset(schema["properties"])
    return found
