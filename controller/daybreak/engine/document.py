"""rules: the reference of a linked pipeline: its tables and flows, its registers, its rules; Markdown with Mermaid.

Nothing here knows a feature: what is said is what features declare, so it is true as long as it is generated.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from daybreak.engine.engine import ranked
from daybreak.engine.pipeline import Feature, MeterShape, Pipeline, Shape, Stage, Table
from daybreak.engine.rule import Relation, Rule
from daybreak.wire.openflow.fields import BitField
from daybreak.wire.openflow.flow import Condition
from daybreak.wire.openflow.layout import Variable
from daybreak.wire.openflow.text import Names, format_match, format_steps

GENERATED = "<!-- Generated from the features by docs/generate.py: change the features, and run it. -->"


def pipeline_page(pipeline: Pipeline) -> str:
    """Tables by stage with the shapes of their flows, and the registers that travel with a packet."""
    return _page(
        "# The pipeline",
        "A packet enters table 0. Tables have their numbers from the order of stages; a packet moves forward only, and "
        "one that no flow of a table matches is dropped. Flows are in the words of ovs-ofctl(8); `<name>` stands for "
        "what differs from flow to flow. Parts of registers go by their names, see [registers](#registers).",
        _table(
            ("number", "table", "stage", "purpose"),
            (
                (str(number), f"[{table.name}](#{table.name.lower()})", table.stage.name, table.doc)
                for table, number in pipeline.numbers.items()
            ),
        ),
        *(part for stage in Stage for part in _stage(pipeline, stage)),
        "## Registers",
        "Bits that travel with a packet. Every packet starts with all of them zero.",
        _table(
            ("name", "bits", "width", "what it is"),
            ((f"`{r.name}`", f"`{_bits(bits)}`", str(r.width), r.doc) for r, bits in pipeline.registers.items()),
        ),
        *_shared(pipeline),
        "## Numbers",
        "What identifies things inside the switches is given out once and held.",
        _table(
            ("number", "held by each", "from", "to", "what it is"),
            (
                (f"`{p.number.kind}`", p.owner.kind, str(p.low), str(p.high), _first_line(p.number))
                for p in pipeline.pools
            ),
        ),
    )


def engine_page(pipeline: Pipeline) -> str:
    """Features, rules in the order in which they run, and relations: how flows follow from records."""
    return _page(
        "# How flows follow from records",
        "Records are what clouds want and what switches report. A rule runs for each row of its root, reads other rows "
        "by key, and yields flows for topics and values for relations. A rule that reads a relation runs after all "
        "that contribute to it. A switch has the flows of the topics that it subscribes to.",
        "```mermaid\nflowchart LR\n" + "\n".join(_between_features(pipeline)) + "\n```",
        *(part for feature in pipeline.features for part in _feature(feature)),
        "## Relations",
        _table(("relation", "what it says", "contributed by", "read by"), _relations(pipeline)),
        "## Order",
        "The rules run in this order, each once for each key and transaction:",
        "\n".join(f"{n}. `{rule}`" for n, rule in enumerate(ranked(pipeline.rules), 1)),
    )


# -- tables and flows -------------------------------------------------------------------------------------------------


def _stage(pipeline: Pipeline, stage: Stage) -> Iterator[str]:
    tables = [table for table in pipeline.tables if table.stage is stage]
    if tables:
        yield f"## Stage {stage.name}"
    for table in tables:
        yield f"### {table.name}"
        yield f"Table {pipeline.numbers[table]}: {table.doc}"
        yield _table(("priority", "match", "actions", "what it is for", "flow"), _shapes(pipeline, table))


def _shapes(pipeline: Pipeline, table: Table) -> Iterator[tuple[str, ...]]:
    owners = {shape: feature.name for feature in reversed(pipeline.features) for shape in feature.shapes}
    names = Names(
        {number: table.name for table, number in pipeline.numbers.items()}, tuple(pipeline.registers.values())
    )
    shapes = [shape for shape in pipeline.shapes if shape.table is table]
    for shape in sorted(shapes, key=lambda shape: (-_highest(shape), owners[shape], shape.name)):
        match, actions = _symbolic(pipeline, shape, names)
        priority = "various" if isinstance(shape.priority, Variable) else str(shape.priority)
        yield priority, f"`{match or '*'}`", f"`{actions}`", shape.doc, f"{owners[shape]}.{shape.name}"


def _highest(shape: Shape) -> int:
    """The priority of its flows, or the highest that there is where they have several."""
    return 0xFFFF if isinstance(shape.priority, Variable) else int(shape.priority)


def _shared(pipeline: Pipeline) -> Iterator[str]:
    """Meters and groups, where features have any."""
    if pipeline.shared:
        yield "## Meters and groups"
        yield "What flows share. A switch gets them before the flows that use them, and loses them after these."
        yield _table(("what", "values", "what it is for", "feature"), _shared_rows(pipeline))


def _shared_rows(pipeline: Pipeline) -> Iterator[tuple[str, ...]]:
    for feature in pipeline.features:
        for shape in feature.shared:
            what = f"meter, {shape.unit.name}" if isinstance(shape, MeterShape) else f"group, {shape.type.name}"
            values = ", ".join(f"`<{name}>`" for name in shape.variables)
            yield what.lower(), values, shape.doc, f"{feature.name}.{shape.name}"


def _symbolic(pipeline: Pipeline, shape: Shape, names: Names) -> tuple[str, str]:
    """Match and actions with names of tables, registers and variables."""
    match = [Condition(*(pipeline.resolve(part) for part in condition)) for condition in shape.match]
    return format_match(match, names), format_steps(pipeline.resolve(shape.actions), names)


def _bits(bits: BitField) -> str:
    return f"{bits.field.name}[{bits.offset}..{bits.offset + bits.width - 1}]"


# -- rules and relations ----------------------------------------------------------------------------------------------


def _feature(feature: Feature) -> Iterator[str]:
    yield f"## {feature.name}"
    doc = feature.doc.removeprefix("rules: ")
    yield doc[:1].upper() + doc[1:]
    if not feature.rules:
        return
    yield _table(
        ("rule", "runs for each", "reads", "gives", "what it says"),
        (
            (f"`{rule.name}`", _node(rule.root), _nodes(rule.reads), _nodes(rule.emits), _first_line(rule.function))
            for rule in feature.rules
        ),
    )
    yield "```mermaid\nflowchart LR\n" + "\n".join(_within(feature)) + "\n```"


def _within(feature: Feature) -> Iterator[str]:
    """A feature's graph: thick from the root, dotted where it is only read."""
    nodes: dict[str, None] = {}
    edges = []
    for rule in feature.rules:
        nodes[f"    {feature.name}.{rule.name}[{rule.name}]"] = None
        for source in (rule.root, *rule.reads):
            if source is not None:
                nodes[f"    {_shape(source)}"] = None
                arrow = "==>" if source is rule.root else "-.->"
                edges.append(f"    {_name(source)} {arrow} {feature.name}.{rule.name}")
        for relation in rule.emits:
            nodes[f"    {_shape(relation)}"] = None
            edges.append(f"    {feature.name}.{rule.name} --> {_name(relation)}")
    yield from nodes
    yield from edges


