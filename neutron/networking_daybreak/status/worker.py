"""io: the status worker: one process of neutron-periodic-workers that brings what the controller tells into Neutron.

One thread follows the controller's events, one brings what they tell into the database: at once what is news, at short
intervals what waits, and from time to time everything. A third tells Neutron's own listeners of ports that changed,
which takes ten times as long as the change. Several Neutron servers share out hosts; each follows all events, so that
another can take over from one moment to the next.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from neutron import worker
from neutron_lib import constants
from neutron_lib import context as contexts
from neutron_lib.plugins import directory
from oslo_config import cfg
from oslo_log import log as logging

from networking_daybreak import config
from networking_daybreak.ml2.extensions import acts_on
from networking_daybreak.ml2.host import AGENT_TYPE, CONTROLLER_TYPE, of_agent
from networking_daybreak.northbound.controllers import Controllers
from networking_daybreak.services import trunk
from networking_daybreak.services.needs import ROUTER
from networking_daybreak.status import agents, floating_ips, ports, rebinding, routers
from networking_daybreak.status.feed import Feed
from networking_daybreak.status.picture import News, Picture
from networking_daybreak.status.sharing import Share
from networking_daybreak.status.verdict import Seen, verdict

LOG = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two looks at what waits in Neutron's database."""


class StatusWorker(worker.NeutronBaseWorker):
    """What the plugin gets from `get_workers`; it does nothing before it is started in a process of its own."""

    def __init__(self) -> None:
        super().__init__(worker_process_count=1, desc="daybreak status")
        self._status: Status | None = None

    def start(self, **kwargs: Any) -> None:
        super().start(desc=self.desc)
        self._status = Status(directory.get_plugin(), config.register())
        self._status.start()

    def wait(self) -> None:
        if self._status is not None:
            self._status.wait()

    def stop(self) -> None:
        if self._status is not None:
            self._status.stop()

    def reset(self) -> None:
        """Options are read at the start."""


