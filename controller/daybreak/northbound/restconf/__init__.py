"""io: the RESTCONF that networking-odl reads, and the websockets on which it hears of ports and hosts.

OpenDaylight served draft-bierman-netconf-restconf-02 below /restconf; RFC 8040 (/rests) came later, and no client of
ours asks for it. Hostconfigs, features and the status of ports are read; changes of hostconfigs and ports are told by
sal-remote's data-changed-notifications. Topologies and the clouds' objects are there for people and their scripts.
"""

from daybreak.northbound.restconf.api import dialect
from daybreak.northbound.restconf.streams import Door, Streams

__all__ = ["Door", "Streams", "dialect"]