def _between_features(pipeline: Pipeline) -> Iterator[str]:
    """Which feature tells which other one what."""
    for feature in pipeline.features:
        given = dict.fromkeys(relation for rule in feature.rules for relation in rule.emits)
        for other in pipeline.features:
            read = {source for rule in other.rules for source in (rule.root, *rule.reads)}
            told = [relation.name for relation in given if relation in read and other is not feature]
            if told:
                yield f'    {feature.name} -- "{", ".join(told)}" --> {other.name}'


def _relations(pipeline: Pipeline) -> Iterator[tuple[str, ...]]:
    relations = dict.fromkeys(relation for feature in pipeline.features for relation in feature.relations)
    for relation in sorted(relations, key=lambda relation: relation.name):
        givers = [rule for rule in pipeline.rules if relation in rule.emits]
        readers = [rule for rule in pipeline.rules if relation in (rule.root, *rule.reads)]
        yield f"`{relation}`", relation.doc, _rules(givers), _rules(readers)


def _rules(rules: Iterable[Rule]) -> str:
    return ", ".join(f"`{rule}`" for rule in rules) or "the controller itself"


def _name(source: Any) -> str:
    return source.name if isinstance(source, Relation) else source.__name__


def _node(source: Any) -> str:
    return "once" if source is None else f"`{_name(source)}`"


def _nodes(sources: Iterable[Any]) -> str:
    return ", ".join(map(_node, sources))


def _shape(source: Any) -> str:
    """A node of the graph: relations are hexagons, records are drums."""
    name = _name(source)
    return f"{name}{{{{{name}}}}}" if isinstance(source, Relation) else f"{name}[({name})]"


# -- Markdown ---------------------------------------------------------------------------------------------------------


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((title, GENERATED, *parts)) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _first_line(declared: Any) -> str:
    return (inspect.getdoc(declared) or "").split("\n\n")[0].replace("\n", " ")