class Status:
    """The threads and what they share."""

    def __init__(self, plugin: Any, conf: Any) -> None:
        self._plugin = plugin
        self._survey_interval = conf.status_interval
        self._picture = Picture()
        self._feed = Feed(Controllers.of(conf, random.random), self._picture, self._reached)
        self._share = Share(conf)
        self._configured = {url.partition("//")[2].partition("/")[0] or url for url in conf.url}
        self._stopping = threading.Event()
        self._prepared: set[tuple[str, str]] = set()
        self._changes: queue.SimpleQueue[ports.Change] = queue.SimpleQueue()
        self._due: dict[str, float] = {}
        self._controllers_told: dict[str, list[str]] = {}
        self._threads = [
            threading.Thread(target=self._feed.run, name="daybreak-feed", daemon=True),
            threading.Thread(target=self._run, name="daybreak-status", daemon=True),
            threading.Thread(target=self._tell, name="daybreak-tell", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._feed.stop()
        self._picture.look_at_everything()

    def wait(self) -> None:
        """Until it is stopped; the thread that reads the stream may hang in it, and ends with the process."""
        self._threads[1].join()

    def _reached(self, address: str, capabilities: list[str]) -> None:
        self._controllers_told[address] = capabilities

    # -- the second thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Bring over what there is to bring over, whatever goes wrong with parts of it."""
        while not self._stopping.is_set():
            news = self._picture.take(TICK)
            if self._stopping.is_set():
                break
            context = contexts.get_admin_context()
            self._try(lambda: self._bring(context, news))  # noqa: B023 (it is called at once)
        self._try(lambda: self._share.leave(contexts.get_admin_context()))

    def _tell(self) -> None:
        """Tell Neutron's listeners, one port after the other."""
        while True:
            change = self._changes.get()
            try:
                ports.tell(self._plugin, contexts.get_admin_context(), change)
            except Exception:
                LOG.exception("Who listens for port %s could not be told of its status", change[1]["id"])

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:
            LOG.exception("Status could not be brought into Neutron; everything will be compared")
            self._picture.look_at_everything()
            self._stopping.wait(TICK)

    def _bring(self, context: Any, news: News) -> None:
        self._live(context)
        self._controllers(context)
        if not self._picture.is_complete:
            return
        everything = news.everything or self._is_due("survey", self._survey_interval)
        self._hosts(context, news.hosts, everything=everything)
        if everything:
            self._survey(context)
        else:
            self._ports(context, ports.seen(context, self._concerned(news, context)))
        self._announce(context, set(self._picture.ports) if everything else news.ports)
        if self._share.leads:
            floating_ips.settle(context)

    def _live(self, context: Any) -> None:
        """Give those signs of life that are due: this worker's, the hosts' and the controller's.

        Between the parts of whatever may take long, too, or the others would take this worker for gone.
        """
        if self._share.refresh(context):
            self._picture.look_at_everything()
        address = self._feed.address
        if address is not None and self._is_due("signs of life", agents.interval()):
            agents.beat(context, CONTROLLER_TYPE, [address.partition("//")[2]])
            agents.beat(context, AGENT_TYPE, [*filter(self._share.has, tuple(self._picture.connected))])

    def _is_due(self, what: str, interval: float) -> bool:
        """Whether `interval` seconds have passed since this was last due."""
        now = time.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + interval
        return True

    # -- ports --------------------------------------------------------------------------------------------------------

    def _concerned(self, news: News, context: Any) -> Collection[str]:
        """Ports with news, and those that wait for something that was told already."""
        told = self._picture.ports
        waiting = {port for port in ports.held(context) if port in told and told[port].active}
        return news.ports | waiting

    def _survey(self, context: Any) -> None:
        """Compare all ports, routers and trunks. Reading a page costs one query, and only what differs is written."""
        for page in ports.everything(context):
            self._ports(context, page)
            self._live(context)
        if self._share.leads:
            for settled in (routers.settle(context), trunk.settle_all(context)):
                for _ in settled:
                    self._live(context)

    def _ports(self, context: Any, seen: Iterable[Seen]) -> None:
        due = {}
        routed = acts_on(ROUTER)
        for port in seen:
            status = verdict(port, self._picture.ports.get(port.id), routers=routed)
            if status is not None and self._share.has(port.host or port.id):
                due[port.id] = ports.Due(status, port.host)
        for changes in ports.settle(self._plugin, context, due):
            for change in changes:
                self._changes.put(change)
            self._live(context)

    def _announce(self, context: Any, candidates: Collection[str]) -> None:
        """Tell Nova that a live migration's destination is ready, which no change of the port's status would."""
        told = self._picture.ports
        hosts = {port: set(told[port].prepared) for port in candidates if port in told and told[port].prepared}
        self._prepared = {(port, host) for port, host in self._prepared if port in told and host in told[port].prepared}
        notifier = getattr(self._plugin, "nova_notifier", None)
        if not hosts or notifier is None or not cfg.CONF.notify_nova_on_port_status_changes:
            return
        for port, host in ports.prepared(context, hosts):
            if (port.id, host) in self._prepared or not self._share.has(host):
                continue
            self._prepared.add((port.id, host))
            if port.device_owner.startswith(constants.DEVICE_OWNER_COMPUTE_PREFIX):
                LOG.info("Port %s is prepared on host %s", port.id, host)
                notifier.notify_port_active_direct(port)

    # -- hosts and controllers ----------------------------------------------------------------------------------------

    def _hosts(self, context: Any, changed: Collection[str], *, everything: bool) -> None:
        """Rows of hosts that changed, or of all.

        While no controller is followed nobody knows which are connected: rows stay as they are, and grow old.
        """
        if self._feed.address is None or not (everything or changed):
            return
        told, connected = self._picture.hosts, self._picture.connected
        rows = agents.known(context, *(() if everything else changed))
        abler = rebinding.failed_hosts(context) if everything else set()
        for name in filter(self._share.has, {*told, *rows} if everything else changed):
            if name not in told:
                agents.forget(self._plugin, context, name)
                continue
            is_connected = name in connected
            if agents.report(self._plugin, context, name, told[name], rows.get(name), connected=is_connected):
                abler.add(name)
            self._live(context)
        self._rebind(context, abler)

    def _rebind(self, context: Any, hosts: Collection[str]) -> None:
        """Bind ports again on those of the hosts that are connected."""
        names = [name for name in hosts if name in self._picture.connected and self._share.has(name)]
        if names:
            found = self._plugin.get_agents(context, filters={"agent_type": [AGENT_TYPE], "host": names})
            for host in map(of_agent, found):
                for _ in rebinding.rebind(self._plugin, context, host):
                    self._live(context)

    def _controllers(self, context: Any) -> None:
        """The rows of controllers that were reached."""
        while self._controllers_told:
            address, capabilities = self._controllers_told.popitem()
            agents.report_controller(self._plugin, context, address, capabilities)
            agents.forget_controllers(self._plugin, context, self._configured)
