"""io: security groups and their rules, which ML2 drivers hear of by callbacks."""

from collections.abc import Callable
from typing import Any

from neutron_lib.callbacks import events, registry, resources

from networking_daybreak.journal.record import record, wake

PRECOMMIT = (events.PRECOMMIT_CREATE, events.PRECOMMIT_UPDATE, events.PRECOMMIT_DELETE)
AFTER = (events.AFTER_CREATE, events.AFTER_UPDATE, events.AFTER_DELETE)


def subscribe() -> None:
    """Called once in each process; a second call changes nothing."""
    for event in PRECOMMIT:
        registry.subscribe(group_changed, resources.SECURITY_GROUP, event)
        registry.subscribe(rule_changed, resources.SECURITY_GROUP_RULE, event)
    for event in AFTER:
        registry.subscribe(committed, resources.SECURITY_GROUP, event)
        registry.subscribe(committed, resources.SECURITY_GROUP_RULE, event)


def group_changed(resource: str, event: str, trigger: Callable[..., Any], payload: Any) -> None:
    """A group comes with rules and takes its rules along, of which Neutron says nothing by themselves."""
    record(payload.context, "security_group", payload.resource_id)
    for rule in rules_of(event, payload):
        record(payload.context, "security_group_rule", rule)


def rules_of(event: str, payload: Any) -> list[str]:
    """The rules that come or go with a group."""
    if event == events.PRECOMMIT_CREATE:
        return [rule["id"] for rule in payload.latest_state["security_group_rules"]]
    if event == events.PRECOMMIT_DELETE:
        return list(payload.metadata["security_group_rule_ids"])
    return []


def rule_changed(resource: str, event: str, trigger: Callable[..., Any], payload: Any) -> None:
    """A rule, and its group: a rule counts up its group's revision."""
    record(payload.context, "security_group_rule", payload.resource_id)
    group = payload.metadata.get("security_group_id") or payload.latest_state["security_group_id"]
    record(payload.context, "security_group", group)


def committed(resource: str, event: str, trigger: Callable[..., Any], payload: Any) -> None:
    wake()
