"""io: the dispatcher: threads that claim rows of the journal, send what they stand for, and keep the member alive."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from neutron_lib import context as neutron_context
from oslo_log import log

from networking_daybreak.journal import claims as journal
from networking_daybreak.journal import members, states
from networking_daybreak.journal.batch import Batch, Manners, conclude, place, prepare
from networking_daybreak.journal.claims import Claim, Owner
from networking_daybreak.journal.crash import crash_point
from networking_daybreak.northbound.answers import Fence, Outcome, Refused, Replaced, Unavailable
from networking_daybreak.northbound.controllers import Controllers, Northbound
from networking_daybreak.resources import KINDS

LOG = log.getLogger(__name__)
ROLE = "journal"
COUNTER = 20
"""Bits of a fencing token that count within one joining of a member; those above are the member's token."""

PAUSE = 0.2
"""Seconds between looks at whether something went better."""


class Bell:
    """Wakes threads that have nothing to do. A ring while nobody listens is not lost."""

    def __init__(self) -> None:
        self._rings = 0
        self._condition = threading.Condition()

    def ring(self) -> None:
        with self._condition:
            self._rings += 1
            self._condition.notify_all()

    @property
    def rings(self) -> int:
        """How often it has rung."""
        return self._rings

    def wait(self, rings: int, seconds: float) -> None:
        """Wait until it has rung more often, or so long."""
        with self._condition:
            self._condition.wait_for(lambda: self._rings > rings, seconds)


