"""The reference says all that features declare."""

import re

from daybreak.engine.document import engine_page, pipeline_page
from daybreak.features import pipeline

PIPELINE = pipeline()


def rows(page: str) -> list[list[str]]:
    """The cells of all tables."""
    return [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in page.splitlines() if line.startswith("| ")]


def test_every_table_flow_register_and_number_is_there() -> None:
    cells = {cell for row in rows(pipeline_page(PIPELINE)) for cell in row}
    for feature in PIPELINE.features:
        assert cells >= {table.doc for table in feature.tables}
        assert cells >= {register.doc for register in feature.registers}
        assert cells >= {f"`{pool.number.kind}`" for pool in feature.pools}
    described = [row[-1].rpartition(".")[2] for row in rows(pipeline_page(PIPELINE))]
    for shape in PIPELINE.shapes:
        assert described.count(shape.name) == 1


def test_flows_show_tables_registers_and_variables_by_name() -> None:
    shown = {row[-1]: row for row in rows(pipeline_page(PIPELINE))}
    priority, match, actions, purpose, _ = shown["l2.to_local_port"]
    assert (priority, match) == ("100", "`datapath=<network>,eth_dst=<mac>`")
    assert re.fullmatch(r"`load:<port>->target,goto_table:[A-Z_]+`", actions)
    assert purpose == "a port of this host"


def test_every_rule_and_relation_is_there() -> None:
    page = engine_page(PIPELINE)
    order = re.findall(r"^\d+\. `(.+)`$", page, re.MULTILINE)
    assert sorted(order) == sorted(map(str, PIPELINE.rules))
    assert order.index("l2.local") < order.index("l2.local_ports"), "a relation is complete before it is read"
    for feature in PIPELINE.features:
        for rule in feature.rules:
            assert f"    {rule}[{rule.name}]" in page
            for relation in rule.emits:
                assert f"    {rule} --> {relation}\n" in page
        for relation in feature.relations:
            assert f"| `{relation}` | {relation.doc} |" in page
