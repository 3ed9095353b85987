"""io: Open vSwitch databases: a session for each, what is learned from it, and what is written to it."""