class Tally:
    """What was done since the start, for those who look after it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.sent: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        self.batches = 0

    def note(self, batch: Batch, outcomes: Sequence[Outcome], now: float, seconds: float) -> None:
        """A batch was sent: it took so many seconds."""
        with self._lock:
            self.batches += 1
            self.outcomes["skipped"] += batch.skipped
            for change, outcome in zip(batch.changes, outcomes, strict=True):
                self.sent[change.kind] += 1
                self.outcomes[type(outcome).__name__.lower()] += 1
                self.seconds[change.kind] = now - batch.claims[change.key].recorded_at
            self.seconds["batch"] = seconds

    def report(self) -> Mapping[str, Any]:
        """In a form that the table of members holds. `latency`: seconds from recording to done, by kind, the latest."""
        with self._lock:
            latency = {kind: round(seconds, 3) for kind, seconds in self.seconds.items()}
            return {"sent": {**self.sent}, "outcomes": {**self.outcomes}, "latency": latency, "batches": self.batches}


class Dispatcher:
    """All threads of one process. `conf` is the section [daybreak]; `random` gives numbers from 0 to 1."""

    def __init__(
        self, conf: Any, name: str, controllers: Controllers, socket_path: str, random: Callable[[], float]
    ) -> None:
        self.conf = conf
        self.controllers = controllers
        self.bell = Bell()
        self.tally = Tally()
        self.manners = Manners(conf.retries, random)
        self.stopping = threading.Event()
        self.failure: str | None = None
        patience = states.Patience(conf.suspect_after, conf.gone_after)
        self.membership = members.Membership(ROLE, name, patience, conf.streams)
        self.seen: Sequence[members.Seen] = ()
        self.present: Sequence[str] = ()
        self._streams = [Stream(self, number) for number in range(conf.streams)]
        self._socket_path = socket_path
        self._threads: list[threading.Thread] = []
        self._others: list[Callable[[], None]] = []

    def beside(self, target: Callable[[], None]) -> None:
        """Run something else, too, until the dispatcher stops."""
        self._others.append(target)

    def start(self) -> None:
        """Start all threads; none of them waits for the controller."""
        for target in (
            self._listen,
            self._live,
            self._inherit,
            *(stream.run for stream in self._streams),
            *self._others,
        ):
            thread = threading.Thread(target=target, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Finish what's being sent, and leave. Takes as long as a request may."""
        self.stopping.set()
        self.bell.ring()
        deadline = time.monotonic() + self.conf.timeout + 5
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        is_settled = self.is_settled and not any(stream.is_holding for stream in self._streams)
        with suppress(Exception):
            self.membership.leave(neutron_context.get_admin_context(), is_settled=is_settled)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left of what this server claimed before it joined."""
        return self.membership.state == states.ACTIVE

    @property
    def is_active(self) -> bool:
        """Whether claims may be made."""
        return self.is_settled and not self.stopping.is_set()

    # -- the member ---------------------------------------------------------------------------------------------------

    def _live(self) -> None:
        """Give signs of life, see who's silent, and take over from those who're gone."""
        context = neutron_context.get_admin_context()
        while not self.stopping.is_set():
            try:
                self._live_once(context)
            except members.Displaced as displaced:
                self._displaced(displaced)
            except Exception as error:
                LOG.error("Looking after members fails: %s", place(error))
            self.stopping.wait(self.conf.heartbeat_interval)

    def _live_once(self, context: Any) -> None:
        me = self.membership
        if me.state == states.GONE:
            me.join(context)
            LOG.info("Joined as %s with token %d", me.name, me.token)
        me.beat(context, self.report())
        self.seen = me.observe(context)
        self.present = me.present(self.seen)
        if self.present[:1] == [me.name]:
            if journal.free_orphans(context):
                self.bell.ring()
            members.remove_expired(context, ROLE, time.time())

    def _inherit(self) -> None:
        """Settle what members left that are gone, and this one before it joined.

        Apart from the signs of life, which no controller that doesn't answer may hold up.
        """
        context = neutron_context.get_admin_context()
        while not self.stopping.wait(min(self.conf.heartbeat_interval, PAUSE)):
            try:
                for each in members.members_of(context, ROLE) if self._is_called_for else ():
                    if each.needs_settling:
                        self._take_over(context, each)
                    elif each.name == self.membership.name:
                        self._settled(context, each.token)  # others have done it
            except members.Displaced as displaced:
                self._displaced(displaced)
            except Exception as error:
                LOG.error("Taking over fails: %s", place(error))

    @property
    def _is_called_for(self) -> bool:
        """Whether anybody's claims are to be settled."""
        return self.membership.state == states.JOINING or any(each.needs_settling for each in self.seen)

    def _settled(self, context: Any, token: int) -> None:
        if self.membership.settled(context, token):
            self.bell.ring()

    def _displaced(self, displaced: members.Displaced) -> None:
        if displaced.by_namesake:
            self.failure = f"Another dispatcher runs under the name {self.membership.name}"
            LOG.critical(self.failure)
            self.stopping.set()
            self.bell.ring()
        else:
            LOG.warning("Others took this dispatcher for gone; joining anew")

    def _take_over(self, context: Any, seen: members.Seen) -> None:
        """Let nothing more come of what a member sent before its token, then free what it had claimed."""
        try:
            north = self.controllers.connect()
            self._fence_off(north, seen, context)
        except Unavailable:
            return  # where nothing can be sent there's nothing to take over either
        crash_point("before-takeover")
        freed = journal.release_of(context, seen.name, seen.token)
        members.note_settled(context, seen)
        crash_point("after-takeover")
        if seen.name == self.membership.name:
            self._settled(context, seen.token)
        if freed:
            LOG.warning("Took over %d objects that %s had claimed", freed, seen.name)
        self.bell.ring()

    def _fence_off(self, north: Northbound, seen: members.Seen, context: Any) -> None:
        """Raise the fences of a member's streams to its token. Raises `Unavailable`.

        Where the controller saw a higher one, Neutron's database was restored from a backup: then above that.
        """
        for number in range(seen.streams):
            writer = f"{seen.name}.{number}"
            try:
                north.raise_fence(Fence(self.conf.client, writer, seen.token << COUNTER))
            except Replaced as replaced:
                stands = replaced.stands or 0
                if seen.name == self.membership.name:
                    LOG.warning("The controller knows token %d of this server: joining with a higher one", stands)
                    self.membership.join(context, above=stands >> COUNTER)
                    raise Unavailable("joining anew") from None
                north.raise_fence(Fence(self.conf.client, writer, stands + 1))

    def begin_anew(self, owner: Owner) -> None:
        """It isn't certain what an owner has claimed, as when the database went away meanwhile.

        So the member joins again, with a higher token, and what was claimed under this one is settled as for one that
        was killed.
        """
        if self.membership.lapse(owner.token):
            LOG.warning("It is not certain what was claimed: joining anew")

    def step_down(self, context: Any) -> None:
        """This server can't reach a controller and holds claims whose fate is not known: let others settle them."""
        if self.membership.state == states.ACTIVE:
            LOG.warning("No controller for %.0f s: leaving what was claimed to others", self.conf.gone_after)
            self.membership.leave(context, is_settled=False)

    def report(self) -> Mapping[str, Any]:
        """What this member says of itself."""
        north = self.controllers.current
        circuit = self.controllers.circuit
        controller: dict[str, Any] = {"reason": circuit.reason}
        if north is not None:
            controller |= {"url": str(north.endpoint), "northbound": north.name}
            controller["not_served"] = [kind for kind in KINDS if not north.serves(kind)]
        return {"controller": controller, **self.tally.report()}

    # -- waking -------------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Hear this server's API processes. Where that can't be, looking now and then has to do."""
        try:
            with suppress(FileNotFoundError):
                Path(self._socket_path).unlink()
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
                ear.bind(self._socket_path)
                Path(self._socket_path).chmod(0o660)
                ear.settimeout(PAUSE)
                while not self.stopping.is_set():
                    with suppress(TimeoutError):
                        ear.recv(16)
                        self.bell.ring()
        except OSError as error:
            LOG.error("Not listening on %s (%s): looking every %s s", self._socket_path, error, self.conf.poll_interval)


