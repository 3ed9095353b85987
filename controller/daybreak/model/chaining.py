"""data: service function chains (networking-sfc's API reference; RFC 7665 for the words).

Parameters are (name, value) pairs in the order of their names.
"""

from typing import ClassVar

from daybreak.model.owned import Owned

Parameters = tuple[tuple[str, str], ...]


class PortPair(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A service function: the port by which packets come in, and the one by which they leave."""

    kind: ClassVar[str] = "port_pair"

    name: str | None = None
    ingress: str | None = None
    egress: str | None = None
    service_function_parameters: Parameters | None = None


class PortPairGroup(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Port pairs that do the same, and share the load."""

    kind: ClassVar[str] = "port_pair_group"

    name: str | None = None
    port_pairs: tuple[str, ...] | None = None


class PortChain(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The groups that packets of some classifiers pass, in this order."""

    kind: ClassVar[str] = "port_chain"

    name: str | None = None
    port_pair_groups: tuple[str, ...] | None = None
    flow_classifiers: tuple[str, ...] | None = None
    chain_parameters: Parameters | None = None


class FlowClassifier(Owned, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Which packets: as in `SecurityGroupRule`, with source ports and the ports (of the model) at either end."""

    kind: ClassVar[str] = "flow_classifier"

    name: str | None = None
    ethertype: str | None = None
    protocol: str | None = None
    source_port_range_min: int | None = None
    source_port_range_max: int | None = None
    destination_port_range_min: int | None = None
    destination_port_range_max: int | None = None
    source_ip_prefix: str | None = None
    destination_ip_prefix: str | None = None
    logical_source_port: str | None = None
    logical_destination_port: str | None = None
    l7_parameters: Parameters | None = None
