"""What Neutron's service plugins offer, carried out by the controller: QoS, trunks, logging, metering, tags …"""
