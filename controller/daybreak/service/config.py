"""io: what `daybreak serve` can be told, by flags and by a TOML file with the same names; flags win.

Whatever is wrong is refused before anything starts, in one line that names the place and says what to do.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import msgspec

from daybreak.model.tunnel import TUNNEL_PORTS
from daybreak.northbound.credentials import Credentials, parse_hash

DEFAULT_USERS = {"admin": "$scrypt$ln=14,r=8,p=1$LFlbmgNJ62/4b4hAlMbAlg$QNlfOPHGx5XiorU8zuHs0dpN9tfg3jwOnCXkhHtw9qo"}
"""admin/admin, OpenDaylight's own default: good enough where only this machine can reach the northbound."""

ADDRESS = re.compile(r"\[([^][]+)]|([^][:]+)")
PASSIVE = re.compile(r"(ptcp|pssl):(\d{1,5})(?::(.+))?")
ACTIVE = re.compile(r"(?:tcp|ssl):(.+):(\d{1,5})")
ENDPOINT = re.compile(r"(.+):(\d{1,5})")
WORDS = {
    "`str`": "a text",
    "`float`": "a number",
    "`int`": "a whole number",
    "`bool`": "true or false",
    "`array`": "a list",
    "`list`": "a list",
    "`object`": "a table",
    "`dict`": "a table",
}
"""Types as msgspec and Python call them → as people do."""

RANGE = re.compile(r"(\d{1,8}):(\d{1,8})")


def matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError
    return match


def bare(text: str) -> str:
    """An address without the brackets of IPv6. Raises ValueError for IPv6 without them."""
    match = matched(ADDRESS, text)
    return match[1] or match[2]


def port_number(text: str) -> int:
    """A TCP port; 0 is any that is free. Raises ValueError."""
    if int(text) > 65535:
        raise ValueError
    return int(text)


class ConfigError(Exception):
    """The configuration can't be used. The text is one line."""


class Notation(str):
    """A text of a certain form, kept as it was written. `expected` says which."""

    __slots__ = ()
    expected: ClassVar[str]

    def __new__(cls, text: str) -> Self:
        """Raises ValueError."""
        notation = super().__new__(cls, text)
        try:
            notation.check()
        except ValueError:
            raise ValueError(f'expected {cls.expected}, got "{text}"') from None
        return notation

    def check(self) -> None:
        """Raises ValueError where the form is wrong."""
        raise NotImplementedError


class Endpoint(Notation):
    """HOST:PORT to listen on; an IPv6 address stands in brackets."""

    __slots__ = ()
    expected = "ADDRESS:PORT such as 127.0.0.1:8181 or [::1]:8181"

    def check(self) -> None:
        ip_address(self.host)
        port_number(matched(ENDPOINT, self)[2])

    @property
    def host(self) -> str:
        text = matched(ENDPOINT, self)[1]
        return "127.0.0.1" if text == "localhost" else bare(text)

    @property
    def port(self) -> int:
        return int(matched(ENDPOINT, self)[2])

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return ip_address(self.host).is_loopback


class Listener(Notation):
    """Where switches connect to, in Open vSwitch's own notation (ovsdb-server(1)): ptcp:PORT[:ADDRESS], pssl:…"""

    __slots__ = ()
    expected = "ptcp:PORT[:ADDRESS] or pssl:PORT[:ADDRESS], IPv6 addresses in brackets"

    def check(self) -> None:
        port_number(matched(PASSIVE, self)[2])
        if self.address is not None:
            ip_address(self.address)

    @property
    def is_tls(self) -> bool:
        return self.startswith("pssl:")

    @property
    def port(self) -> int:
        return int(matched(PASSIVE, self)[2])

    @property
    def address(self) -> str | None:
        """None: all addresses of this machine."""
        text: str | None = matched(PASSIVE, self)[3]
        return None if text is None else bare(text)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.address is not None and ip_address(self.address).is_loopback


class Target(Notation):
    """Whom to connect to, as in `ovs-vsctl set-controller`."""

    __slots__ = ()
    expected = "tcp:ADDRESS:PORT or ssl:ADDRESS:PORT, IPv6 addresses in brackets"

    def check(self) -> None:
        ip_address(self.address)
        port_number(matched(ACTIVE, self)[2])

    @property
    def is_tls(self) -> bool:
        return self.startswith("ssl:")

    @property
    def address(self) -> str:
        return bare(matched(ACTIVE, self)[1])

    @property
    def port(self) -> int:
        return int(matched(ACTIVE, self)[2])


