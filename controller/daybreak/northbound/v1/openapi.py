"""rules: the OpenAPI 3.1 document, made from the records and from what is asked and answered."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from daybreak.model import Host, PortStatus, Record
from daybreak.northbound.v1 import answers, reading
from daybreak.northbound.values import MAC, read_ip, read_mac

BASE = "/v1"
JSON = "application/json"
PROBLEM = "application/problem+json"

PREFIXES = {(kind.__name__, field) for kind, field in reading.EXCEPTIONS}
"""Fields that are called like addresses and may be prefixes."""

Schema = dict[str, Any]


def path_of(kind: type[Record]) -> str:
    """The collection of a kind, as it is called in paths: "floating-ips", "qos-policies", "l2-gateways"."""
    name = kind.kind.replace("_", "-")
    return f"{name.removesuffix('y')}ies" if re.search("[^aeiou]y$", name) else f"{name}s"


def document(kinds: Sequence[type[Record]], acted_on: Collection[type[Record]] = ()) -> Schema:
    """The document for these collections; `acted_on`: the kinds that have an effect on switches."""
    asked = [answers.TransactionAsked, answers.Written, answers.Plan, answers.DigestsAnswer, answers.PageAnswer]
    told = [answers.Progress, answers.Problem, answers.HostState, answers.RuleCounters, Host, PortStatus]
    _, schemas = msgspec.json.schema_components([*kinds, *asked, *told], ref_template="#/components/schemas/{name}")
    schemas["Put"]["properties"]["body"] = {"oneOf": [ref(kind) for kind in kinds]}
    names: Schema = {"type": "string", "enum": [kind.kind for kind in kinds]}
    schemas["Put"]["properties"]["kind"] = schemas["Delete"]["properties"]["kind"] = names
    for name, schema in schemas.items():
        refine(name, schema)
    for name in msgspec.json.schema_components(kinds)[1]:
        schemas[name]["additionalProperties"] = False
    paths: Schema = {}
    for kind in kinds:
        paths |= collection(kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Daybreak",
            "version": "1",
            "description": "The modern API of Daybreak. Every write is durable before it is answered.",
        },
        "x-daybreak-kinds": {
            kind.kind: {"collection": f"{BASE}/{path_of(kind)}", "schema": kind.__name__, "in_effect": kind in acted_on}
            for kind in kinds
        },
        "security": [{"basic": []}],
        "paths": paths | others([kind.kind for kind in kinds]),
        "components": {"securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}, "schemas": schemas},
    }


def refine(name: str, schema: Schema) -> None:
    """Say of an object's fields what is asked of their texts, and of pairs, which are of texts, what all tools read."""
    for field, part in schema.get("properties", {}).items():
        read = None if (name, field) in PREFIXES else reading.READERS.get(field)
        told = {"type": "string", "enum": [*read.words]} if isinstance(read, reading.OneOf) else TEXTS.get(read)
        for inner in parts(part):
            if told is not None and inner.get("type") == "string":
                inner.clear()
                inner |= told
            if "prefixItems" in inner:
                inner["items"] = inner.pop("prefixItems")[0]


def parts(schema: Any) -> Iterator[Schema]:
    """A schema and all that it is made of."""
    if isinstance(schema, dict):
        inner = [schema.get("items"), *schema.get("anyOf", ())]
        yield schema
        for each in inner:
            yield from parts(each)


def ref(kind: type) -> Schema:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def answer(description: str, schema: Schema, media: str = JSON) -> Schema:
    return {"description": description, "content": {media: {"schema": schema}}}


def refused(*statuses: int) -> Schema:
    """What every operation may answer, and these."""
    words = {
        400: "What was sent can't be taken; the text says why",
        401: "User name or password is missing or wrong",
        403: "HTTP without TLS is not allowed from here",
        404: "It is not there",
        409: "Something newer stands",
        413: "The body is too large",
        415: "The body is not JSON",
        503: "Nothing can be written now, or too many wait already",
    }
    shown = sorted({400, 401, 403, 413, *statuses})
    return {str(status): answer(words[status], ref(answers.Problem), PROBLEM) for status in shown}


