"""Sessions with real ovsdb-servers, and with peers that misbehave."""
