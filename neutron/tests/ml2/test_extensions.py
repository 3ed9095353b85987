"""Which of Neutron's extensions the API shows."""

from networking_daybreak.ml2.extensions import NEVER, capabilities_of, offered

CORE = {"binding", "binding-extended", "provider", "stateful-security-group", "address-group", "qinq"}


def test_what_neither_driver_nor_controller_carries_out_is_never_shown() -> None:
    assert not offered({*CORE, *NEVER}, None) & {*NEVER}


def test_before_a_controller_was_reached_all_is_offered_that_the_present_one_can() -> None:
    assert offered(CORE, None) == CORE - {"qinq"}


def test_an_older_controller_has_fewer() -> None:
    assert offered(CORE, ["security_group.stateful"]) == {"binding", "provider", "stateful-security-group"}


def test_a_capability_is_a_kind_or_field_that_has_an_effect() -> None:
    """What is merely kept does not count."""
    document = {
        "x-daybreak-kinds": {
            "port": {"schema": "Port", "in_effect": True},
            "address_group": {"schema": "AddressGroup", "in_effect": False},
            "security_group": {"schema": "SecurityGroup", "in_effect": True},
        },
        "components": {
            "schemas": {
                "Port": {"properties": {"id": {}, "bindings": {}}},
                "AddressGroup": {"properties": {"id": {}}},
                "SecurityGroup": {"properties": {"id": {}}},
            }
        },
    }
    assert capabilities_of(document) == ["port.bindings"]
    assert capabilities_of({"components": {"schemas": {}}}) == []  # a controller from before it said so