def query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": (1 << 63) - 1}
ID: Schema = {"type": "string", "pattern": f"^{reading.ID.pattern}$"}
ADDRESS: Schema = {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}
TEXTS: Mapping[Any, Schema] = {
    reading.read_id: ID,
    read_mac: {"type": "string", "pattern": f"^{MAC.pattern}$"},
    read_ip: ADDRESS,
}
"""How a text is read → what the document says of it. Prefixes have no format of their own in JSON Schema."""
PAGING = [
    query("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 1000}, "Objects of a page at most."),
    query("after", {"type": "string"}, "Objects whose key follows this one: the `next` of the page before."),
]
WAIT = [
    query("wait", {"type": "string", "enum": ["applied"]}, "Answer when the switches have it."),
    query("timeout", {"type": "number", "minimum": 0, "maximum": 300, "default": 30}, "Seconds to wait at most."),
]
AUTHOR = [
    query("revision", COUNT, "The client's own count of the object's changes; a lower one than stands is refused."),
    query("client", ID, "Who writes."),
    query("token", COUNT, "The client's fencing token; a lower one than it showed before is refused."),
    query("force", {"type": "boolean"}, "Take the revision as it comes, after a database was restored."),
]
DIGEST = [
    query("client", ID, "Whose objects; without it those of which no client said that they are his."),
    query("path", {"type": "string", "pattern": "^([0-9a-f]{2}){0,2}$"}, "The page: none, two or four digits."),
]


def listed(kind: type[Record] | type[msgspec.Struct]) -> Schema:
    """A page of a collection."""
    properties = {"items": {"type": "array", "items": ref(kind)}, "next": {"type": ["string", "null"]}}
    return {"type": "object", "required": ["items", "next"], "properties": properties}


def operation(summary: str, id: str, responses: Mapping[str, Schema], *parameters: Schema) -> Schema:
    return {"summary": summary, "operationId": id, "parameters": [*parameters], "responses": responses}


def collection(kind: type[Record]) -> Schema:
    """The paths of one kind."""
    path, name = path_of(kind), kind.kind
    id = {"name": "id", "in": "path", "required": True, "schema": ID}
    written = {"200": answer("What became of it", ref(answers.Written)), **refused(404, 409, 503)}
    put = operation(f"Create or replace a {name}", f"put_{name}", {**written, **refused(415)}, id, *AUTHOR, *WAIT)
    put["requestBody"] = {"required": True, "content": {JSON: {"schema": ref(kind)}}}
    return {
        f"{BASE}/{path}": {
            "get": operation(
                f"All {name}s, by id", f"list_{name}", {"200": answer("A page", listed(kind)), **refused()}, *PAGING
            )
        },
        f"{BASE}/{path}/{{id}}": {
            "get": operation(
                f"One {name}", f"get_{name}", {"200": answer("The object", ref(kind)), **refused(404)}, id
            ),
            "put": put,
            "delete": operation(f"Delete a {name}", f"delete_{name}", written, id, *AUTHOR, *WAIT),
        },
    }


def others(kinds: Sequence[str]) -> Schema:
    """The paths that are no collections of what clouds want."""
    transaction = operation(
        "Put and delete any objects, all together",
        "transact",
        {"200": answer("What became of each", ref(answers.Written)), **refused(409, 415, 503)},
        *WAIT,
    )
    transaction["requestBody"] = {"required": True, "content": {JSON: {"schema": ref(answers.TransactionAsked)}}}
    plan = operation(
        "What a transaction would do; nothing is done",
        "plan",
        {"200": answer("The plan", ref(answers.Plan)), **refused(404, 415)},
    )
    plan["requestBody"] = transaction["requestBody"]
    digests = {"200": answer("The digests", ref(answers.DigestsAnswer)), **refused()}
    page = {"200": answer("The page", ref(answers.PageAnswer)), **refused(404)}
    kind = {"name": "kind", "in": "path", "required": True, "schema": {"type": "string", "enum": kinds}}
    seen = "The id of the last event seen. One that this process never gave is answered with all that is."
    last = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}, "description": seen}
    events = {"200": answer("Events", {"type": "string"}, "text/event-stream"), **refused(503)}
    hosts = {"200": answer("A page", listed(answers.HostState)), **refused()}
    host = {"200": answer("The host", ref(answers.HostState)), **refused(404)}
    forgotten = {"204": {"description": "It is forgotten"}, **refused(404, 409)}
    host_id = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    statuses = {"200": answer("A page", listed(PortStatus)), **refused()}
    counters = {"200": answer("A page", listed(answers.RuleCounters)), **refused()}
    return {
        f"{BASE}/transactions": {"post": transaction},
        f"{BASE}/plan": {"post": plan},
        f"{BASE}/digests": {"get": operation("Digests of all collections", "digests", digests)},
        f"{BASE}/digests/{{kind}}": {"get": operation("A page of a collection's digests", "page", page, kind, *DIGEST)},
        f"{BASE}/hosts": {"get": operation("All hosts and how far they are", "hosts", hosts, *PAGING)},
        f"{BASE}/hosts/{{id}}": {
            "get": operation("One host and how far it is", "host", host, host_id),
            "delete": operation("Forget a host that is not coming back", "forget_host", forgotten, host_id),
        },
        f"{BASE}/port-status": {"get": operation("What is true of ports", "port_status", statuses, *PAGING)},
        f"{BASE}/rule-counters": {
            "get": operation("What security group rules let through", "rule_counters", counters, *PAGING)
        },
        f"{BASE}/events": {"get": operation("What happens to ports and hosts", "events", events, last)},
        f"{BASE}/openapi.json": {
            "get": operation("This document", "openapi", {"200": answer("It", {"type": "object"}), **refused()})
        },
    }