class Remote(Notation):
    """Where OVSDB is spoken: switches connect to us (a `listener`), or we to one that listens (a `target`)."""

    __slots__ = ()
    expected = "ptcp:PORT[:ADDRESS], pssl:…, tcp:ADDRESS:PORT or ssl:…, IPv6 addresses in brackets"

    def check(self) -> None:
        Listener(self) if self.startswith("p") else Target(self)

    @property
    def listener(self) -> Listener | None:
        return Listener(self) if self.startswith("p") else None

    @property
    def target(self) -> Target | None:
        return None if self.startswith("p") else Target(self)


class Cidr(Notation):
    """A network of peers."""

    __slots__ = ()
    expected = "a network such as 10.0.0.0/24"

    def check(self) -> None:
        ip_network(self)

    @property
    def network(self) -> IPv4Network | IPv6Network:
        return ip_network(self)


class VniRange(Notation):
    """LOW:HIGH, both included: what networks get for a VNI if the cloud gives none."""

    __slots__ = ()
    expected = "LOW:HIGH, both from 1 to 16777215"

    def check(self) -> None:
        if not 1 <= self.low <= self.high < 1 << 24:
            raise ValueError

    @property
    def low(self) -> int:
        return int(matched(RANGE, self)[1])

    @property
    def high(self) -> int:
        return int(matched(RANGE, self)[2])


class Encapsulation(Notation):
    """A kind of tunnel."""

    __slots__ = ()
    expected = f"one of {', '.join(TUNNEL_PORTS)}"

    def check(self) -> None:
        if self not in TUNNEL_PORTS:
            raise ValueError


class BridgeName(Notation):
    """A bridge is also a network device, so its name has at most 15 characters."""

    __slots__ = ()
    expected = "the name of a bridge, at most 15 characters without spaces and slashes"

    def check(self) -> None:
        if not re.fullmatch(r"[^\s/]{1,15}", self):
            raise ValueError


class PasswordHash(Notation):
    """What `daybreak hash-password` prints."""

    __slots__ = ()
    expected = "what `daybreak hash-password` prints"

    def check(self) -> None:
        parse_hash(self)


