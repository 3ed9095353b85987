"""What `daybreak serve` says of its configuration: one line for each thing that is wrong."""

from pathlib import Path
from typing import Any

import pytest

from daybreak.service.config import Config, ConfigError, load

HASH = "$scrypt$ln=10,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43
USER = f'[[users]]\nname = "ann"\npassword_hash = "{HASH}"\n'

REFUSED_FILES = [
    ('nortbound = "127.0.0.1:8181"', "daybreak.toml: unknown option nortbound; did you mean northbound?"),
    (
        'allow-plaintext = ["10.0.0.0/8"]',
        "daybreak.toml: unknown option allow-plaintext; did you mean allow_plaintext?",
    ),
    ("northbound = 8181", "daybreak.toml: northbound: expected a text, got a whole number"),
    (
        'northbound = "8181"',
        'daybreak.toml: northbound: expected ADDRESS:PORT such as 127.0.0.1:8181 or [::1]:8181, got "8181"',
    ),
    (
        'northbound = "::1:8181"',
        'daybreak.toml: northbound: expected ADDRESS:PORT such as 127.0.0.1:8181 or [::1]:8181, got "::1:8181"',
    ),
    ('https = "yes"', "daybreak.toml: https: expected true or false, got a text"),
    ('openflow = "ptcp:6653"', "daybreak.toml: openflow: expected a list, got a text"),
    (
        'openflow = ["ptcp:6653:127.0.0.1", "tcp:1.2.3.4:6653"]',
        "daybreak.toml: openflow[1]: expected ptcp:PORT[:ADDRESS] or pssl:PORT[:ADDRESS], "
        'IPv6 addresses in brackets, got "tcp:1.2.3.4:6653"',
    ),
    ("openflow = []", "daybreak.toml: openflow: expected a list of length >= 1"),
    ('disconnect_grace = "soon"', "daybreak.toml: disconnect_grace: expected a number, got a text"),
    ("disconnect_grace = 0", "daybreak.toml: disconnect_grace: expected a number > 0.0"),
    (
        'vni_range = "1:99999999"',
        'daybreak.toml: vni_range: expected LOW:HIGH, both from 1 to 16777215, got "1:99999999"',
    ),
    ('tunnels = ["stt"]', 'daybreak.toml: tunnels[0]: expected one of vxlan, geneve, gre, got "stt"'),
    ('tunnels = ["gre"]', "overlay vxlan is none of the tunnels gre"),
    (
        'bridge = "integration bridge"',
        "daybreak.toml: bridge: expected the name of a bridge, at most 15 characters without spaces and slashes, "
        'got "integration bridge"',
    ),
    ('[[users]]\nname = "ann"', "daybreak.toml: users[0]: object missing required field password_hash"),
    (
        '[[users]]\nname = "ann"\npasword_hash = ""',
        "daybreak.toml: unknown option users[0].pasword_hash; did you mean password_hash?",
    ),
    (
        '[[users]]\nname = "ann"\npassword_hash = "secret"',
        'daybreak.toml: users[0].password_hash: expected what daybreak hash-password prints, got "secret"',
    ),
    (USER * 2, "users: ann is there twice"),
    ("northbound", "daybreak.toml: Expected '=' after a key in a key/value pair (at end of document)"),
    (
        'northbound = "0.0.0.0:8181"',
        "northbound 0.0.0.0:8181 is reachable from outside, where everybody knows admin/admin: "
        "add [[users]] with a name and a password_hash (daybreak hash-password prints one)",
    ),
    (
        'northbound = "[::]:8181"\n' + USER,
        "northbound [::]:8181 is reachable from outside without TLS: "
        "set https, or name the peers' network with --allow-plaintext",
    ),
    ("https = true", "https needs a certificate"),
    ('https = true\ncertificate = "/none.pem"\nprivate_key = "/none.key"', "certificate: there is no file /none.pem"),
]

