"""io: the northbound of OpenDaylight: one request for each object, with the bodies that networking-odl sends.

It knows no fences: a request of a dispatcher that was replaced without noticing can still arrive, and the comparison
with Neutron is what finds that. Codes: 201, 200 and 204 done; 404; 409 exists already; 442 and 424 something that the
body refers to is missing; 400, 413 and 422 never; any other says nothing of the change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID

from networking_daybreak.northbound.answers import (
    BLAMING,
    Change,
    Done,
    Failed,
    Fence,
    Held,
    Key,
    Lacks,
    Outcome,
    Refused,
    Unavailable,
)
from networking_daybreak.northbound.endpoint import PROBE_TIMEOUT, Answer, Away, Endpoint
from networking_daybreak.resources import KINDS

DONE = frozenset({200, 201, 204})
MISSING = frozenset({424, 442})
"""Codes that name a missing reference."""

NOBODY = str(UUID(int=0))
"""An id that no object has."""

HINTS = ("not exist", "does not exist", "missing", "not found", "dependenc")


class OpendaylightNorthbound:
    """The API of one controller."""

    name = "opendaylight"
    is_fenced = False
    at_once = 16

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def serves(self, kind: str) -> bool:
        """Whether there are such objects in OpenDaylight."""
        return kind in KINDS and KINDS[kind].opendaylight is not None

    def send(self, changes: Sequence[Change], fence: Fence) -> list[Outcome]:
        """What becomes of each change, parents before children. Raises `Unavailable`."""
        outcomes: dict[Key, Outcome] = {}
        for change in changes:
            missing = next((each for each in change.parents if not isinstance(outcomes.get(each, Done()), Done)), None)
            if missing is not None and change.body is not None:
                outcomes[change.key] = Held(missing)
                continue
            try:
                outcomes[change.key] = self._delete(change) if change.body is None else self._put(change)
            except Away as away:
                if away.is_general or not self.takes_changes():
                    raise Unavailable(str(away), in_doubt=away.in_doubt) from None
                outcomes[change.key] = Failed(f"The controller is well, but {away}")
        return [outcomes[change.key] for change in changes]

    def takes_changes(self) -> bool:
        """Whether it takes changes at all, shown by one that changes nothing: nobody's network is deleted.

        Any answer to that will do that is not one of a server in trouble, if networks are served at all: where nothing
        is, every answer is 404.
        """
        try:
            self.endpoint.ask("DELETE", self._path("network", NOBODY), timeout=PROBE_TIMEOUT)
            answer = self.endpoint.ask("GET", self._path("network"), query={"limit": 1}, timeout=PROBE_TIMEOUT)
        except Away:
            return False
        return answer.status == 200

    def raise_fence(self, fence: Fence) -> None:
        """There are none here."""

    def revisions(self, kind: str) -> Iterator[tuple[str, int | None]]:
        """The ids of all objects of a kind, with their revisions. Raises `Unavailable`."""
        dialect = KINDS[kind].opendaylight
        assert dialect is not None
        try:
            answer = self.endpoint.ask("GET", self._path(kind), query=[("fields", "id"), ("fields", "revision_number")])
        except Away as away:
            raise Unavailable(str(away)) from None
        if answer.status != 200 or not isinstance(answer.json, Mapping):
            raise Unavailable(f"it answers {answer.status} to {self._path(kind)}")
        items = next((value for value in answer.json.values() if isinstance(value, list)), [])
        return ((each["id"], each.get("revision_number")) for each in items)

    # -- one object ---------------------------------------------------------------------------------------------------

    def _put(self, change: Change) -> Outcome:
        """Create or update the object: which of both nobody keeps count of, so where one guess is wrong it's the other.

        One that exists already, and is as it should be, is left alone: its creation was in doubt, and is repeated.
        """
        assert change.body is not None
        is_new = change.body.get("created_at") == change.body.get("updated_at")
        answer = self._write(change, update=not is_new)
        if is_new and answer.status == 409 and self._is_there(change):
            return Done("unchanged")
        if answer.status == (409 if is_new else 404):
            first, answer = answer, self._write(change, update=is_new)
            if is_new and answer.status == 404:
                return self._judged(first)  # it was not that it exists
        return self._judged(answer)

    def _is_there(self, change: Change) -> bool:
        """Whether the controller has this revision of the object, and what it shows is as an update would have it.

        It need not show, or keep, all that it is told.
        """
        answer = self.endpoint.ask("GET", self._path(change.kind, change.id))
        if answer.status != 200 or not isinstance(answer.json, Mapping):
            return False
        (wanted,) = self._body(change, update=True).values()
        return any(
            "revision_number" in found and all(wanted.get(field, value) == value for field, value in found.items())
            for found in answer.json.values()
            if isinstance(found, Mapping)
        )

    def _delete(self, change: Change) -> Outcome:
        answer = self.endpoint.ask("DELETE", self._path(change.kind, change.id))
        if answer.status != 404:
            return self._judged(answer)
        if not self.takes_changes():
            raise Away("it answers 404", in_doubt=False)
        return Done("unchanged")

    def _write(self, change: Change, *, update: bool) -> Answer:
        body = self._body(change, update=update)
        if not update:
            return self.endpoint.ask("POST", self._path(change.kind), body)
        path = self._path(change.kind, change.id)
        answer = self.endpoint.ask("PUT", path, body)
        if answer.status != 200 or answer.json is not None or self._is_there(change):
            return answer
        # That changed nothing: the controller has a higher revision. But Neutron is right, as after its database was
        # restored. An update without a revision is taken, and then the one that Neutron has.
        ((key, values),) = body.items()
        unnumbered = {name: value for name, value in values.items() if name != "revision_number"}
        self.endpoint.ask("PUT", path, {key: unnumbered})
        return self.endpoint.ask("PUT", path, body)

    @staticmethod
    def _body(change: Change, *, update: bool) -> dict[str, Any]:
        """A request's body, the object below its name."""
        dialect = KINDS[change.kind].opendaylight
        assert dialect is not None and change.body is not None
        return dialect.body(dict(change.body), update=update)

    def _judged(self, answer: Answer) -> Outcome:
        """What an answer says of a change. Raises `Away` where it says nothing."""
        if answer.status in DONE:
            return Done()
        reason = answer.detail or f"The controller answers {answer.status}"
        is_missing = answer.status in MISSING
        if is_missing or (answer.status == 409 and any(hint in reason.lower() for hint in HINTS)):
            return Lacks(reason)
        if answer.status in BLAMING or answer.status == 409:
            return Refused(answer.status, reason)
        raise Away(f"it answers {answer.status}", in_doubt=False, is_general=False)

    def _path(self, kind: str, id: str | None = None) -> str:
        dialect = KINDS[kind].opendaylight
        assert dialect is not None
        collection = f"{self.endpoint.opendaylight}/{dialect.path}"
        return collection if id is None else f"{collection}/{quote(id, safe='')}"
