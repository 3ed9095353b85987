"""io: Neutron's API for tests, as somebody: plain HTTP, one connection for each request, usable from many threads."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from daybreak_lab.namespace import Namespace
from daybreak_lab.openstack.identity import Identity
from daybreak_lab.process import LabError

Object = dict[str, Any]
"""An object of Neutron, as the API shows it."""


class ApiError(LabError):
    """Neutron refused it. `type` and the text are its own."""

    def __init__(self, request: str, status: int, answer: Any) -> None:
        error = answer.get("NeutronError") if isinstance(answer, dict) else None
        fields = error if isinstance(error, dict) else {"type": "", "message": str(error or answer)}
        super().__init__(f"{request}: {status} {fields.get('type')} {fields.get('message')}")
        self.status = status
        self.type = str(fields.get("type"))


class Client:
    """One identity's way to one server of a namespace.

    Collections go by their paths below /v2.0: `networks`, `security-groups`, `qos/policies`,
    `qos/policies/ID/bandwidth_limit_rules`.
    """

    def __init__(self, namespace: Namespace, port: int, identity: Identity, timeout: float = 120.0) -> None:
        self.namespace = namespace
        self.port = port
        self.identity = identity
        self.timeout = timeout

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One request below /v2.0; the answer's status and JSON. Raises OSError if there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        with self.namespace.entered():
            connection.connect()
        try:
            headers = {"Content-Type": "application/json", **self.identity.headers}
            connection.request(method, f"/v2.0/{path}", None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        except http.client.HTTPException as broken:  # it was killed meanwhile
            raise ConnectionError(f"{method} {path}: {broken!r}") from broken
        finally:
            connection.close()
        return answer.status, parsed(content)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The same, where it has to be granted. Raises ApiError."""
        status, answer = self.request(method, path, body)
        if status >= 300:
            raise ApiError(f"{method} {path}", status, answer)
        return answer

    def create(self, collection: str, **fields: Any) -> Object:
        """POST an object."""
        key = singular(collection)
        answer: Object = self.call("POST", collection, {key: fields})[key]
        return answer

    def create_many(self, collection: str, objects: list[Object]) -> list[Object]:
        """POST several in one request."""
        key = plural(collection)
        answer: list[Object] = self.call("POST", collection, {key: objects})[key]
        return answer

    def update(self, collection: str, id: str, **fields: Any) -> Object:
        """PUT some fields of an object."""
        key = singular(collection)
        answer: Object = self.call("PUT", f"{collection}/{id}", {key: fields})[key]
        return answer

    def delete(self, collection: str, id: str) -> None:
        self.call("DELETE", f"{collection}/{id}")

    def get(self, collection: str, id: str) -> Object:
        answer: Object = self.call("GET", f"{collection}/{id}")[singular(collection)]
        return answer

    def list(self, collection: str, **filters: str) -> list[Object]:
        """All that this identity can see, or those with these values."""
        query = f"?{urlencode(filters, quote_via=quote)}" if filters else ""
        answer: list[Object] = self.call("GET", f"{collection}{query}")[plural(collection)]
        return answer

    def wait_until(
        self, collection: str, id: str, so: Callable[[Object], object], timeout: float = 30.0, pause: float = 0.05
    ) -> Object:
        """Ask until an object is so, and return it. Raises LabError that shows it as it is after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not so(found := self.get(collection, id)):
            if time.monotonic() > deadline:
                raise LabError(f"waited {timeout:g} s for {collection}/{id}; it is {found}")
            time.sleep(pause)
        return found

    def wait_for_status(self, collection: str, id: str, status: str, timeout: float = 30.0) -> Object:
        """Wait until an object is ACTIVE, DOWN …"""
        return self.wait_until(collection, id, lambda found: found["status"] == status, timeout)


def parsed(content: bytes) -> Any:
    """JSON, or text where it is none: what stands in front of Neutron answers in its own way."""
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode(errors="replace")


def plural(collection: str) -> str:
    """The key of a list of objects: qos/policies → policies, security-groups → security_groups."""
    return collection.rpartition("/")[2].replace("-", "_")


def singular(collection: str) -> str:
    """The key of one object: qos/policies → policy, security-groups → security_group."""
    key = plural(collection)
    return key.removesuffix("ies") + "y" if key.endswith("ies") else key.removesuffix("s")
