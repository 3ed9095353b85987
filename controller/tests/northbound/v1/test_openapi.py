"""The document is what is served, and what is served is what the document says."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from daybreak.model import INTENTS

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "use_after_free",
    "unsupported_method",
    "ignored_auth",
)
TRIED = "^/v1/(networks|subnets|ports|qos-policies|trunks|port-chains|transactions|digests|hosts|port-status|openapi)"
"""A part of the collections will do: they are all served by the same lines."""


async def test_every_collection_is_in_the_document_and_answers(served: Any) -> None:
    status, document = await served.ask("GET", "/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    collections = [path for path in document["paths"] if "put" in document["paths"].get(f"{path}/{{id}}", {})]
    assert len(collections) == len(INTENTS)
    assert {"/v1/qos-policies", "/v1/security-groups", "/v1/l2-gateways", "/v1/ndp-proxies"} <= set(collections)
    for path in collections:
        assert await served.ask("GET", path.removeprefix("/v1")) == (200, {"items": [], "next": None})


async def test_kinds_say_where_they_are_and_whether_anything_acts_on_them(served: Any) -> None:
    _, document = await served.ask("GET", "/openapi.json")
    kinds = document["x-daybreak-kinds"]
    assert kinds["port"] == {"collection": "/v1/ports", "schema": "Port", "in_effect": True}
    assert kinds["ike_policy"]["in_effect"] is False  # kept, and no feature reads it
    assert all(each["collection"] in document["paths"] for each in kinds.values())


async def test_what_a_field_takes_is_in_the_document(served: Any) -> None:
    _, document = await served.ask("GET", "/openapi.json")
    schemas = document["components"]["schemas"]
    assert schemas["Port"]["required"] == ["id", "network_id"]
    assert schemas["Port"]["additionalProperties"] is False
    assert "vxlan" in schemas["Network"]["properties"]["network_type"]["anyOf"][0]["enum"]
    assert {"format": "ipv6", "type": "string"} in schemas["FixedIp"]["properties"]["ip_address"]["anyOf"]
    assert schemas["AddressPair"]["properties"]["ip_address"] == {"type": "string"}
    pairs = schemas["Port"]["properties"]["vif_details"]["anyOf"][0]["items"]
    assert (pairs["items"], pairs["minItems"], pairs["maxItems"]) == ({"type": "string"}, 2, 2)


async def test_nothing_that_the_document_allows_surprises_either_side(served: Any, tmp_path: Path) -> None:
    """Schemathesis makes requests of the document, in sequences, too, and compares the answers with it."""
    process = await asyncio.create_subprocess_exec(
        str(SCHEMATHESIS),
        "run",
        f"{served.client.base_url}/v1/openapi.json",
        "--auth=admin:admin",
        f"--checks={','.join(CHECKS)}",
        f"--include-path-regex={TRIED}",
        "--max-examples=8",
        "--generation-database=none",
        "--seed=1",
        "--no-color",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert "Stateful" in said.decode()
    assert served.store.revision > 10
