"""io: neutron-daybreak-journal, the dispatcher of one server.

    neutron-daybreak-journal --config-file /etc/neutron/neutron.conf

It needs Neutron's configuration and database and nothing else of it: no plugin is loaded, and it starts whether
there's a controller or not. Run one on each server on which Neutron's API runs; it stops in order on SIGTERM.
"""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Sequence

from neutron.common import config as neutron_config
from oslo_config import cfg
from oslo_log import log

from networking_daybreak import config
from networking_daybreak.journal import metrics
from networking_daybreak.journal.dispatcher import Dispatcher
from networking_daybreak.journal.members import member_name
from networking_daybreak.journal.record import socket_path
from networking_daybreak.northbound.controllers import Controllers
from networking_daybreak.sync.watch import Watcher

LOG = log.getLogger(__name__)


def main(args: Sequence[str] | None = None) -> int:
    """Run until a signal. 0: stopped in order; 1: it can't go on."""
    neutron_config.register_common_config_options()
    conf = config.register()
    cfg.CONF(args=args, project="neutron", prog="neutron-daybreak-journal")
    neutron_config.setup_logging()
    name = member_name(conf.server or cfg.CONF.host)
    dispatcher = Dispatcher(conf, name, Controllers.of(conf, random.random), socket_path(), random.random)
    dispatcher.beside(Watcher(dispatcher).run)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: dispatcher.stopping.set())
    dispatcher.start()
    if conf.metrics:
        metrics.serve(dispatcher, conf.metrics)
    LOG.info("Dispatching the journal as %s", name)
    # Not without a time-out: the main thread has to come round for signals to be handled.
    while not dispatcher.stopping.wait(0.5):
        pass
    dispatcher.stop()
    return 0 if dispatcher.failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