REFUSED_FLAGS: list[tuple[dict[str, Any], str]] = [
    (
        {"ovsdb": ("ptcp:6640",)},
        "ovsdb ptcp:6640 is reachable from outside without TLS: "
        "use pssl:, or name the peers' network with --allow-plaintext",
    ),
    ({"openflow": ("pssl:6653",)}, "pssl:6653 needs a certificate"),
    ({"ovsdb": ("ssl:10.0.0.1:6640",)}, "ssl:10.0.0.1:6640 needs a certificate"),
    (
        {"ovsdb": ("tcp:10.0.0.1:6640",)},
        "ovsdb tcp:10.0.0.1:6640 would be spoken to without TLS: use ssl:, or name its network with --allow-plaintext",
    ),
    (
        {"ovsdb": ("tcp:compute-1:6640",)},
        "--ovsdb: expected ptcp:PORT[:ADDRESS], pssl:…, tcp:ADDRESS:PORT or ssl:…, IPv6 addresses in brackets, "
        'got "tcp:compute-1:6640"',
    ),
    (
        {"allow_plaintext": ("10.0.0.1/8",)},
        '--allow-plaintext: expected a network such as 10.0.0.0/24, got "10.0.0.1/8"',
    ),
    (
        {"openflow_target": "tcp:controller:6653"},
        "--openflow-target: expected tcp:ADDRESS:PORT or ssl:ADDRESS:PORT, IPv6 addresses in brackets, "
        'got "tcp:controller:6653"',
    ),
    (
        {"openflow": ("ptcp:66530:127.0.0.1",)},
        "--openflow: expected ptcp:PORT[:ADDRESS] or pssl:PORT[:ADDRESS], "
        'IPv6 addresses in brackets, got "ptcp:66530:127.0.0.1"',
    ),
]


@pytest.mark.parametrize(("toml", "line"), REFUSED_FILES, ids=[line for _, line in REFUSED_FILES])
def test_a_file_is_refused_in_one_line(toml: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "daybreak.toml"
    file.write_text(toml)
    with pytest.raises(ConfigError) as refused:
        load({}, file)
    assert str(refused.value).replace(f"{tmp_path}/", "") == line


@pytest.mark.parametrize(("flags", "line"), REFUSED_FLAGS, ids=[line for _, line in REFUSED_FLAGS])
def test_flags_are_refused_in_one_line(flags: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(flags)
    assert str(refused.value) == line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load({}, tmp_path / "none.toml")
    assert str(refused.value) == f"{tmp_path}/none.toml: No such file or directory"


def test_nothing_given_means_this_machine_alone() -> None:
    config = load({})
    assert config == Config()
    assert config.northbound.is_local
    assert all(each.is_local for each in (*config.ovsdb_listeners, *config.openflow))
    assert config.credentials.verify("admin", "admin")


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "daybreak.toml"
    file.write_text('data = "/srv/a"\nbridge = "br-a"\n')
    config = load({"data": "/srv/b", "bridge": None, "openflow": ()}, file)
    assert (str(config.data), config.bridge, config.openflow) == ("/srv/b", "br-a", Config().openflow)


def test_addresses_as_open_vswitch_writes_them() -> None:
    config = load(
        {
            "northbound": "[::1]:80",
            "ovsdb": ("ptcp:6640:[::1]",),
            "openflow": ("ptcp:6653",),
            "allow_plaintext": ("fd00::/8",),
            "openflow_target": "tcp:[fd00::1]:6653",
        }
    )
    assert (config.northbound.host, config.northbound.port) == ("::1", 80)
    assert [(each.is_tls, each.port, each.address) for each in (*config.ovsdb_listeners, *config.openflow)] == [
        (False, 6640, "::1"),
        (False, 6653, None),
    ]


def test_databases_that_call_and_that_are_called() -> None:
    config = load({"ovsdb": ("ptcp:6640", "tcp:10.0.0.1:6640"), "allow_plaintext": ("10.0.0.0/8",)})
    assert (config.ovsdb_listeners, config.ovsdb_targets) == (("ptcp:6640",), ("tcp:10.0.0.1:6640",))
    (target,) = config.ovsdb_targets
    assert (target.is_tls, target.address, target.port) == (False, "10.0.0.1", 6640)


def test_users_replace_the_default(tmp_path: Path) -> None:
    file = tmp_path / "daybreak.toml"
    file.write_text(USER)
    credentials = load({"northbound": "10.0.0.1:8181", "allow_plaintext": ("10.0.0.0/8",)}, file).credentials
    assert not credentials.verify("admin", "admin")
