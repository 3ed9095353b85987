"""data: the options of [daybreak]. What networking-odl had in [ml2_odl] counts where [daybreak] is silent."""

from oslo_config import cfg

from networking_daybreak.sizes import CLIENT

GROUP = "daybreak"


def of_odl(name: str) -> list[cfg.DeprecatedOpt]:
    """The option of networking-odl that meant the same."""
    return [cfg.DeprecatedOpt(name, group="ml2_odl")]


CONTROLLER = [
    cfg.ListOpt(
        "url",
        default=["http://127.0.0.1:8181"],
        deprecated_opts=of_odl("url"),
        help="Controllers, the preferred first, such as https://one:8181, https://two:8181. The first that serves is "
        "used, and the next when it fails. A path such as networking-odl's /controller/nb/v2/neutron is that of "
        "OpenDaylight's northbound.",
    ),
    cfg.StrOpt("username", deprecated_opts=of_odl("username"), help="User name of HTTP basic authentication."),
    cfg.StrOpt("password", secret=True, deprecated_opts=of_odl("password"), help="Its password."),
    cfg.StrOpt(
        "ca_file",
        help="PEM file with the certificates to trust; the system's unless given.",
    ),
    cfg.StrOpt("cert_file", help="PEM file with the certificate that this server shows the controllers."),
    cfg.StrOpt("key_file", help="PEM file with its key, where cert_file doesn't hold it."),
    cfg.StrOpt(
        "northbound",
        default="auto",
        choices=[
            ("auto", "what the controller is found to serve"),
            ("daybreak", "Daybreak's modern API: in bulk, fenced, with digests"),
            ("opendaylight", "the northbound of OpenDaylight, object by object"),
        ],
        help="Which API the controllers serve.",
    ),
    cfg.FloatOpt(
        "timeout", default=10.0, min=0.1, deprecated_opts=of_odl("timeout"), help="Seconds that a request may take."
    ),
    cfg.StrOpt(
        "client",
        default="neutron",
        regex=CLIENT,
        help="The name under which this cloud writes. Clouds that share a controller need names of their own.",
    ),
]

JOURNAL = [
    cfg.StrOpt(
        "server",
        help="The name of this server among its like; Neutron's option host unless given. No two may have the same.",
    ),
    cfg.IntOpt("streams", default=2, min=1, max=64, help="Batches that a dispatcher sends at the same time."),
    cfg.IntOpt(
        "batch",
        default=1000,
        min=1,
        max=1000,
        help="Objects of a batch at most; of OpenDaylight's northbound, where each is a request, no more than 16.",
    ),
    cfg.FloatOpt(
        "poll_interval",
        default=0.5,
        min=0.05,
        help="Seconds between looks for rows of other servers. Those of its own server wake a dispatcher at once.",
    ),
    cfg.IntOpt(
        "retries",
        default=8,
        min=0,
        help="How often an object that the controller fails at is sent again, with growing delay, before it is "
        "parked. What goes wrong because the controller is away, or starts, is not counted.",
    ),
    cfg.StrOpt(
        "metrics",
        help="ADDRESS:PORT on which the dispatcher answers Prometheus, such as 127.0.0.1:9698; nowhere unless given.",
    ),
    cfg.FloatOpt("heartbeat_interval", default=1.0, min=0.05, help="Seconds between two signs of life of a member."),
    cfg.FloatOpt("suspect_after", default=3.0, min=0.1, help="Seconds of silence after which a member is suspect."),
    cfg.FloatOpt(
        "gone_after",
        default=6.0,
        min=0.2,
        help="Seconds of silence after which a member counts as gone, and others take over what it was about to do.",
    ),
]

SYNC = [
    cfg.FloatOpt(
        "sync_interval", default=60.0, min=0.5, help="Seconds between two comparisons of Neutron with the controller."
    ),
    cfg.IntOpt(
        "sync_full_every",
        default=10,
        min=1,
        help="Every how many comparisons Neutron is read even if the controller is as it was when they last agreed.",
    ),
    cfg.IntOpt("sync_depth", default=5000, min=1, help="Rows of the journal up to which repairs add more."),
]

STATUS = [
    cfg.FloatOpt(
        "status_interval",
        default=60.0,
        min=0.5,
        help="Seconds between two comparisons of the status of all ports and hosts; news are brought over at once.",
    ),
    cfg.FloatOpt(
        "poll_status_interval",
        default=2.0,
        min=0.1,
        help="Seconds between two polls of a plain OpenDaylight for the status of ports that wait.",
    ),
]

OPTIONS = [*CONTROLLER, *JOURNAL, *SYNC, *STATUS]


def register(conf: cfg.ConfigOpts = cfg.CONF) -> cfg.ConfigOpts.GroupAttr:
    """The options under [daybreak], registered; doing it again is no harm."""
    conf.register_opts(OPTIONS, GROUP)
    return conf[GROUP]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """For oslo-config-generator."""
    return [(GROUP, OPTIONS)]