class User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Someone who may use the northbound."""

    name: Annotated[str, msgspec.Meta(pattern="^[^:]+$")]
    password_hash: PasswordHash


LOOPBACK = (Cidr("127.0.0.0/8"), Cidr("::1/128"))
Listeners = Annotated[tuple[Listener, ...], msgspec.Meta(min_length=1)]
Remotes = Annotated[tuple[Remote, ...], msgspec.Meta(min_length=1)]
TcpPort = Annotated[int, msgspec.Meta(ge=0, le=65535)]
LogRate = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All options.

    `data`: directory of the store. `northbound`: where clouds connect to, by HTTPS if `https` is set;
    `websocket_port`: where they hear of changes, on the same address. `ovsdb`, `openflow`: where switches connect to;
    `ovsdb` also names databases that we connect to. `allow_plaintext`: peers that may do without TLS. `certificate`,
    `private_key`: this controller's, PEM files, for TLS and https; `ca_certificate`: whose switches are believed.
    `users`: who may use the northbound; none: admin/admin, on loopback only. `bridge`: the integration bridge.
    `tunnels`: encapsulations that hosts get a port for; `overlay`: that of networks whose type the cloud leaves open,
    with a VNI of `vni_range`. `disconnect_grace`: seconds until the ports of a silent host are reported DOWN.
    `openflow_target`: where switches are told to connect to; None: the address at which their OVSDB connection
    arrived, with the first `openflow` port. `reconcile_interval`: seconds between two looks at a switch's whole table,
    `counters_interval` between two at the counters of its flows; 0: never. `security_log`: the file for what network
    logs ask for, None: the log; `log_rate`, `log_burst`: connections that one log may show of a host, in a second and
    at once.
    """

    data: Path = Path("/var/lib/daybreak")
    northbound: Endpoint = Endpoint("127.0.0.1:8181")
    websocket_port: TcpPort = 8185
    https: bool = False
    ovsdb: Remotes = (Remote("ptcp:6640:127.0.0.1"),)
    openflow: Listeners = (Listener("ptcp:6653:127.0.0.1"), Listener("ptcp:6633:127.0.0.1"))
    allow_plaintext: tuple[Cidr, ...] = LOOPBACK
    certificate: Path | None = None
    private_key: Path | None = None
    ca_certificate: Path | None = None
    users: tuple[User, ...] = ()
    bridge: BridgeName = BridgeName("br-int")
    tunnels: tuple[Encapsulation, ...] = tuple(Encapsulation(each) for each in TUNNEL_PORTS)
    overlay: Encapsulation = Encapsulation("vxlan")
    vni_range: VniRange = VniRange("1048576:16777215")
    disconnect_grace: Seconds = 30.0
    openflow_target: Target | None = None
    reconcile_interval: Seconds = 300.0
    counters_interval: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    security_log: Path | None = None
    log_rate: LogRate = 100
    log_burst: LogRate = 25

    @property
    def ovsdb_listeners(self) -> tuple[Listener, ...]:
        return tuple(each.listener for each in self.ovsdb if each.listener)

    @property
    def ovsdb_targets(self) -> tuple[Target, ...]:
        return tuple(each.target for each in self.ovsdb if each.target)

    @property
    def tls_endpoints(self) -> tuple[str, ...]:
        """Where switches are spoken to by TLS."""
        endpoints: tuple[Listener | Target, ...] = (*self.ovsdb_listeners, *self.ovsdb_targets, *self.openflow)
        return tuple(each for each in endpoints if each.is_tls)

    @property
    def hashes(self) -> Mapping[str, str]:
        """User name → hash of the password."""
        return {user.name: user.password_hash for user in self.users} or DEFAULT_USERS

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.hashes)

    @property
    def plaintext_peers(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(each.network for each in self.allow_plaintext)


def load(flags: Mapping[str, Any], file: Path | None = None) -> Config:
    """The configuration of a TOML file and of flags (by option's name; None and () are flags that were not given).

    Raises `ConfigError`.
    """
    given = {name: value for name, value in flags.items() if value not in (None, ())}
    written = read_toml(file) if file else {}
    try:
        config = msgspec.convert({**written, **given}, Config, dec_hook=decode)
    except msgspec.ValidationError as error:
        raise ConfigError(explain(str(error), given, file)) from None
    check(config)
    return config


def read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigError(f"{file}: {error}") from None


def decode(kind: type, value: Any) -> Any:
    """A value of a type that msgspec does not know. Raises ValueError."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise ValueError(f"expected `str`, got `{type(value).__name__}`")
    return kind(value)


def explain(text: str, given: Mapping[str, Any], file: Path | None) -> str:
    """msgspec's complaint in the words of who wrote the option: where it is, what it should be."""
    text = re.sub(r"`\w+`", lambda name: WORDS.get(name[0], name[0]), text)
    reason, _, path = text.replace("`", "").partition(" - at $")
    path = path.lstrip(".")
    if unknown := re.fullmatch(r"Object contains unknown field (.+)", reason):
        return f"{file}: unknown option {path}{'.' if path else ''}{unknown[1]}{suggestion(unknown[1], path)}"
    option = re.split(r"[.\[]", path)[0]
    place = f"--{option.replace('_', '-')}" if option in given else f"{file}: {path}"
    return f"{place}: {reason[0].lower()}{reason[1:]}"


def suggestion(name: str, path: str) -> str:
    options = User.__struct_fields__ if path else Config.__struct_fields__
    near = difflib.get_close_matches(name.replace("-", "_"), options, 1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(options)}"


def check(config: Config) -> None:
    """What must hold between options. Raises `ConfigError`."""
    beyond = any(not network.is_loopback for network in config.plaintext_peers)
    for option, listeners in (("ovsdb", config.ovsdb_listeners), ("openflow", config.openflow)):
        for each in listeners:
            if not (each.is_tls or each.is_local or beyond):
                raise ConfigError(
                    f"{option} {each} is reachable from outside without TLS: "
                    f"use pssl:, or name the peers' network with --allow-plaintext"
                )
    for target in config.ovsdb_targets:
        address = ip_address(target.address)
        if not (target.is_tls or any(address in network for network in config.plaintext_peers)):
            raise ConfigError(
                f"ovsdb {target} would be spoken to without TLS: use ssl:, or name its network with --allow-plaintext"
            )
    if not config.northbound.is_local:
        check_exposed(config, beyond)
    check_certificates(config)
    if config.overlay not in config.tunnels:
        raise ConfigError(f"overlay {config.overlay} is none of the tunnels {', '.join(config.tunnels)}")
    names = [user.name for user in config.users]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"users: {min(twice)} is there twice")


def check_exposed(config: Config, plaintext: bool) -> None:
    """A northbound that others can reach."""
    if not config.users:
        raise ConfigError(
            f"northbound {config.northbound} is reachable from outside, where everybody knows admin/admin: "
            f"add [[users]] with a name and a password_hash (daybreak hash-password prints one)"
        )
    if not (config.https or plaintext):
        raise ConfigError(
            f"northbound {config.northbound} is reachable from outside without TLS: "
            f"set https, or name the peers' network with --allow-plaintext"
        )


def check_certificates(config: Config) -> None:
    """What TLS needs, where it is used."""
    switches = next(iter(config.tls_endpoints), None)
    user = switches or ("https" if config.https else None)
    needed = {"certificate": config.certificate, "private_key": config.private_key}
    if switches:
        needed["ca_certificate"] = config.ca_certificate
    for option, path in needed.items():
        if user and path is None:
            raise ConfigError(f"{user} needs a {option}")
        if user and path and not path.is_file():
            raise ConfigError(f"{option}: there is no file {path}")
