"""rules: which rules of security groups hold connections no longer where flows go; `__init__` says what holds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from ipaddress import ip_network
from typing import Any, NamedTuple, cast

from daybreak.engine.engine import Engine
from daybreak.engine.memo import Memo, pairs
from daybreak.engine.supposition import Shift
from daybreak.features.security_group import (
    ADDRESSES,
    DIRECTION_WORDS,
    FACTS,
    HOLDING_HOSTS,
    allowed,
    groups_of,
    guard,
    member,
    shapes,
)
from daybreak.features.security_group.asked import asked, family
from daybreak.features.vocabulary import HELD, PortKey, members_topic, split_local
from daybreak.model import Port, SecurityGroupRule
from daybreak.model.address import prefix
from daybreak.wire.openflow.flow import decode_key


class Gone(NamedTuple):
    """A rule goes: all that it let begin is judged anew."""

    rule: str


class Left(NamedTuple):
    """A port leaves a group: so is what the group's rules let begin for it."""

    group: str


class Parted(NamedTuple):
    """An address leaves a group: so is what rules let begin that ask for it in this topic, with this ethertype."""

    group: str
    topic: str
    ethertype: int


Loss = Gone | Left | Parted


def cut(before: Engine, after: Engine, shifts: Iterable[Shift]) -> list[SecurityGroupRule]:
    """The rules that hold connections no longer, some or all, where one engine becomes another: by the flows that go.

    A rule of a group that no port has let nothing begin.
    """
    losses = _Losses(before, after)
    held = {split_local(key)[1] for key in before.relations[HOLDING_HOSTS]}
    found = {rule.id: rule for loss in {*losses.of(shifts)} for rule in _rules(before, loss)}
    return [found[key] for key in sorted(found) if found[key].security_group_id in held]


def _rules(engine: Engine, loss: Loss) -> Iterator[SecurityGroupRule]:
    """The rules that a loss concerns, as far as they allow anything."""
    rules = cast(dict[str, SecurityGroupRule], engine.records[SecurityGroupRule])
    if isinstance(loss, Gone):
        yield rules[loss.rule]
        return
    for memo in engine.readers(FACTS, loss.group):
        if memo.rule is allowed and memo.flows:
            rule = rules[memo.key]
            if rule.security_group_id == loss.group if isinstance(loss, Left) else _asks(engine, rule, loss):
                yield rule


def _asks(engine: Engine, rule: SecurityGroupRule, loss: Parted) -> bool:
    """Whether a rule asks for the members of the group in the topic."""
    if loss.group not in (rule.remote_group_id, rule.remote_address_group_id):
        return False
    asks = asked(rule)
    return asks.ethertype == loss.ethertype and any(
        loss.topic == members_topic(loss.group, DIRECTION_WORDS[asks.direction], facts.stateful)
        for facts in engine.values(FACTS, rule.security_group_id)
    )


class _Losses:
    """What is lost with flows: those of security groups by which connections are held."""

    def __init__(self, before: Engine, after: Engine) -> None:
        self._before = before
        self._after = after

    def of(self, shifts: Iterable[Shift]) -> Iterator[Loss]:
        held = self._before.pipeline.numbers[HELD]
        for shift in shifts:
            if shift.before is None or shift.after is not None:
                continue
            memo = self._before.memos.get(int.from_bytes(shift.before[:8], "big"))
            if memo is None:
                continue
            if memo.rule is allowed and decode_key(shift.key)[0] == held:
                yield Gone(memo.key)
            elif memo.rule is guard and self._is_judged(memo, shift.topic):
                yield from self._left(memo.key, shift.key)
            elif memo.rule is member:
                yield from self._parted(memo.key, shift.topic)

    def _is_judged(self, guarding: Memo, topic: str) -> bool:
        """Whether a port is judged on its host afterwards; else it is gone, or all that it says passes."""
        memo = self._after.memos.get(guarding.cookie)
        return memo is not None and any(place.name == topic for place, _ in pairs(memo.flows))

    def _left(self, port_id: str, flow: bytes) -> Iterator[Left]:
        """The group that a port has by a flow, where that is what the flow says."""
        holder = self._before.pipeline.encoders[shapes.HOLDER]
        port = cast(Port, self._before.records[Port][port_id])
        number = cast(PortKey, self._before.records[PortKey][port_id])
        for group in groups_of(port) or ():
            for facts in self._before.values(FACTS, group):
                if holder(number.value, facts.key)[0] == flow:
                    yield Left(group)

    def _parted(self, key: str, topic: str) -> Iterator[Parted]:
        """The address, unless it is in a prefix that is a member afterwards."""
        group, address = split_local(key)
        network: Any = ip_network(address)
        if not any(network.subnet_of(wide) for wide in self._prefixes[group, network.version]):
            yield Parted(group, topic, family(prefix(address)))

    @cached_property
    def _prefixes(self) -> defaultdict[tuple[str, int], list[Any]]:
        """(group, IP version) → members afterwards that are more than one address."""
        found: defaultdict[tuple[str, int], list[Any]] = defaultdict(list)
        for key in self._after.relations[ADDRESSES]:
            if "/" in key:
                group, address = split_local(key)
                network = ip_network(address)
                found[group, network.version].append(network)
        return found