class Stream:
    """One batch at a time: claim, read, send, finish."""

    def __init__(self, dispatcher: Dispatcher, number: int) -> None:
        self._dispatcher = dispatcher
        self._number = number
        self._count = 0
        self.holds: list[Claim] = []
        self._is_claiming = False

    @property
    def is_holding(self) -> bool:
        """Whether anything is claimed, as far as is known."""
        return self._is_claiming or bool(self.holds)

    def run(self) -> None:
        """Until the dispatcher stops."""
        context = neutron_context.get_admin_context()
        dispatcher = self._dispatcher
        # One of the streams looks for rows of other servers; where it finds many, the others are woken.
        interval = dispatcher.conf.poll_interval * (1 if self._number == 0 else 10)
        while not dispatcher.stopping.is_set():
            rings = dispatcher.bell.rings
            try:
                found = self._once(context) if dispatcher.is_active else 0
            except Exception as error:
                LOG.error("A batch failed: %s", place(error))
                found = 0
                self._let_go(context)
                dispatcher.stopping.wait(PAUSE)
            if not found:
                wait = interval if dispatcher.is_active else PAUSE
                dispatcher.bell.wait(rings, wait)

    def _once(self, context: Any) -> int:
        """One batch; how many objects it had."""
        dispatcher = self._dispatcher
        try:
            north = dispatcher.controllers.connect()
        except Unavailable:
            dispatcher.stopping.wait(PAUSE)
            return 0
        owner = Owner(dispatcher.membership.name, dispatcher.membership.token)
        limit = min(dispatcher.conf.batch, north.at_once)
        self._is_claiming = True
        claimed = self.holds = journal.claim(context, owner, KINDS, limit, time.time())
        self._is_claiming = False
        if not claimed:
            return 0
        crash_point("after-claim")
        if len(claimed) == limit:
            dispatcher.bell.ring()
        self._work(context, north, owner, claimed)
        return len(claimed)

    def _work(self, context: Any, north: Northbound, owner: Owner, claimed: list[Claim]) -> None:
        dispatcher = self._dispatcher
        batch = prepare(context, claimed, north.serves, dispatcher.manners, time.time())
        crash_point("after-read")
        began = time.monotonic()
        try:
            crash_point("before-send")
            outcomes = north.send(batch.changes, self._fence(owner)) if batch.changes else []
            crash_point("after-send")
        except Unavailable as unavailable:
            dispatcher.controllers.lost(str(unavailable))
            self._given_back(context, owner, in_doubt=unavailable.in_doubt)
            return
        except Replaced as replaced:
            self._replaced(context, owner, replaced)
            return
        verdict = conclude(context, batch, outcomes, dispatcher.manners, time.time())
        crash_point("before-finish")
        if not journal.finish(context, owner, verdict):
            LOG.warning("A batch of %d objects was taken over by others meanwhile", len(claimed))
        crash_point("after-finish")
        self.holds = []
        dispatcher.tally.note(batch, outcomes, time.time(), time.monotonic() - began)
        if verdict.done and any(isinstance(each, Refused) for each in outcomes):
            dispatcher.bell.ring()

    def _fence(self, owner: Owner) -> Fence:
        dispatcher = self._dispatcher
        token = owner.token << COUNTER | self._count
        return Fence(dispatcher.conf.client, f"{owner.name}.{self._number}", token)

    def _given_back(self, context: Any, owner: Owner, *, in_doubt: bool) -> None:
        """Give up the batch, but not before it's certain that nothing more comes of it at the controller."""
        dispatcher = self._dispatcher
        if in_doubt:
            self._count += 1
        deadline = time.monotonic() + dispatcher.conf.gone_after
        while in_doubt and not dispatcher.stopping.is_set():
            if dispatcher.membership.token != owner.token:
                return  # others settle it
            try:
                dispatcher.controllers.connect().raise_fence(self._fence(owner))
                in_doubt = False
            except Unavailable as unavailable:
                dispatcher.controllers.lost(str(unavailable))
                if time.monotonic() > deadline:
                    dispatcher.step_down(context)
                    self.holds = []
                    return
                dispatcher.stopping.wait(PAUSE)
            except Replaced as replaced:
                self._replaced(context, owner, replaced)
                return
        if not in_doubt:
            self._let_go(context, owner)

    def _let_go(self, context: Any, owner: Owner | None = None) -> None:
        """Give up what's held. Where that fails, or it isn't known what that is, the member begins anew."""
        membership = self._dispatcher.membership
        owner = owner or Owner(membership.name, membership.token)
        is_free = not self._is_claiming
        try:
            journal.release(context, owner, [claim.head for claim in self.holds])
        except Exception as error:
            LOG.error("Giving up a batch fails: %s", place(error))
            is_free = False
        self.holds, self._is_claiming = [], False
        if not is_free:
            self._dispatcher.begin_anew(owner)

    def _replaced(self, context: Any, owner: Owner, replaced: Replaced) -> None:
        """The controller saw a higher token of this stream's. Others took over, or the database is an old one."""
        dispatcher = self._dispatcher
        membership = dispatcher.membership
        LOG.warning("Fenced off: the controller saw token %s of %s", replaced.stands, owner.name)
        try:
            membership.beat(context)
        except members.Displaced as displaced:
            dispatcher._displaced(displaced)
            return
        self._let_go(context, owner)
        if membership.token == owner.token and replaced.stands is not None:
            membership.join(context, above=replaced.stands >> COUNTER)
