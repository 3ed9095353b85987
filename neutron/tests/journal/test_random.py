"""Random days of a cloud: whatever happens in whatever order, in the end the controller has what Neutron has."""

import os
import random
import signal

from networking_daybreak.journal.crash import POINTS
from neutron.db.models.securitygroup import SecurityGroup, SecurityGroupPortBinding
from neutron.db.models_v2 import Network, Port
from sqlalchemy import delete

from .conftest import BOTH
from .ground import Controller, Ground, wait_for

SEED = int(os.environ.get("DAYBREAK_SEED", "1"))
"""Another day is another number."""


class Day:
    """Steps that keep what Neutron keeps: what's referred to is not deleted."""

    def __init__(self, ground: Ground, chance: random.Random) -> None:
        self._ground, self._chance = ground, chance
        self._networks: list[str] = []
        self._groups: list[str] = []
        self._ports: dict[str, tuple[str, str]] = {}

    def step(self) -> None:
        chance = self._chance
        steps = [self._network, self._group, self._port, self._port, self._rename, self._rename, self._delete]
        chance.choice(steps)()

    def _network(self) -> None:
        self._networks.append(self._ground.network(f"n{len(self._networks)}"))

    def _group(self) -> None:
        self._groups.append(self._ground.group(f"g{len(self._groups)}"))

    def _port(self) -> None:
        if self._networks and self._groups:
            network, group = self._chance.choice(self._networks), self._chance.choice(self._groups)
            names = [f"p{number}" for number in range(self._chance.randint(1, 5))]
            for id in self._ground.ports(network, *names, groups=(group,)):
                self._ports[id] = (network, group)

    def _rename(self) -> None:
        model, ids = self._chance.choice(
            [(Network, self._networks), (SecurityGroup, self._groups), (Port, [*self._ports])]
        )
        if ids:
            name = f"renamed {self._chance.random()}"
            # Now and then a note is lost, as by something that nobody thought of: comparing finds that.
            self._ground.rename(model, self._chance.choice(ids), name, is_recorded=self._chance.random() > 0.05)

    def _delete(self) -> None:
        ground = self._ground
        if self._ports and self._chance.random() < 0.6:
            id = self._chance.choice([*self._ports])
            del self._ports[id]
            table = SecurityGroupPortBinding.__table__
            with ground.transaction() as context:
                context.session.execute(delete(table).where(table.c.port_id == id))
            ground.delete(Port, id, is_recorded=self._chance.random() > 0.05)
            return
        used = {each for port in self._ports.values() for each in port}
        for model, ids in ((Network, self._networks), (SecurityGroup, self._groups)):
            if free := [id for id in ids if id not in used]:
                id = self._chance.choice(free)
                ids.remove(id)
                ground.delete(model, id)


@BOTH
def test_a_random_day(ground: Ground, controller: Controller) -> None:
    """Two dispatchers, of which one is killed again and again at some point of its loop."""
    chance = random.Random(SEED)
    day = Day(ground, chance)
    ground.dispatcher("steady", controller, watches=True, batch=7)
    for turn in range(2):
        point = f"{chance.choice(POINTS[:6])}:{chance.randint(1, 4)}"
        mortal = ground.process(f"mortal{turn}", controller, crash_at=point, batch=5)
        for _ in range(60):
            day.step()
        # It goes on until the mortal has got there, too.
        wait_for(point, lambda mortal=mortal: day.step() or mortal.poll() is not None)
        assert mortal.wait() == -signal.SIGKILL
    wait_for("equality", lambda: ground.drained() and controller.digests() == ground.digests(), timeout=90)
